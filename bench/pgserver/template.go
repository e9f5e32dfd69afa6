// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// templatesVar names a directory in which what initdb made is kept, to be copied instead of made again.
const templatesVar = "WALMIRROR_TEMPLATES"

// template is the kept directory for a server's options; "" where none is to be kept.
func (s *Server) template() string {
	o, dir := s.opts, os.Getenv(templatesVar)
	if dir == "" || o.Auth != "trust" || o.Password != "" || len(o.InitdbArgs) > 0 {
		return ""
	}
	return filepath.Join(dir, fmt.Sprintf("%d-%dMB-checksums-%t", o.Major, o.WALSegmentMB, !o.NoChecksums))
}

// keep copies a data directory that initdb has made to where template says. Others may do so at the same time.
func keep(dataDir, template string) error {
	made, err := os.MkdirTemp(filepath.Dir(template), "made-")
	if err != nil {
		return err
	}
	if err := copyMade(dataDir, made); err != nil {
		return errors.Join(err, os.RemoveAll(made))
	}
	if err := os.Rename(made, template); err != nil {
		if _, there := os.Stat(template); there == nil {
			err = nil // somebody was faster
		}
		return errors.Join(err, os.RemoveAll(made))
	}
	return nil
}

// fromTemplate makes the data directory a copy of a template that is a system of its own. ok is false when there is no
// template.
func (s *Server) fromTemplate(template string) (ok bool, err error) {
	if _, err := os.Stat(template); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err := copyMade(template, s.DataDir); err != nil {
		return false, err
	}
	if err := renameSystem(s.DataDir); err != nil {
		return false, err
	}
	return true, Chown(s.DataDir)
}

// copyMade copies what initdb made to an empty directory.
func copyMade(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == from {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.Mkdir(target, 0o700)
		case filepath.Dir(rel) == "pg_wal":
			return copyContent(name, target, copyNonzero)
		}
		return copyFile(name, target)
	})
}

// copyNonzero copies a segment of the log, most of which is zeros, and leaves holes where they are.
func copyNonzero(dst *os.File, src io.Reader) error {
	var chunk, zeros [64 << 10]byte
	for at := int64(0); ; {
		n, err := io.ReadFull(src, chunk[:])
		if n > 0 && chunk != zeros {
			if _, err := dst.WriteAt(chunk[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		clear(chunk[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return dst.Truncate(at)
		}
		if err != nil {
			return err
		}
	}
}

// renameSystem gives the copy of a data directory a system identifier of its own, as initdb would: it is the first in the
// control file, and in the header of each segment of the log.
func renameSystem(dir string) error {
	id := uint64(time.Now().Unix())<<32 | uint64(rand.Uint32())
	name := filepath.Join(dir, "global", "pg_control")
	control, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	sum, err := findCRC(control)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	binary.NativeEndian.PutUint64(control, id)
	binary.NativeEndian.PutUint32(control[sum:], crc32.Checksum(control[:sum], castagnoli))
	if err := os.WriteFile(name, control, 0o600); err != nil {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0000*"))
	if err != nil {
		return err
	}
	for _, segment := range segments {
		if err := writeAt(segment, binary.NativeEndian.AppendUint64(nil, id), 24); err != nil { // xlp_sysid
			return err
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// findCRC is where the checksum of a control file of any version stands: it is that of all before it.
func findCRC(control []byte) (int, error) {
	for n := 200; n+4 <= min(len(control), 512); n += 4 {
		if crc32.Checksum(control[:n], castagnoli) == binary.NativeEndian.Uint32(control[n:]) {
			return n, nil
		}
	}
	return 0, errors.New("no checksum found")
}

func writeAt(name string, p []byte, at int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(p, at)
	return errors.Join(err, f.Close())
}
