// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Bits of t_infomask that say something about xmax.
const (
	xmaxLocks = bufpage.XmaxExclLock | bufpage.XmaxKeyShrLock // HEAP_LOCK_MASK; both together are a share lock
	xmaxBits  = bufpage.XmaxCommitted | bufpage.XmaxInvalid | bufpage.XmaxIsMulti | xmaxLocks | bufpage.XmaxLockOnly
)

var (
	errLine   = errors.New("invalid line pointer")
	errOffset = errors.New("invalid max offset number")
	errTuple  = errors.New("invalid tuple in the record")
)

// tupleAt is the tuple of a line pointer, which must be normal.
func tupleAt(page bufpage.Page, offset uint16) (bufpage.HeapTuple, error) {
	if t := page.HeapTuple(int(offset)); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %d of %d", errLine, offset, page.MaxOffset())
}

// resetCID writes the first command's number into t_cid (HeapTupleHeaderSetCmax with FirstCommandId).
func resetCID(t bufpage.HeapTuple) {
	t.SetCID(0)
	t.SetInfomask(t.Infomask() &^ bufpage.ComboCID)
}

func setHotUpdated(t bufpage.HeapTuple, updated bool) {
	t.SetInfomask2(withBit(t.Infomask2(), bufpage.HotUpdated, updated))
}

// setInfobits replaces everything that the tuple says about its xmax (fix_infomask_from_infobits in
// src/backend/access/heap/heapam_xlog.c).
func setInfobits(t bufpage.HeapTuple, bits rmgr.Infobits) {
	mask := t.Infomask() &^ (xmaxBits | bufpage.Moved)
	mask = withBit(mask, bufpage.XmaxIsMulti, bits&rmgr.XmaxIsMulti != 0)
	mask = withBit(mask, bufpage.XmaxLockOnly, bits&rmgr.XmaxLockOnly != 0)
	mask = withBit(mask, bufpage.XmaxExclLock, bits&rmgr.XmaxExclLock != 0)
	mask = withBit(mask, bufpage.XmaxKeyShrLock, bits&rmgr.XmaxKeyShrLock != 0)
	t.SetInfomask(mask)
	t.SetInfomask2(withBit(t.Infomask2(), bufpage.KeysUpdated, bits&rmgr.KeysUpdated != 0))
}

// lockedOnly tells whether xmax has locked the tuple and neither updated nor deleted it (HEAP_XMAX_IS_LOCKED_ONLY).
func lockedOnly(t bufpage.HeapTuple) bool {
	mask := t.Infomask()
	return mask&bufpage.XmaxLockOnly != 0 || mask&(bufpage.XmaxIsMulti|xmaxLocks) == bufpage.XmaxExclLock
}

func withBit(mask, bit uint16, set bool) uint16 {
	if set {
		return mask | bit
	}
	return mask &^ bit
}

// hoffAt is the place of t_hoff.
const hoffAt = 22

// newTuple begins a tuple in the memory of dst: everything that a record says of it but its data.
func newTuple(dst []byte, from rmgr.HeapTuple, xmin uint32) bufpage.HeapTuple {
	var header [bufpage.HeapHeaderSize]byte
	t := bufpage.HeapTuple(append(dst[:0], header[:]...))
	t.SetXmin(xmin)
	t.SetInfomask2(from.Infomask2)
	t.SetInfomask(from.Infomask &^ bufpage.ComboCID)
	t[hoffAt] = from.Hoff
	return t
}

// addTuple puts a tuple on a page, where offset says.
func addTuple(page bufpage.Page, t bufpage.HeapTuple, offset uint16) error {
	if offset == 0 || int(offset) > page.MaxOffset()+1 {
		return fmt.Errorf("%w: %d of %d", errOffset, offset, page.MaxOffset())
	}
	_, err := page.AddItem(t, int(offset), true, true)
	return err
}

// setPrunable notes that a transaction leaves something to prune on the page, unless an earlier one does
// (PageSetPrunable).
func setPrunable(page bufpage.Page, xid uint32) {
	if prune := page.PruneXID(); prune == 0 || precedes(xid, prune) {
		page.SetPruneXID(xid)
	}
}

func setAllVisible(page bufpage.Page, visible bool) {
	page.SetFlags(withBit(page.Flags(), bufpage.AllVisible, visible))
}
