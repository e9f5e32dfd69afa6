// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// examplePage is a page of n bytes with a hole.
func examplePage(n int) (page []byte, offset, hole int) {
	page = make([]byte, n)
	SetLSN(page, 0x1_0000_0028)
	for i, v := range []uint16{0, 0, 28, uint16(n / 2), uint16(n - 16), uint16(n) | layoutVersion} {
		page[8+2*i], page[9+2*i] = byte(v), byte(v>>8)
	}
	for i := n / 2; i < n; i++ {
		page[i] = byte(i >> 5)
	}
	page[n-1] = 0xAA // a literal: the page may end within a match, and pglz would not notice what is left of it
	return page, 28, n/2 - 28
}

func withoutHole(page []byte, offset, hole int) []byte {
	return append(bytes.Clone(page[:offset]), page[offset+hole:]...)
}

func zstdBytes(t testing.TB, plain []byte) []byte {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer w.Close()
	return w.EncodeAll(plain, nil)
}

func lz4Bytes(t testing.TB, plain []byte) []byte {
	dst := make([]byte, lz4.CompressBlockBound(len(plain)))
	n, err := lz4.CompressBlock(plain, dst, nil)
	require.NoError(t, err)
	require.NotZero(t, n)
	return dst[:n]
}

// pglzBytes compresses what a run of the same byte is preceded by.
func pglzBytes(plain []byte) []byte {
	var out []byte
	for i := 0; i < len(plain); {
		control := len(out)
		out = append(out, 0)
		for item := 0; item < 8 && i < len(plain); item++ {
			run := 0
			for i > 0 && i+run < len(plain) && plain[i+run] == plain[i-1] && run < 18+255 {
				run++
			}
			switch {
			case run < 3:
				out = append(out, plain[i])
				i++
				continue
			case run < 18:
				out = append(out, byte(run-3), 1)
			default:
				out = append(out, 15, 1, byte(run-18))
			}
			out[control] |= 1 << item
			i += run
		}
	}
	return out
}

func images(t testing.TB, page []byte, offset, hole int) []xlog.Image {
	plain := withoutHole(page, offset, hole)
	list := []xlog.Image{
		{Data: plain},
		{Data: pglzBytes(plain), Compression: xlog.PGLZ},
		{Data: lz4Bytes(t, plain), Compression: xlog.LZ4},
		{Data: zstdBytes(t, plain), Compression: xlog.Zstd},
	}
	for i := range list {
		list[i].HoleOffset, list[i].HoleLength = uint16(offset), uint16(hole)
	}
	return list
}

func TestRestoreImage(t *testing.T) {
	for size := MinPageSize; size <= MaxPageSize; size *= 2 {
		page, offset, hole := examplePage(size)
		for _, h := range []int{hole, 0} {
			for _, img := range images(t, page, offset*min(h, 1), h) {
				got := bytes.Repeat([]byte{0xEE}, size)
				require.NoError(t, RestoreImage(got, &img), "%d bytes, %s", size, img.Compression)
				require.Equal(t, page, got)
				require.NoError(t, Check(got))
			}
		}
	}
}

func TestRestoreImageRefuses(t *testing.T) {
	page, offset, hole := examplePage(8192)
	for _, img := range images(t, page, offset, hole) {
		got := make([]byte, len(page))
		for _, damage := range []func(*xlog.Image){
			func(i *xlog.Image) { i.Data = i.Data[:len(i.Data)-1] },
			func(i *xlog.Image) { i.Data = append(bytes.Clone(i.Data), 0) },
			func(i *xlog.Image) { i.Data = nil },
			func(i *xlog.Image) { i.HoleLength-- },
			func(i *xlog.Image) { i.HoleLength++ },
			func(i *xlog.Image) { i.HoleLength = 0xFFFF },
			func(i *xlog.Image) { i.Compression = 9 },
		} {
			bad := img
			damage(&bad)
			err := RestoreImage(got, &bad)
			require.ErrorIs(t, err, ErrImage, "%s", img.Compression)
			require.ErrorIs(t, err, xlog.ErrCorrupt)
		}
	}
}

func TestRestoreImageAllocates(t *testing.T) {
	page, offset, hole := examplePage(8192)
	for _, img := range images(t, page, offset, hole) {
		n := testing.AllocsPerRun(100, func() {
			if err := RestoreImage(page, &img); err != nil {
				t.Fatal(err)
			}
		})
		require.Zero(t, n, "%s", img.Compression)
	}
}

