// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// ErrArchive says that a tar archive of a base backup is damaged, or holds what no PostgreSQL server sends: a name
// that leads out of the directory, a device, a header that does not match its checksum.
var ErrArchive = errors.New("invalid backup archive")

// tarBlock is the unit of a tar archive: a header is one block, contents are padded to whole blocks.
const tarBlock = 512

// The kinds of member that a server sends (TAR_OFFSET_TYPEFLAG in src/include/pgtar.h).
const (
	tarFile      byte = '0'
	tarSymlink   byte = '2'
	tarDirectory byte = '5'
)

// tarMember is one header of an archive.
type tarMember struct {
	Name string // relative, slash separated, without "./" in front or "/" behind
	Kind byte   // tarFile, tarSymlink or tarDirectory
	Size int64  // bytes of contents; 0 unless Kind is tarFile
	Link string // what a symbolic link points at
}

// tarReader takes a backup's archive apart while it arrives. It knows what PostgreSQL's own writer makes
// (src/port/tar.c) and nothing else, so there are no extension headers to follow and no length to trust:
//
//	offset  0 name[100]   100 mode[8]  108 uid[8]  116 gid[8]  124 size[12]  136 mtime[12]  148 checksum[8]
//	      156 type[1]     157 link[100]            257 "ustar\0" "00"        265 owner...   345 prefix[155], zero
//
// Numbers are octal digits, or big-endian binary after a byte 0x80 when they do not fit. Owner, mode and time are not
// looked at. Servers before 15 and after it differ in whether two zero blocks close the archive; both are taken.
type tarReader struct {
	r      io.Reader
	offset int64 // in the archive, for messages
	left   int64 // contents of the current member not read yet
	pad    int64 // zero bytes after them
	header [tarBlock]byte
}

func newTarReader(r io.Reader) *tarReader { return &tarReader{r: r} }

// Next skips what is left of the current member and returns the next one, or io.EOF at the end of the archive.
func (t *tarReader) Next() (tarMember, error) {
	if err := t.skip(t.left + t.pad); err != nil {
		return tarMember{}, err
	}
	t.left, t.pad = 0, 0
	n, err := io.ReadFull(t.r, t.header[:])
	if errors.Is(err, io.EOF) {
		return tarMember{}, io.EOF
	}
	at := t.offset
	t.offset += int64(n)
	if err != nil {
		return tarMember{}, t.readError(err)
	}
	if t.header == [tarBlock]byte{} {
		return tarMember{}, t.end()
	}
	m, err := parseTarHeader(&t.header)
	if err != nil {
		return tarMember{}, fmt.Errorf("%w at byte %d: %w", ErrArchive, at, err)
	}
	t.left, t.pad = m.Size, -m.Size&(tarBlock-1)
	return m, nil
}

// Read reads the contents of the current member.
func (t *tarReader) Read(p []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > t.left {
		p = p[:t.left]
	}
	n, err := t.r.Read(p)
	t.left -= int64(n)
	t.offset += int64(n)
	if err != nil && t.left > 0 {
		return n, t.readError(err)
	}
	return n, nil
}

func (t *tarReader) skip(n int64) error {
	m, err := io.CopyN(io.Discard, t.r, n)
	t.offset += m
	if err != nil {
		return t.readError(err)
	}
	return nil
}

// readError turns the end of the input in the middle of something into what it is.
func (t *tarReader) readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: cut off at byte %d", ErrArchive, t.offset)
	}
	return err
}

// end reads what follows the first zero block: at most one more of them.
func (t *tarReader) end() error {
	n, err := io.ReadFull(t.r, t.header[:])
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err != nil:
		t.offset += int64(n)
		return t.readError(err)
	case t.header != [tarBlock]byte{}:
		return fmt.Errorf("%w: data after its end at byte %d", ErrArchive, t.offset)
	}
	t.offset += tarBlock
	var one [1]byte
	if _, err := io.ReadFull(t.r, one[:]); err == nil {
		return fmt.Errorf("%w: data after its end at byte %d", ErrArchive, t.offset)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return io.EOF
}

func parseTarHeader(h *[tarBlock]byte) (tarMember, error) {
	if string(h[257:263]) != "ustar\x00" || string(h[263:265]) != "00" {
		return tarMember{}, errors.New("not a ustar header")
	}
	sum, err := tarNumber(h[148:156])
	if err != nil || sum != tarChecksum(h) {
		return tarMember{}, errors.New("header checksum does not match")
	}
	if h[345] != 0 {
		return tarMember{}, errors.New("a name split over two fields")
	}
	m := tarMember{Kind: h[156]}
	name, err := tarText(h[0:100])
	if err != nil {
		return tarMember{}, fmt.Errorf("name: %w", err)
	}
	if m.Size, err = tarNumber(h[124:136]); err != nil {
		return tarMember{}, fmt.Errorf("%q: size: %w", name, err)
	}
	switch m.Kind {
	case tarFile:
	case tarDirectory, tarSymlink:
		name = strings.TrimSuffix(name, "/")
		if m.Size != 0 {
			return tarMember{}, fmt.Errorf("%q: a directory or link with %d bytes of contents", name, m.Size)
		}
	default:
		return tarMember{}, fmt.Errorf("%q: neither file, directory nor symbolic link, but type %q", name, m.Kind)
	}
	if m.Name, err = memberName(name); err != nil {
		return tarMember{}, err
	}
	if m.Kind == tarSymlink {
		if m.Link, err = tarText(h[157:257]); err != nil {
			return tarMember{}, fmt.Errorf("%q: link target: %w", name, err)
		}
	}
	return m, nil
}

// memberName checks that a name stays below the directory it is unpacked in and is in its shortest form, apart from
// the "./" that servers put before a few of them.
func memberName(name string) (string, error) {
	short := strings.TrimPrefix(name, "./")
	if !filepath.IsLocal(short) || short == "." || filepath.ToSlash(filepath.Clean(short)) != short {
		return "", fmt.Errorf("unsafe name %q", name)
	}
	return short, nil
}

// tarText is a field up to its first NUL. Anything but NULs behind that is an attempt to be read in two ways.
func tarText(field []byte) (string, error) {
	text, rest, _ := bytes.Cut(field, []byte{0})
	if len(text) == 0 {
		return "", errors.New("empty")
	}
	if len(bytes.Trim(rest, "\x00")) > 0 {
		return "", fmt.Errorf("%q has data behind its NUL", text)
	}
	return string(text), nil
}

// tarNumber reads a number as print_tar_number writes it.
func tarNumber(field []byte) (int64, error) {
	if field[0] == 0x80 {
		return tarBinary(field[1:])
	}
	var v int64
	digits := bytes.TrimRight(field, " \x00")
	for _, c := range digits {
		if c < '0' || c > '7' {
			return 0, fmt.Errorf("%q is not a number", field)
		}
		v = v<<3 | int64(c-'0')
	}
	if len(digits) == 0 {
		return 0, errors.New("empty number")
	}
	return v, nil
}

// tarBinary reads a number of the GNU form, which servers use for files of 8 GiB and more.
func tarBinary(field []byte) (int64, error) {
	var v int64
	for _, c := range field {
		if v >= 1<<52 {
			return 0, errors.New("number out of range")
		}
		v = v<<8 | int64(c)
	}
	return v, nil
}

// tarChecksum is the sum of the header's bytes, with spaces in place of the checksum itself.
func tarChecksum(h *[tarBlock]byte) int64 {
	sum := int64(8 * ' ')
	for i, c := range h {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return sum
}
