// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// member is a piece of a tar archive for tests, written as PostgreSQL's tarCreateHeader does.
type member struct {
	name string
	kind byte
	link string
	data string
	edit func(h *[tarBlock]byte) // before the checksum
}

func (m member) bytes() []byte {
	var h [tarBlock]byte
	name := m.name
	if m.kind != tarFile {
		name += "/"
	}
	copy(h[0:100], name)
	copy(h[100:], "0000600 0000145 0000150 ")
	copy(h[124:], fmt.Sprintf("%011o 15300672052 ", len(m.data)))
	h[156] = m.kind
	copy(h[157:257], m.link)
	copy(h[257:], "ustar\x0000postgres")
	copy(h[297:], "postgres")
	copy(h[329:], "0000000 0000000 ")
	if m.edit != nil {
		m.edit(&h)
	}
	copy(h[148:], fmt.Sprintf("%07o ", tarChecksum(&h)))
	padded := append(h[:], m.data...)
	return append(padded, make([]byte, -len(m.data)&(tarBlock-1))...)
}

func archiveOf(members ...member) []byte {
	var b []byte
	for _, m := range members {
		b = append(b, m.bytes()...)
	}
	return b
}

var zeroBlocks = string(make([]byte, 2*tarBlock))

// readAll lists an archive as "name kind link data".
func readAll(r io.Reader) (list []string, err error) {
	t := newTarReader(r)
	for {
		m, err := t.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		data, err := io.ReadAll(t)
		if err != nil {
			return list, err
		}
		list = append(list, fmt.Sprintf("%s %c %s %d", m.Name, m.Kind, m.Link, len(data)))
	}
}

func TestTarReader(t *testing.T) {
	t.Parallel()
	archive := archiveOf(
		member{name: "backup_label", kind: tarFile, data: "START WAL\n"},
		member{name: "global", kind: tarDirectory},
		member{name: "./pg_wal/archive_status", kind: tarDirectory},
		member{name: "global/1262", kind: tarFile, data: strings.Repeat("x", 8192)},
		member{name: "empty", kind: tarFile},
		member{name: "pg_tblspc/16385", kind: tarSymlink, link: "/space"},
		member{name: strings.Repeat("n", 100), kind: tarFile, data: "1"},
	)
	want := []string{
		"backup_label 0  10", "global 5  0", "pg_wal/archive_status 5  0", "global/1262 0  8192", "empty 0  0",
		"pg_tblspc/16385 2 /space 0", strings.Repeat("n", 100) + " 0  1",
	}
	for name, end := range map[string]string{"open": "", "one block": zeroBlocks[:tarBlock], "closed": zeroBlocks} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(iotest.OneByteReader(io.MultiReader(bytes.NewReader(archive), strings.NewReader(end))))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

// TestTarReaderCut cuts an archive at every length: between members that is the end of an archive, else an error.
func TestTarReaderCut(t *testing.T) {
	t.Parallel()
	archive := archiveOf(member{name: "a", kind: tarFile, data: "123"}, member{name: "b", kind: tarDirectory})
	for n := range len(archive) + 1 {
		_, err := readAll(bytes.NewReader(archive[:n]))
		if n == 0 || n == 2*tarBlock || n == len(archive) {
			require.NoError(t, err, "cut at %d", n)
		} else {
			require.ErrorIs(t, err, ErrArchive, "cut at %d", n)
		}
	}
}

func TestTarReaderSkips(t *testing.T) {
	t.Parallel()
	r := newTarReader(bytes.NewReader(archiveOf(
		member{name: "a", kind: tarFile, data: strings.Repeat("a", 1000)}, member{name: "b", kind: tarFile, data: "b"})))
	_, err := r.Next()
	require.NoError(t, err)
	m, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, "b", m.Name)
}

func TestTarReaderBigNumber(t *testing.T) {
	t.Parallel()
	h := member{name: "big", kind: tarFile, edit: func(h *[tarBlock]byte) {
		copy(h[124:136], "\x80\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x05")
	}}.bytes()
	m, err := newTarReader(bytes.NewReader(h)).Next()
	require.NoError(t, err)
	require.Equal(t, int64(3<<32+5), m.Size)
}

func TestTarReaderError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := readAll(io.MultiReader(bytes.NewReader(make([]byte, 100)), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, ErrArchive)
}

