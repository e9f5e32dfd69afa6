// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// heapTuple is a tuple on a page (HeapTupleHeaderData in src/include/access/htup_details.h):
//
//	 0  t_xmin       u32
//	 4  t_xmax       u32
//	 8  t_cid        u32    or t_xvac, of tuples that VACUUM FULL moved before PostgreSQL 9.0
//	12  t_ctid       u16 u16 u16    block's upper half, lower half, offset
//	18  t_infomask2  u16
//	20  t_infomask   u16
//	22  t_hoff       u8     where the columns begin
//	23  null bitmap, padding, columns
type heapTuple []byte

// Bits of t_infomask.
const (
	xmaxKeyShrLock uint16 = 0x0010 // HEAP_XMAX_KEYSHR_LOCK
	comboCid       uint16 = 0x0020 // HEAP_COMBOCID
	xmaxExclLock   uint16 = 0x0040 // HEAP_XMAX_EXCL_LOCK
	xmaxLockOnly   uint16 = 0x0080 // HEAP_XMAX_LOCK_ONLY
	xmaxCommitted  uint16 = 0x0400 // HEAP_XMAX_COMMITTED
	xmaxInvalid    uint16 = 0x0800 // HEAP_XMAX_INVALID
	xmaxIsMulti    uint16 = 0x1000 // HEAP_XMAX_IS_MULTI
	moved          uint16 = 0xC000 // HEAP_MOVED

	xmaxLocks = xmaxExclLock | xmaxKeyShrLock // HEAP_LOCK_MASK; both together are a share lock
	xmaxBits  = xmaxCommitted | xmaxInvalid | xmaxIsMulti | xmaxLocks | xmaxLockOnly
)

// Bits of t_infomask2.
const (
	keysUpdated uint16 = 0x2000 // HEAP_KEYS_UPDATED
	hotUpdated  uint16 = 0x4000 // HEAP_HOT_UPDATED
)

var (
	errLine   = errors.New("invalid line pointer")
	errOffset = errors.New("invalid max offset number")
	errTuple  = errors.New("invalid tuple in the record")
)

// tupleAt is the tuple of a line pointer that must be normal.
func tupleAt(page bufpage.Page, offset uint16) (heapTuple, error) {
	t := page.Item(int(offset))
	if page.ItemID(int(offset)).Flags() != bufpage.Normal || len(t) < bufpage.HeapHeaderSize {
		return nil, fmt.Errorf("%w: %d of %d", errLine, offset, page.MaxOffset())
	}
	return t, nil
}

func (t heapTuple) setXmin(xid uint32)    { binary.LittleEndian.PutUint32(t, xid) }
func (t heapTuple) setXmax(xid uint32)    { binary.LittleEndian.PutUint32(t[4:], xid) }
func (t heapTuple) setXvac(xid uint32)    { binary.LittleEndian.PutUint32(t[8:], xid) }
func (t heapTuple) infomask2() uint16     { return binary.LittleEndian.Uint16(t[18:]) }
func (t heapTuple) setInfomask2(v uint16) { binary.LittleEndian.PutUint16(t[18:], v) }
func (t heapTuple) infomask() uint16      { return binary.LittleEndian.Uint16(t[20:]) }
func (t heapTuple) setInfomask(v uint16)  { binary.LittleEndian.PutUint16(t[20:], v) }
func (t heapTuple) setHotUpdated(updated bool) {
	t.setInfomask2(withBit(t.infomask2(), hotUpdated, updated))
}

// hoff is t_hoff, not past the tuple's end.
func (t heapTuple) hoff() int { return min(int(t[22]), len(t)) }

// setCtid writes t_ctid.
func (t heapTuple) setCtid(block uint32, offset uint16) {
	binary.LittleEndian.PutUint16(t[12:], uint16(block>>16))
	binary.LittleEndian.PutUint16(t[14:], uint16(block))
	binary.LittleEndian.PutUint16(t[16:], offset)
}

// setMoved makes t_ctid say that an update took the tuple to another partition (HeapTupleHeaderSetMovedPartitions).
func (t heapTuple) setMoved() { t.setCtid(^uint32(0), 0xFFFD) }

// resetCid writes the first command's number into t_cid (HeapTupleHeaderSetCmax with FirstCommandId).
func (t heapTuple) resetCid() {
	clear(t[8:12])
	t.setInfomask(t.infomask() &^ comboCid)
}

// setInfobits replaces everything that the tuple says about its xmax (fix_infomask_from_infobits in
// src/backend/access/heap/heapam_xlog.c).
func (t heapTuple) setInfobits(bits rmgr.Infobits) {
	mask := t.infomask() &^ (xmaxBits | moved)
	mask = withBit(mask, xmaxIsMulti, bits&rmgr.XmaxIsMulti != 0)
	mask = withBit(mask, xmaxLockOnly, bits&rmgr.XmaxLockOnly != 0)
	mask = withBit(mask, xmaxExclLock, bits&rmgr.XmaxExclLock != 0)
	mask = withBit(mask, xmaxKeyShrLock, bits&rmgr.XmaxKeyShrLock != 0)
	t.setInfomask(mask)
	t.setInfomask2(withBit(t.infomask2(), keysUpdated, bits&rmgr.KeysUpdated != 0))
}

// lockedOnly tells whether xmax has locked the tuple and neither updated nor deleted it (HEAP_XMAX_IS_LOCKED_ONLY).
func (t heapTuple) lockedOnly() bool {
	mask := t.infomask()
	return mask&xmaxLockOnly != 0 || mask&(xmaxIsMulti|xmaxLocks) == xmaxExclLock
}

func withBit(mask, bit uint16, set bool) uint16 {
	if set {
		return mask | bit
	}
	return mask &^ bit
}

// newTuple begins a tuple in the memory of dst: everything that a record says of it but its data.
func newTuple(dst []byte, from rmgr.HeapTuple, xmin uint32) heapTuple {
	var header [bufpage.HeapHeaderSize]byte
	t := heapTuple(append(dst[:0], header[:]...))
	t.setXmin(xmin)
	t.setInfomask2(from.Infomask2)
	t.setInfomask(from.Infomask &^ comboCid)
	t[22] = from.Hoff
	return t
}

// addTuple puts a tuple on a page, where offset says.
func addTuple(page bufpage.Page, t heapTuple, offset uint16) error {
	if offset == 0 || int(offset) > page.MaxOffset()+1 {
		return fmt.Errorf("%w: %d of %d", errOffset, offset, page.MaxOffset())
	}
	_, err := page.AddItem(t, int(offset), true, true)
	return err
}

// setPrunable notes that a transaction leaves something to prune on the page, unless an earlier one does
// (PageSetPrunable).
func setPrunable(page bufpage.Page, xid uint32) {
	if prune := page.PruneXID(); prune == 0 || xidPrecedes(xid, prune) {
		page.SetPruneXID(xid)
	}
}

// xidPrecedes tells whether transaction a is older than b (TransactionIdPrecedes): numbers go round in a circle but for
// the first three, which are older than any.
func xidPrecedes(a, b uint32) bool {
	const firstNormal = 3
	if a < firstNormal || b < firstNormal {
		return a < b
	}
	return int32(a-b) < 0
}

func setAllVisible(page bufpage.Page, visible bool) {
	page.SetFlags(withBit(page.Flags(), bufpage.AllVisible, visible))
}
