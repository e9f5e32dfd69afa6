// SPDX-License-Identifier: Apache-2.0

// Package vfs is the seam between walmirror and the filesystem: the few operations whose order decides whether data
// survives a power cut. Production code uses OS; tests put faultfs in its place to lose unsynced writes, tear them,
// or let an operation fail.
//
// A name becomes durable only when its directory is synced: creating, renaming or removing a file is two steps here,
// the operation and SyncDir of the parent.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// FS is a filesystem. Paths are those of the operating system.
type FS interface {
	// OpenFile is os.OpenFile.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename replaces newname by oldname in one step. Durable after SyncDir of the directory.
	Rename(oldname, newname string) error
	// Remove deletes a file or an empty directory. Durable after SyncDir of the directory.
	Remove(name string) error
	// Mkdir makes one directory. Durable after SyncDir of its parent.
	Mkdir(name string, perm fs.FileMode) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat is os.Stat.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
}

// File is an open file. Its methods are those of *os.File.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the content and the size durable; on Linux it is fdatasync, so times and modes may lag. After a
	// failure the kernel may have dropped what it could not write: trying again proves nothing.
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
	// Preallocate reserves blocks so that the file has at least size bytes, new ones reading as zeros. Where the
	// filesystem cannot reserve, it extends the file by writing zeros.
	Preallocate(size int64) error
}

// Permissions of everything that walmirror makes.
const (
	DirMode  fs.FileMode = 0o700
	FileMode fs.FileMode = 0o600
)

// Exists tells whether there is something of that name.
func Exists(fsys FS, name string) (bool, error) {
	_, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// OS is the operating system's filesystem.
var OS FS = osFS{}

type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(oldname, newname string) error       { return os.Rename(oldname, newname) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }
func (osFS) Mkdir(name string, perm fs.FileMode) error  { return os.Mkdir(name, perm) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

type osFile struct{ *os.File }

// OSFile is the operating system's file behind one that OS has opened; ok is false for any other.
func OSFile(f any) (file *os.File, ok bool) {
	o, ok := f.(osFile)
	return o.File, ok
}

func (f osFile) Sync() error {
	if err := datasync(f.File); err != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return nil
}

func (f osFile) Preallocate(size int64) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := allocate(f.File, size); err != errors.ErrUnsupported {
		if err != nil {
			return &fs.PathError{Op: "preallocate", Path: f.Name(), Err: err}
		}
		return nil
	}
	return writeZeros(f, st.Size(), size)
}

// zeroChunk bounds the memory and the single write of writeZeros.
const zeroChunk = 1 << 20

// writeZeros fills f with zeros from offset from to offset to.
func writeZeros(f io.WriterAt, from, to int64) error {
	zeros := make([]byte, max(min(to-from, zeroChunk), 0))
	for from < to {
		n, err := f.WriteAt(zeros[:min(to-from, zeroChunk)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}
