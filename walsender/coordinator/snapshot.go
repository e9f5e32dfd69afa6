// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"archive/tar"
	"bytes"
	_ "embed" // the snapshot
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/walmirror/walmirror/xlog/vfs"
)

//go:generate go test -run TestSnapshot -update

// Of the server that the snapshot was taken from.
const (
	Database          = "postgres" // that has the tables
	ServerVersion     = 150020     // server_version_num
	ServerVersionText = "15.20 (Debian 15.20-0+deb12u1)"
)

// The tables that can be changed. See catalog.SegmentConfiguration and catalog.ConfigurationHistory for their rows.
const (
	SegmentConfiguration = "gp_segment_configuration"
	ConfigurationHistory = "gp_configuration_history"
)

// snapshot is the data directory of a PostgreSQL 15 server that was shut down, a tar archive.
//
//go:embed snapshot.tar.zst
var snapshot []byte

// Create makes a data directory, which must not be there yet or be empty, of a server that was just installed. It has the
// tables gp_segment_configuration and gp_configuration_history of Greenplum 7 in its database "postgres", both empty.
func Create(dir string) error {
	if err := os.MkdirAll(dir, vfs.DirMode); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("create a coordinator: %s is not empty", dir)
	}
	if err := os.Chmod(dir, vfs.DirMode); err != nil {
		return err
	}
	return unpack(dir)
}

func unpack(dir string) error {
	z, err := zstd.NewReader(bytes.NewReader(snapshot))
	if err != nil {
		return err
	}
	defer z.Close()
	for archive := tar.NewReader(z); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Join(dir, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, vfs.DirMode)
		} else {
			err = unpackFile(name, archive)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(name string, from io.Reader) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, vfs.FileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
