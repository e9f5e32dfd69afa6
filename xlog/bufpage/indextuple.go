// SPDX-License-Identifier: Apache-2.0

package bufpage

import "encoding/binary"

// IndexHeaderSize is sizeof(IndexTupleData).
const IndexHeaderSize = 8

// IndexTuple is a tuple of an index as it is on a page (IndexTupleData in src/include/access/itup.h), at least
// IndexHeaderSize bytes:
//
//	0  t_tid   6     the tuple of the table, or what the kind of index makes of it
//	6  t_info  u16   length in bytes in the lower 13 bits
//	8  null bitmap if there are nulls, padding, columns
type IndexTuple []byte

// Bits of t_info.
const (
	IndexReserved uint16 = 0x2000 // INDEX_AM_RESERVED_BIT
	IndexVarWidth uint16 = 0x4000 // INDEX_VAR_MASK
	IndexNulls    uint16 = 0x8000 // INDEX_NULL_MASK

	indexSize uint16 = 0x1FFF // INDEX_SIZE_MASK
)

// IndexTuple is the tuple that line pointer off points to: nil when there is none, or it is too short or reaches
// outside the page.
func (p Page) IndexTuple(off int) IndexTuple {
	t := p.Item(off)
	if len(t) < IndexHeaderSize {
		return nil
	}
	return t
}

func (t IndexTuple) TID() TID         { return GetTID(t) }
func (t IndexTuple) SetTID(tid TID)   { tid.Put(t) }
func (t IndexTuple) Info() uint16     { return binary.LittleEndian.Uint16(t[6:]) }
func (t IndexTuple) SetInfo(v uint16) { binary.LittleEndian.PutUint16(t[6:], v) }

// Size is the length in bytes that the tuple says it has (IndexTupleSize).
func (t IndexTuple) Size() int { return int(t.Info() & indexSize) }

// SetSize writes the length.
func (t IndexTuple) SetSize(n int) { t.SetInfo(t.Info()&^indexSize | uint16(n)&indexSize) }
