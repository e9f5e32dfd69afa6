// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"io"
	"unsafe"
)

// DirectBlock is what a direct write is made of: its offset, its length and its memory's address are multiples of it.
const DirectBlock = 4096

// DirectFS is what a filesystem implements that can write around the page cache.
type DirectFS interface {
	// OpenDirect opens an existing file for writes that go straight to the disk, and are durable when they return. The
	// file may be open in the ordinary way too, but no page of it may be written in both ways at the same time: what is
	// in the cache would later be written over what was written directly. Where the filesystem cannot do that,
	// OpenDirect or the first write returns errors.ErrUnsupported.
	OpenDirect(name string) (DirectFile, error)
}

// DirectFile is a file that is written around the page cache.
type DirectFile interface {
	io.WriterAt
	io.Closer
}

// DirectBuffer returns memory for direct writes.
func DirectBuffer(size int) []byte {
	b := make([]byte, size+DirectBlock-1)
	past := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % DirectBlock)
	from := (DirectBlock - past) % DirectBlock
	return b[from : from+size : from+size]
}
