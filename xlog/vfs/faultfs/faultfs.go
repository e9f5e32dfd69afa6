// SPDX-License-Identifier: Apache-2.0

// Package faultfs is a filesystem in memory for tests. It loses power when told to, and lets operations fail.
//
//	fsys := faultfs.New()
//	fsys.CrashAfter(17)                   // operations after the 17th fail with ErrCrashed
//	workload(fsys)
//	for seed := range uint64(8) {
//		check(fsys.Crash(seed))       // one of the ways in which the disk may be found
//	}
//
// # What a crash may do
//
// The model promises as little as POSIX does, and less than most real filesystems keep:
//
//   - Bytes of a file are safe when File.Sync returned after they were written. Of others each 512-byte sector is
//     found with the old content or with that of any later write, independently of its neighbours. The same holds
//     for a change of the file's length.
//     A direct write (vfs.DirectFS) is safe when it returned, whatever else is not.
//   - A name is safe when SyncDir of its directory returned after the name was made, changed or removed. Of the
//     changes after that any subset is found, each one whole: a rename is found done or not done.
//     Syncing a file does not make its name safe.
//   - A name that is found can lead to a file of which nothing was synced, and which is then empty.
//   - A File.Sync that fails drops what was to be synced, as Linux does: it still can be read, a later Sync
//     succeeds without it, and a crash loses it.
//
// Seed 0 loses everything that is not safe and seed 1 loses nothing. Seed 2 keeps all names and no content, seed 3 all
// content and only the last change of names. The others draw for each sector and name.
package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// ErrCrashed is the error of every operation after the crash.
var ErrCrashed = errors.New("filesystem has crashed")

// FS is a filesystem in memory. It is safe for concurrent use.
type FS struct {
	mu      sync.Mutex
	root    *node
	journal []nameChange // changes of names that are not safe, oldest first
	ops     int
	crashAt int
	faults  []Fault
	space   int64
	locked  map[string]bool
}

var (
	_ vfs.FS       = (*FS)(nil)
	_ vfs.Locker   = (*FS)(nil)
	_ vfs.DirectFS = (*FS)(nil)
)

// New returns an empty filesystem without limits.
func New() *FS {
	return &FS{root: newDir(), crashAt: math.MaxInt, space: math.MaxInt64, locked: make(map[string]bool)}
}

// node is a file or a directory.
type node struct {
	mode fs.FileMode

	// Of a file.
	content []byte   // what a read sees
	safe    []byte   // what was synced
	pending []change // what was done since, oldest first
	shared  bool     // content and safe must not be changed in place

	// Of a directory; nil in a file.
	names     map[string]*node
	safeNames map[string]*node
}

func newDir() *node {
	return &node{mode: fs.ModeDir | vfs.DirMode, names: make(map[string]*node), safeNames: make(map[string]*node)}
}

// nameChange sets names of directories, all of them or none; a nil node removes the name.
type nameChange []setName

type setName struct {
	dir  *node
	name string
	to   *node
}

func (c nameChange) touches(dir *node) bool {
	return slices.ContainsFunc(c, func(s setName) bool { return s.dir == dir })
}

// change applies and journals it.
func (f *FS) change(c nameChange) {
	for _, s := range c {
		set(s.dir.names, s.name, s.to)
	}
	f.journal = append(f.journal, c)
}

func set(names map[string]*node, name string, to *node) {
	if to == nil {
		delete(names, name)
	} else {
		names[name] = to
	}
}

// find returns the node of a path, and with it the directory and the name where it is or would be.
func (f *FS) find(name string) (dir *node, base string, n *node, err error) {
	dir, n = nil, f.root
	for part := range strings.SplitSeq(path.Clean("/" + name)[1:], "/") {
		if part == "" {
			continue
		}
		if n == nil {
			return nil, "", nil, fs.ErrNotExist
		}
		if n.names == nil {
			return nil, "", nil, syscall.ENOTDIR
		}
		dir, base, n = n, part, n.names[part]
	}
	return dir, base, n, nil
}

