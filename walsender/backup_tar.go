// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// tarWriter writes an archive as PostgreSQL's clients expect it (tarCreateHeader in src/port/tar.c): plain ustar headers,
// names of up to 99 bytes, and numbers that do not fit their octal digits in base 256.
type tarWriter struct {
	w      io.Writer
	count  func(n int) // told of every byte
	header [tarBlock]byte
}

const tarBlock = 512

// tarMember is what a header says.
type tarMember struct {
	name  string
	link  string // of a symbolic link: where it leads
	dir   bool
	mode  fs.FileMode
	size  int64
	mtime time.Time
}

// Offsets in a header.
const (
	tarName, tarMode, tarUID, tarGID      = 0, 100, 108, 116
	tarSize, tarTime, tarSum, tarType     = 124, 136, 148, 156
	tarLink, tarMagic, tarUser, tarGroup  = 157, 257, 265, 297
	tarMajor, tarMinor, tarNameMax        = 329, 337, 99
	tarFile, tarSymlink, tarDirectoryType = '0', '2', '5'
)

func (t *tarWriter) Write(p []byte) (int, error) {
	t.count(len(p))
	return t.w.Write(p)
}

// begin writes a header.
func (t *tarWriter) begin(m tarMember) error {
	if len(m.name) > tarNameMax {
		return errorf(codeInternalError, "file name too long for tar format: \"%s\"", m.name)
	}
	if len(m.link) > tarNameMax {
		return errorf(codeInternalError, "symbolic link target too long for tar format: file name \"%s\", target \"%s\"",
			m.name, m.link)
	}
	t.fill(m)
	_, err := t.Write(t.header[:])
	return err
}

func (t *tarWriter) fill(m tarMember) {
	h := t.header[:]
	clear(h)
	n := copy(h[tarName:], m.name)
	h[tarType] = tarFile
	switch {
	case m.link != "":
		h[tarType] = tarSymlink
		copy(h[tarLink:], m.link)
	case m.dir:
		h[tarType] = tarDirectoryType
	}
	if h[tarType] != tarFile {
		m.size = 0
		h[min(n, tarNameMax-1)] = '/'
	}
	tarNumber(h[tarMode:tarUID], int64(m.mode.Perm()))
	tarNumber(h[tarUID:tarGID], int64(max(0, os.Geteuid())))
	tarNumber(h[tarGID:tarSize], int64(max(0, os.Getegid())))
	tarNumber(h[tarSize:tarTime], m.size)
	tarNumber(h[tarTime:tarSum], max(0, m.mtime.Unix()))
	copy(h[tarMagic:], "ustar\x0000")
	copy(h[tarUser:], "postgres")
	copy(h[tarGroup:], "postgres")
	tarNumber(h[tarMajor:tarMinor], 0)
	tarNumber(h[tarMinor:tarMinor+8], 0)
	tarNumber(h[tarSum:tarType], tarChecksum(h))
}

// tarNumber writes a number, which is not negative, as octal digits and a space, or where that is too long in base 256.
func tarNumber(field []byte, n int64) {
	digits := len(field) - 1
	if n < 1<<(3*digits) {
		copy(field, fmt.Sprintf("%0*o ", digits, n))
		return
	}
	for i := len(field) - 1; i > 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] = 0x80
}

// tarChecksum is the sum of a header's bytes, those of the checksum itself taken for spaces.
func tarChecksum(h []byte) int64 {
	sum := int64(8 * ' ')
	for i, b := range h {
		if i < tarSum || i >= tarType {
			sum += int64(b)
		}
	}
	return sum
}

var zeros [64 << 10]byte

// pad writes n zero bytes.
func (t *tarWriter) pad(n int64) error {
	for n > 0 {
		k := min(n, int64(len(zeros)))
		if _, err := t.Write(zeros[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// tarPadding is what a member of a size needs to fill its last block.
func tarPadding(size int64) int64 { return -size & (tarBlock - 1) }
