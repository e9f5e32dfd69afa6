// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// heap2 redoes the records of Heap2 (heap2_redo in src/backend/access/heap/heapam_xlog.c, heapam.c up to
// PostgreSQL 17).
func (r *Redo) heap2(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.HeapPrune:
		return r.heapPrune(p)
	case *rmgr.HeapVacuum:
		return r.heapVacuum(p)
	case *rmgr.HeapFreezePage:
		return r.heapFreezePage(p)
	case *rmgr.HeapPruneFreeze:
		return r.heapPruneFreeze(p)
	case *rmgr.HeapVisible:
		return r.heapVisible(p)
	case *rmgr.HeapMultiInsert:
		return r.heapMultiInsert(p)
	case *rmgr.HeapLockUpdated:
		return r.heapLockUpdated(p)
	case *rmgr.HeapRewrite:
		return r.heapRewrite(p)
	case *rmgr.HeapNewCid, *rmgr.HeapCleanupInfo: // for logical decoding, and for queries on a standby
		return nil
	}
	return unknown(p)
}

// heapMultiInsert is heap_xlog_multi_insert.
func (r *Redo) heapMultiInsert(p *rmgr.HeapMultiInsert) error {
	ref, buf, act, err := r.insertBlock(p.Flags, p.Init)
	if err != nil || act != needsRedo {
		return err
	}
	if err := r.insertTuples(buf.Page, ref.Block, p); err != nil {
		return r.pageError(buf, err)
	}
	free := buf.Page.HeapFreeSpace()
	if p.Flags&rmgr.HeapInsertAllVisibleCleared != 0 {
		setAllVisible(buf.Page, false)
	}
	if p.Flags&insertAllFrozenSet != 0 {
		setAllVisible(buf.Page, true)
	}
	r.changed(buf)
	return r.recordLowSpace(ref, free)
}

// insertTuples puts the tuples of a record on a page.
func (r *Redo) insertTuples(page bufpage.Page, block uint32, p *rmgr.HeapMultiInsert) error {
	for i := range int(p.N) {
		offset := uint16(i + 1)
		if !p.Init {
			offset = p.Offsets.At(i)
		}
		tuple, ok := p.Tuples.Next()
		if !ok {
			return fmt.Errorf("%w: %d of %d", errTuple, i+1, p.N)
		}
		if err := r.insertTuple(page, block, offset, tuple); err != nil {
			return err
		}
	}
	if p.Tuples.Left() > 0 {
		return errors.New("total tuple length mismatch")
	}
	return nil
}

// heapVisible is heap_xlog_visible: block 1 is the page, block 0 that of the visibility map.
func (r *Redo) heapVisible(p *rmgr.HeapVisible) error {
	ref, err := r.heapRef(1)
	if err != nil {
		return err
	}
	buf, act, err := r.block(1)
	if err != nil {
		return err
	}
	if act == needsRedo {
		setAllVisible(buf.Page, true)
		if r.store.LogsHints() && r.dialect.HeapVisibleSetsLSN() {
			buf.Page.SetLSN(r.lsn)
		}
		buf.MarkDirty()
	}
	bits := p.Flags & vmValidBits
	if buf != nil && bits != 0 {
		if err := r.recordFreeSpace(ref.Rel, ref.Block, buf.Page.FreeSpace()); err != nil {
			return err
		}
	}
	vm, act, err := r.mapReference(0)
	if err != nil || act != needsRedo {
		return err
	}
	return r.setVisible(vm, ref.Block, bits)
}
