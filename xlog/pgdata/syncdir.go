// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// Sync makes every file of the data directory durable, those of tablespaces and pg_wal included (SyncDataDirectory in
// src/backend/storage/file/fd.c). After a crash pages may be in the operating system's cache that replay takes for
// written, and that nobody would write again.
func (d *DataDir) Sync() error { return syncTree(d.fsys, d.Path) }

func syncTree(fsys vfs.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, e := range entries {
		if err := syncEntry(fsys, filepath.Join(dir, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	return fsys.SyncDir(dir)
}

// syncEntry follows links: pg_wal and tablespaces may be ones.
func syncEntry(fsys vfs.FS, path string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		st, err := fsys.Stat(path)
		if err != nil {
			return ignoreNotExist(err)
		}
		mode = st.Mode().Type()
	}
	switch {
	case mode.IsDir():
		return syncTree(fsys, path)
	case mode.IsRegular():
		return syncFile(fsys, path)
	}
	return nil
}

func syncFile(fsys vfs.FS, path string) (err error) {
	f, err := fsys.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}
