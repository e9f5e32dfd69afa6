// SPDX-License-Identifier: Apache-2.0

package faultfs

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// change is something done to a file's bytes: a write, or with nil data a change of length.
type change struct {
	offset int64 // of the write, or the new length
	data   []byte
}

// end is where a write ends.
func (c change) end() int64 { return c.offset + int64(len(c.data)) }

func (n *node) write(p []byte, offset int64) {
	n.do(change{offset, slices.Clone(p)})
}

func (n *node) resize(size int64) {
	n.do(change{offset: size})
}

func (n *node) do(c change) {
	n.own()
	n.content = apply(n.content, c)
	n.pending = append(n.pending, c)
}

// own takes copies of what a filesystem after a crash shares with the one before.
func (n *node) own() {
	if n.shared {
		n.content, n.safe, n.shared = slices.Clone(n.content), slices.Clone(n.safe), false
	}
}

// apply returns content with the change made.
func apply(content []byte, c change) []byte {
	if c.data == nil {
		if c.offset <= int64(len(content)) {
			return content[:c.offset]
		}
		return grow(content, c.offset)
	}
	content = grow(content, c.offset+int64(len(c.data)))
	copy(content[c.offset:], c.data)
	return content
}

// grow extends content with zeros.
func grow(content []byte, size int64) []byte {
	if more := size - int64(len(content)); more > 0 {
		return append(content, make([]byte, more)...)
	}
	return content
}

func (n *node) makeSafe() {
	for _, c := range n.pending {
		n.safe = apply(n.safe, c)
	}
	n.pending = nil
}

// makeSafeNow makes a write safe that was done before others are: they have its bytes where they overlap.
func (n *node) makeSafeNow(w change) {
	n.safe = apply(n.safe, w)
	for _, c := range n.pending {
		if from, to := max(c.offset, w.offset), min(c.end(), w.end()); from < to {
			copy(c.data[from-c.offset:to-c.offset], w.data[from-w.offset:])
		}
	}
}

func (n *node) info(name string) fs.FileInfo {
	return info{name: name, size: int64(len(n.content)), mode: n.mode}
}

type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

// file is an open file.
type file struct {
	fs     *FS
	node   *node
	name   string
	closed bool
}

// step begins an operation on the file. The caller holds mu.
func (f *file) step(op Op) error {
	if f.closed {
		return fs.ErrClosed
	}
	return f.fs.step(op)
}

func (f *file) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.step(Read); err != nil {
		return 0, f.wrap("read", err)
	}
	if off >= int64(len(f.node.content)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes what there is room for. A fault may leave a part of it written.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.writeAt(p, off)
}

// writeAt is WriteAt for a caller that holds mu.
func (f *file) writeAt(p []byte, off int64) (int, error) {
	fault, err := f.fs.stepFault(Write)
	if f.closed {
		err = fs.ErrClosed
	}
	n := len(p)
	if err != nil {
		n = int(float64(n) * fault.Short)
	} else if room := f.fs.room(f.node); off+int64(n) > room {
		n, err = int(max(room-off, 0)), syscall.ENOSPC
	}
	if n > 0 {
		f.node.write(p[:n], off)
	}
	return n, f.wrap("write", err)
}

// directFile is a file whose writes are safe when they return.
type directFile struct{ *file }

func (f directFile) WriteAt(p []byte, off int64) (int, error) {
	if off%vfs.DirectBlock != 0 || len(p)%vfs.DirectBlock != 0 {
		return 0, f.wrap("write", syscall.EINVAL)
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n, err := f.writeAt(p, off)
	if err == nil {
		f.node.makeSafeNow(change{off, p})
	}
	return n, err
}

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.step(Sync)
	switch err {
	case nil:
		f.node.makeSafe()
	case ErrCrashed:
	default:
		f.node.pending = nil
	}
	return f.wrap("sync", err)
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.wrap("truncate", f.setSize(Truncate, size))
}

func (f *file) Preallocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.wrap("preallocate", f.setSize(Preallocate, max(size, int64(len(f.node.content)))))
}

func (f *file) setSize(op Op, size int64) error {
	if err := f.step(op); err != nil {
		return err
	}
	if size > f.fs.room(f.node) {
		return syscall.ENOSPC
	}
	if size != int64(len(f.node.content)) {
		f.node.resize(size)
	}
	return nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.step(Stat); err != nil {
		return nil, f.wrap("stat", err)
	}
	return f.node.info(path.Base(f.name)), nil
}

// Close closes the file even when it returns an error.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.step(Close)
	f.closed = true
	return f.wrap("close", err)
}