// hostileMembers are what no server sends and no reader may believe.
var hostileMembers = map[string][]byte{
	"absolute name":    member{name: "/etc/passwd", kind: tarFile, data: "x"}.bytes(),
	"parent":           member{name: "../x", kind: tarFile}.bytes(),
	"parent inside":    member{name: "base/../../x", kind: tarFile}.bytes(),
	"parent at end":    member{name: "base/..", kind: tarDirectory}.bytes(),
	"harmless parent":  member{name: "base/../x", kind: tarFile}.bytes(),
	"empty name":       member{name: "", kind: tarFile}.bytes(),
	"slash only":       member{name: "", kind: tarDirectory}.bytes(),
	"dot":              member{name: ".", kind: tarDirectory}.bytes(),
	"dot slash":        member{name: "./", kind: tarFile}.bytes(),
	"double slash":     member{name: "base//1", kind: tarFile}.bytes(),
	"file with slash":  member{name: "base/", kind: tarFile}.bytes(),
	"double dot dir":   member{name: "././x", kind: tarFile}.bytes(),
	"name behind NUL":  member{name: "a\x00b", kind: tarFile}.bytes(),
	"hard link":        member{name: "a", kind: '1', link: "b"}.bytes(),
	"character device": member{name: "a", kind: '3'}.bytes(),
	"block device":     member{name: "a", kind: '4'}.bytes(),
	"fifo":             member{name: "a", kind: '6'}.bytes(),
	"extended header":  member{name: "a", kind: 'x', data: "20 path=../../etc/x\n"}.bytes(),
	"long name":        member{name: "a", kind: 'L', data: "../x"}.bytes(),
	"sparse":           member{name: "a", kind: 'S'}.bytes(),
	"old file type":    member{name: "a", kind: 0}.bytes(),
	"link without end": member{name: "pg_tblspc/1", kind: tarSymlink}.bytes(),
	"link with data":   member{name: "pg_tblspc/1", kind: tarSymlink, link: "/x", data: "x"}.bytes(),
	"dir with data":    member{name: "base", kind: tarDirectory, data: "x"}.bytes(),
	"prefix": member{name: "a", kind: tarFile, edit: func(h *[tarBlock]byte) {
		copy(h[345:], "..")
	}}.bytes(),
	"magic": member{name: "a", kind: tarFile, edit: func(h *[tarBlock]byte) { h[257] = 'U' }}.bytes(),
	"size negative": member{name: "a", kind: tarFile, edit: func(h *[tarBlock]byte) {
		copy(h[124:136], strings.Repeat("\xff", 12))
	}}.bytes(),
	"size too large": member{name: "a", kind: tarFile, edit: func(h *[tarBlock]byte) {
		copy(h[124:136], "\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	}}.bytes(),
	"size empty": member{name: "a", kind: tarFile, edit: func(h *[tarBlock]byte) {
		copy(h[124:136], make([]byte, 12))
	}}.bytes(),
	"size not octal": member{name: "a", kind: tarFile, edit: func(h *[tarBlock]byte) { h[124] = '9' }}.bytes(),
	"checksum": func() []byte {
		b := member{name: "a", kind: tarFile}.bytes()
		b[0] = 'b'
		return b
	}(),
	"after the end":  append([]byte(zeroBlocks[:tarBlock]), member{name: "a", kind: tarFile}.bytes()...),
	"three trailers": []byte(zeroBlocks + zeroBlocks[:tarBlock]),
}

func TestTarReaderHostile(t *testing.T) {
	t.Parallel()
	for name, b := range hostileMembers {
		t.Run(name, func(t *testing.T) {
			list, err := readAll(bytes.NewReader(b))
			require.ErrorIs(t, err, ErrArchive, "%v", list)
			t.Log(err)
		})
	}
}

// FuzzUntar compares with archive/tar: whatever both accept, they must see the same way.
func FuzzUntar(f *testing.F) {
	f.Add(archiveOf(member{name: "base", kind: tarDirectory}, member{name: "base/1", kind: tarFile, data: "data"}))
	f.Add(archiveOf(member{name: "pg_tblspc/1", kind: tarSymlink, link: "/x"}))
	for _, b := range hostileMembers {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readAll(bytes.NewReader(b))
		if err != nil {
			return
		}
		std := tar.NewReader(bytes.NewReader(b))
		for _, line := range got {
			h, err := std.Next()
			if errors.Is(err, tar.ErrHeader) {
				return // it also looks at owner, mode and time
			}
			if err != nil {
				t.Fatalf("we read %q, archive/tar fails: %v", line, err)
			}
			name := strings.TrimPrefix(h.Name, "./")
			if h.Typeflag != tar.TypeReg {
				name = strings.TrimSuffix(name, "/")
			}
			if want := fmt.Sprintf("%s %c %s %d", name, h.Typeflag, linkOf(h), h.Size); line != want {
				t.Fatalf("we read %q, archive/tar %q", line, want)
			}
		}
	})
}

// linkOf leaves out what a regular file has in the field.
func linkOf(h *tar.Header) string {
	if h.Typeflag == tar.TypeSymlink {
		return h.Linkname
	}
	return ""
}
