// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// input is what a payload is decoded from: the record, its parts, and a place in its main data. Reading past the end
// gives zeros and an error that stays; a decoder reads on and need not look at it, but before it uses a count for a loop
// (array does that).
type input struct {
	*xlog.Dialect
	rec  *xlog.Record
	body *xlog.Body
	main []byte
	off  int
	err  string
}

// fail notes the first thing that is wrong.
func (in *input) fail(reason string) {
	if in.err == "" {
		in.err = reason
	}
}

// left is the number of bytes not yet read.
func (in *input) left() int { return len(in.main) - in.off }

// bytes reads the next n bytes of the main data. It is nil, with an error, when there are fewer.
func (in *input) bytes(n int) []byte {
	if n < 0 || n > in.left() {
		in.fail("too short")
		in.off = len(in.main)
		return nil
	}
	b := in.main[in.off : in.off+n : in.off+n]
	in.off += n
	return b
}

// rest is everything not yet read.
func (in *input) rest() []byte { return in.bytes(in.left()) }

func (in *input) skip(n int) { in.bytes(n) }

// align skips the padding before something that is aligned to n bytes, a power of two, counted from the begin of the
// main data.
func (in *input) align(n int) { in.skip(-in.off & (n - 1)) }

func (in *input) u8() uint8 {
	if b := in.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (in *input) bool() bool { return in.u8() != 0 }

func (in *input) u16() uint16 {
	if b := in.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (in *input) u32() uint32 {
	if b := in.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (in *input) u64() uint64 {
	if b := in.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (in *input) i32() int32    { return int32(in.u32()) }
func (in *input) i64() int64    { return int64(in.u64()) }
func (in *input) lsn() xlog.LSN { return xlog.LSN(in.u64()) }

// relation reads a RelFileLocator (RelFileNode).
func (in *input) relation() (rel xlog.RelFileLocator) {
	rel.Tablespace, rel.Database = in.u32(), in.u32()
	if in.RelNodeSize() == 16 {
		rel.RelNumber = in.u64()
	} else {
		rel.RelNumber = uint64(in.u32())
	}
	return rel
}

// cstring reads up to and with a zero byte, which it leaves out.
func (in *input) cstring() []byte {
	for i, c := range in.main[in.off:] {
		if c == 0 {
			return in.bytes(i + 1)[:i]
		}
	}
	in.fail("unterminated string")
	return nil
}

// array reads n items of size bytes. The count comes from the record, as signed as PostgreSQL has it.
func (in *input) array(n int64, size int) []byte {
	if n < 0 || n > int64(in.left()/size) {
		in.fail("count is larger than the record")
		in.off = len(in.main)
		return nil
	}
	return in.bytes(int(n) * size)
}

// block is input for the data of a block reference, in the place of the main data; without the block or its data it is
// empty.
func (in *input) block(id uint8) input {
	other := *in
	other.main, other.off = nil, 0
	if b := in.body.Block(id); b != nil {
		other.main = b.Data
	}
	return other
}

// Uint16s is an array of 16-bit numbers in a record, such as offset numbers.
type Uint16s []byte

// Len is the number of items.
func (a Uint16s) Len() int { return len(a) / 2 }

// At is item i.
func (a Uint16s) At(i int) uint16 { return binary.LittleEndian.Uint16(a[2*i:]) }

// Append appends the items to dst.
func (a Uint16s) Append(dst []uint16) []uint16 {
	for i := range a.Len() {
		dst = append(dst, a.At(i))
	}
	return dst
}

// Uint32s is an array of 32-bit numbers in a record, such as transaction ids.
type Uint32s []byte

// Len is the number of items.
func (a Uint32s) Len() int { return len(a) / 4 }

// At is item i.
func (a Uint32s) At(i int) uint32 { return binary.LittleEndian.Uint32(a[4*i:]) }

func (in *input) u16s(n int64) Uint16s { return in.array(n, 2) }
func (in *input) u32s(n int64) Uint32s { return in.array(n, 4) }