func TestDecompressPGLZ(t *testing.T) {
	for _, c := range []struct {
		name, src, want string
		err             error
	}{
		{name: "empty"},
		{name: "literals", src: "\x00abcdefgh\x00i", want: "abcdefghi"},
		{name: "match", src: "\x08abc\x00\x03", want: "abcabc"},
		{name: "overlapping match", src: "\x04ab\x04\x02", want: "ababababa"},
		{name: "long match", src: "\x02a\x0F\x01\x02", want: "aaaaaaaaaaaaaaaaaaaaa"},
		{name: "match cut off at the end of the page", src: "\x02a\x05\x01", want: "aaa"},
		{name: "half a match", src: "\x02a\x00", want: "aaaa", err: errPGLZShort},
		{name: "long match without its length", src: "\x02a\x0F\x01", want: "aaaa", err: errPGLZShort},
		{name: "distance 0", src: "\x02a\x00\x00", want: "aaaa", err: errPGLZOffset},
		{name: "distance too large", src: "\x02a\x00\x02", want: "aaaa", err: errPGLZOffset},
		{name: "far too large", src: "\x02a\xF0\xFF", want: "aaaa", err: errPGLZOffset},
		{name: "too short", src: "\x00a", want: "ab", err: errLength},
		{name: "too long", src: "\x00ab", want: "a", err: errLength},
		{name: "no input", want: "a", err: errLength},
	} {
		got := make([]byte, len(c.want))
		err := DecompressPGLZ(got, []byte(c.src))
		require.ErrorIs(t, err, c.err, c.name)
		if c.err == nil {
			require.Equal(t, c.want, string(got), c.name)
		}
	}
}

func TestCheck(t *testing.T) {
	require.NoError(t, Check(make([]byte, 8192)))
	require.ErrorIs(t, Check(make([]byte, 10)), xlog.ErrShort)
	for _, damage := range []struct {
		at    int
		value byte
	}{{10, 8}, {12, 4}, {13, 0x1F}, {15, 0x00}, {15, 0x7F}, {16, 0xF1}, {17, 0x7F}, {18, 3}, {19, 0x40}} {
		page, _, _ := examplePage(8192)
		page[damage.at] = damage.value
		require.ErrorIs(t, Check(page), ErrPage, "%d at %d", damage.value, damage.at)
	}
}

func FuzzPGLZ(f *testing.F) {
	page, offset, hole := examplePage(1024)
	f.Add(uint16(len(page)-hole), pglzBytes(withoutHole(page, offset, hole)))
	f.Add(uint16(9), []byte("\x04ab\x04\x02"))
	f.Fuzz(func(t *testing.T, n uint16, src []byte) {
		got := make([]byte, n)
		want, ok := slowPGLZ(src, int(n))
		if err := DecompressPGLZ(got, src); (err == nil) != ok {
			t.Fatalf("%v, but it is right: %t", err, ok)
		}
		if ok {
			require.Equal(t, want, got)
		}
	})
}

// slowPGLZ decompresses byte by byte.
func slowPGLZ(src []byte, n int) ([]byte, bool) {
	out, in, bits, control := make([]byte, 0, n), 0, 0, byte(0)
	for in < len(src) && len(out) < n {
		if bits == 0 {
			control, bits = src[in], 8
			in++
			continue
		}
		match := control&1 != 0
		control, bits = control>>1, bits-1
		if !match {
			out = append(out, src[in])
			in++
			continue
		}
		if in+2 > len(src) {
			return nil, false
		}
		length, distance := int(src[in]&15)+3, int(src[in]>>4)<<8+int(src[in+1])
		in += 2
		if length == 18 {
			if in == len(src) {
				return nil, false
			}
			length += int(src[in])
			in++
		}
		if distance == 0 || distance > len(out) {
			return nil, false
		}
		for ; length > 0 && len(out) < n; length-- {
			out = append(out, out[len(out)-distance])
		}
	}
	return out, in == len(src) && len(out) == n
}

func FuzzLZ4(f *testing.F)  { fuzzLibrary(f, lz4Bytes, DecompressLZ4) }
func FuzzZstd(f *testing.F) { fuzzLibrary(f, zstdBytes, decompressZstd) }

func fuzzLibrary(f *testing.F, compress func(testing.TB, []byte) []byte, decompress func(dst, src []byte) error) {
	page, offset, hole := examplePage(1024)
	plain := withoutHole(page, offset, hole)
	f.Add(uint16(len(plain)), compress(f, plain))
	f.Fuzz(func(t *testing.T, n uint16, src []byte) {
		n %= MaxPageSize + 1
		all := bytes.Repeat([]byte{0xEE}, int(n)+64)
		_ = decompress(all[:n], src)
		require.Equal(t, bytes.Repeat([]byte{0xEE}, 64), all[n:])
	})
}

func FuzzRestoreImage(f *testing.F) {
	page, offset, hole := examplePage(1024)
	for _, img := range images(f, page, offset, hole) {
		f.Add(uint8(0), uint8(img.Compression), img.HoleOffset, img.HoleLength, img.Data)
	}
	f.Fuzz(func(t *testing.T, size, compression uint8, offset, hole uint16, data []byte) {
		n := MinPageSize << (size % 6)
		all := bytes.Repeat([]byte{0xEE}, n+64)
		img := xlog.Image{Data: data, HoleOffset: offset, HoleLength: hole, Compression: xlog.Compression(compression % 5)}
		if err := RestoreImage(all[:n], &img); err != nil {
			require.ErrorIs(t, err, ErrImage)
		} else {
			_ = Check(all[:n])
		}
		require.Equal(t, bytes.Repeat([]byte{0xEE}, 64), all[n:])
	})
}
