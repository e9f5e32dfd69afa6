// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"io/fs"
	"os"
)

// ReadOnly is a filesystem on which nothing can be changed: files are opened for reading, whatever is asked for, and
// every change is an fs.ErrPermission.
func ReadOnly(fsys FS) FS { return readOnly{fsys} }

type readOnly struct{ fsys FS }

func denied(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission} }

func (r readOnly) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	if flag&(os.O_CREATE|os.O_TRUNC) != 0 {
		return nil, denied("open", name)
	}
	f, err := r.fsys.OpenFile(name, os.O_RDONLY, perm)
	if err != nil {
		return nil, err
	}
	return readOnlyFile{f, name}, nil
}

func (r readOnly) Rename(oldname, _ string) error             { return denied("rename", oldname) }
func (r readOnly) Remove(name string) error                   { return denied("remove", name) }
func (r readOnly) Mkdir(name string, _ fs.FileMode) error     { return denied("mkdir", name) }
func (r readOnly) ReadDir(name string) ([]fs.DirEntry, error) { return r.fsys.ReadDir(name) }
func (r readOnly) Stat(name string) (fs.FileInfo, error)      { return r.fsys.Stat(name) }
func (r readOnly) SyncDir(name string) error                  { return denied("sync", name) }

type readOnlyFile struct {
	File
	name string
}

func (f readOnlyFile) WriteAt([]byte, int64) (int, error) { return 0, denied("write", f.name) }
func (f readOnlyFile) Sync() error                        { return denied("sync", f.name) }
func (f readOnlyFile) Truncate(int64) error               { return denied("truncate", f.name) }
func (f readOnlyFile) Preallocate(int64) error            { return denied("preallocate", f.name) }
