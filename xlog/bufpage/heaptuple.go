// SPDX-License-Identifier: Apache-2.0

package bufpage

import "encoding/binary"

// HeapHeaderSize is SizeofHeapTupleHeader, without the null bitmap and padding behind it.
const HeapHeaderSize = 23

// HeapTuple is a tuple of a table as it is on a page (HeapTupleHeaderData in src/include/access/htup_details.h), at
// least HeapHeaderSize bytes, all little-endian:
//
//	 0  t_xmin       u32
//	 4  t_xmax       u32
//	 8  t_cid        u32   command; or t_xvac, of a tuple that VACUUM FULL moved before PostgreSQL 9.0
//	12  t_ctid       6     where the next version is: see TID
//	18  t_infomask2  u16   number of columns in the lower 11 bits
//	20  t_infomask   u16
//	22  t_hoff       u8    where the columns begin
//	23  null bitmap, padding, columns
type HeapTuple []byte

// Bits of t_infomask.
const (
	HasNull        uint16 = 0x0001 // HEAP_HASNULL: there is a null bitmap
	HasVarWidth    uint16 = 0x0002 // HEAP_HASVARWIDTH
	HasExternal    uint16 = 0x0004 // HEAP_HASEXTERNAL
	XmaxKeyShrLock uint16 = 0x0010 // HEAP_XMAX_KEYSHR_LOCK
	ComboCID       uint16 = 0x0020 // HEAP_COMBOCID
	XmaxExclLock   uint16 = 0x0040 // HEAP_XMAX_EXCL_LOCK
	XmaxLockOnly   uint16 = 0x0080 // HEAP_XMAX_LOCK_ONLY
	XminCommitted  uint16 = 0x0100 // HEAP_XMIN_COMMITTED
	XminInvalid    uint16 = 0x0200 // HEAP_XMIN_INVALID
	XminFrozen     uint16 = 0x0300 // HEAP_XMIN_FROZEN, both bits
	XmaxCommitted  uint16 = 0x0400 // HEAP_XMAX_COMMITTED
	XmaxInvalid    uint16 = 0x0800 // HEAP_XMAX_INVALID
	XmaxIsMulti    uint16 = 0x1000 // HEAP_XMAX_IS_MULTI
	Updated        uint16 = 0x2000 // HEAP_UPDATED
	Moved          uint16 = 0xC000 // HEAP_MOVED, both bits

	XactMask uint16 = 0xFFF0 // HEAP_XACT_MASK: what is about transactions
)

// Bits of t_infomask2.
const (
	KeysUpdated uint16 = 0x2000 // HEAP_KEYS_UPDATED
	HotUpdated  uint16 = 0x4000 // HEAP_HOT_UPDATED
	OnlyTuple   uint16 = 0x8000 // HEAP_ONLY_TUPLE

	NattsMask uint16 = 0x07FF // HEAP_NATTS_MASK
)

// HeapTuple is the tuple that line pointer off points to: nil when that is not normal, or what it points to is too
// short or reaches outside the page.
func (p Page) HeapTuple(off int) HeapTuple {
	t := p.Item(off)
	if p.ItemID(off).Flags() != Normal || len(t) < HeapHeaderSize {
		return nil
	}
	return t
}

func (t HeapTuple) Xmin() uint32          { return binary.LittleEndian.Uint32(t) }
func (t HeapTuple) SetXmin(xid uint32)    { binary.LittleEndian.PutUint32(t, xid) }
func (t HeapTuple) Xmax() uint32          { return binary.LittleEndian.Uint32(t[4:]) }
func (t HeapTuple) SetXmax(xid uint32)    { binary.LittleEndian.PutUint32(t[4:], xid) }
func (t HeapTuple) CID() uint32           { return binary.LittleEndian.Uint32(t[8:]) }
func (t HeapTuple) SetCID(cid uint32)     { binary.LittleEndian.PutUint32(t[8:], cid) }
func (t HeapTuple) CTID() TID             { return GetTID(t[12:]) }
func (t HeapTuple) SetCTID(tid TID)       { tid.Put(t[12:]) }
func (t HeapTuple) Infomask2() uint16     { return binary.LittleEndian.Uint16(t[18:]) }
func (t HeapTuple) SetInfomask2(v uint16) { binary.LittleEndian.PutUint16(t[18:], v) }
func (t HeapTuple) Infomask() uint16      { return binary.LittleEndian.Uint16(t[20:]) }
func (t HeapTuple) SetInfomask(v uint16)  { binary.LittleEndian.PutUint16(t[20:], v) }

// Natts is the number of columns that the tuple has.
func (t HeapTuple) Natts() int { return int(t.Infomask2() & NattsMask) }

// Hoff is t_hoff, but not more than the tuple's length.
func (t HeapTuple) Hoff() int { return min(int(t[22]), len(t)) }

// IsNull tells whether column i, from 0, is null in the null bitmap. A column that the tuple does not have is.
func (t HeapTuple) IsNull(i int) bool {
	if i >= t.Natts() {
		return true
	}
	at := HeapHeaderSize + i/8
	return t.Infomask()&HasNull != 0 && (at >= t.Hoff() || t[at]>>(i%8)&1 == 0)
}

// Data is the columns.
func (t HeapTuple) Data() []byte { return t[t.Hoff():] }