// existing is find of something that must be there.
func (f *FS) existing(name string) (dir *node, base string, n *node, err error) {
	dir, base, n, err = f.find(name)
	if err == nil && n == nil {
		err = fs.ErrNotExist
	}
	return dir, base, n, err
}

// OpenFile implements vfs.FS. It knows O_CREATE, O_EXCL and O_TRUNC.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.open(name, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &file{fs: f, node: n, name: name}, nil
}

// OpenDirect implements vfs.DirectFS.
func (f *FS) OpenDirect(name string) (vfs.DirectFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.open(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return directFile{&file{fs: f, node: n, name: name}}, nil
}

func (f *FS) open(name string, flag int, perm fs.FileMode) (*node, error) {
	if err := f.step(Open); err != nil {
		return nil, err
	}
	dir, base, n, err := f.find(name)
	switch {
	case err != nil:
		return nil, err
	case n == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case n == nil:
		n = &node{mode: perm}
		f.change(nameChange{{dir, base, n}})
	case flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case n.names != nil && flag&(os.O_WRONLY|os.O_RDWR) != 0:
		return nil, syscall.EISDIR
	}
	if flag&os.O_TRUNC != 0 {
		n.resize(0)
	}
	return n, nil
}

// Rename implements vfs.FS.
func (f *FS) Rename(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.rename(oldname, newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

func (f *FS) rename(oldname, newname string) error {
	if err := f.step(Rename); err != nil {
		return err
	}
	fromDir, from, n, err := f.existing(oldname)
	if err != nil {
		return err
	}
	toDir, to, _, err := f.find(newname)
	if err != nil {
		return err
	}
	f.change(nameChange{{fromDir, from, nil}, {toDir, to, n}})
	return nil
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.remove(name); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

func (f *FS) remove(name string) error {
	if err := f.step(Remove); err != nil {
		return err
	}
	dir, base, n, err := f.existing(name)
	if err != nil {
		return err
	}
	if len(n.names) > 0 {
		return syscall.ENOTEMPTY
	}
	f.change(nameChange{{dir, base, nil}})
	return nil
}

// Mkdir implements vfs.FS.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.mkdir(name); err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}

func (f *FS) mkdir(name string) error {
	if err := f.step(Mkdir); err != nil {
		return err
	}
	dir, base, n, err := f.find(name)
	if err != nil {
		return err
	}
	if n != nil {
		return fs.ErrExist
	}
	f.change(nameChange{{dir, base, newDir()}})
	return nil
}

// ReadDir implements vfs.FS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.directory(name, ReadDir)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	var list []fs.DirEntry
	for base, child := range n.names {
		list = append(list, fs.FileInfoToDirEntry(child.info(base)))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

func (f *FS) directory(name string, op Op) (*node, error) {
	if err := f.step(op); err != nil {
		return nil, err
	}
	_, _, n, err := f.existing(name)
	if err == nil && n.names == nil {
		err = syscall.ENOTDIR
	}
	return n, err
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.step(Stat)
	if err == nil {
		var n *node
		if _, _, n, err = f.existing(name); err == nil {
			return n.info(path.Base(name)), nil
		}
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.directory(name, SyncDir)
	if err != nil {
		return &fs.PathError{Op: "sync", Path: name, Err: err}
	}
	f.journal = slices.DeleteFunc(f.journal, func(c nameChange) bool {
		if !c.touches(n) {
			return false
		}
		c.makeSafe()
		return true
	})
	return nil
}

func (c nameChange) makeSafe() {
	for _, s := range c {
		set(s.dir.safeNames, s.name, s.to)
	}
}

// Lock implements vfs.Locker within the process. It is no operation that is counted or fails.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locked[name] {
		return nil, &vfs.LockedError{Name: name, PID: os.Getpid()}
	}
	f.locked[name] = true
	return lock{f, name}, nil
}

type lock struct {
	fs   *FS
	name string
}

func (l lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locked, l.name)
	return nil
}
