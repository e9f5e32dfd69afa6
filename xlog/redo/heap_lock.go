// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// lockAllFrozenCleared is XLH_LOCK_ALL_FROZEN_CLEARED of HeapLock.Flags.
const lockAllFrozenCleared uint8 = 1 << 0

// heapLock is heap_xlog_lock: the lock is the last thing that happened to the tuple.
func (r *Redo) heapLock(p *rmgr.HeapLock) error {
	return r.lockTuple(p, func(t bufpage.HeapTuple, block uint32) {
		if lockedOnly(t) {
			setHotUpdated(t, false)
			t.SetCTID(bufpage.TID{Block: block, Offset: p.Offset})
		}
		resetCID(t)
	})
}

// heapLockUpdated is heap_xlog_lock_updated: the tuple is a later version of one that was locked.
func (r *Redo) heapLockUpdated(p *rmgr.HeapLockUpdated) error {
	return r.lockTuple(&p.HeapLock, func(bufpage.HeapTuple, uint32) {})
}

// lockTuple redoes what the two have in common, and then what one of them has besides.
func (r *Redo) lockTuple(p *rmgr.HeapLock, besides func(t bufpage.HeapTuple, block uint32)) error {
	ref, err := r.heapRef(0)
	if err != nil {
		return err
	}
	if p.Flags&lockAllFrozenCleared != 0 {
		if err := r.clearVisible(ref.Rel, ref.Block, vmAllFrozen); err != nil {
			return err
		}
	}
	_, err = r.change(0, func(page bufpage.Page) error {
		t, err := tupleAt(page, p.Offset)
		if err != nil {
			return err
		}
		setInfobits(t, p.Infobits)
		t.SetXmax(p.Xmax)
		besides(t, ref.Block)
		return nil
	})
	return err
}
