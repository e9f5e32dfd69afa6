// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// insertAllFrozenSet is XLH_INSERT_ALL_FROZEN_SET of HeapMultiInsert.Flags.
const insertAllFrozenSet uint8 = 1 << 5

// Bits of HeapDelete.Flags.
const (
	deleteIsSuper         uint8 = 1 << 3 // XLH_DELETE_IS_SUPER: takes back a speculative insertion
	deleteIsPartitionMove uint8 = 1 << 4 // XLH_DELETE_IS_PARTITION_MOVE
)

// heap redoes the records of Heap (heap_redo in src/backend/access/heap/heapam_xlog.c, heapam.c up to PostgreSQL 17).
func (r *Redo) heap(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.HeapInsert:
		return r.heapInsert(p)
	case *rmgr.HeapUpdate:
		return r.heapUpdate(p)
	case *rmgr.HeapDelete:
		return r.heapDelete(p)
	case *rmgr.HeapLock:
		return r.heapLock(p)
	case *rmgr.HeapConfirm:
		return r.heapConfirm(p)
	case *rmgr.HeapInplace:
		return r.heapInplace(p)
	case *rmgr.HeapTruncate: // for logical decoding; storage records do it
		return nil
	}
	return unknown(p)
}

// heapRef is block reference id, which must be there.
func (r *Redo) heapRef(id uint8) (*xlog.BlockRef, error) {
	if ref := r.body.Block(id); ref != nil {
		return ref, nil
	}
	return nil, fmt.Errorf("block %d: %w", id, errNoBlock)
}

// heapBlock finds the block of reference id, or makes it an empty page of a table.
func (r *Redo) heapBlock(id uint8, init bool) (*pgdata.Buffer, action, error) {
	if !init {
		return r.block(id)
	}
	buf, err := r.initBlock(id)
	if err != nil {
		return nil, notFound, err
	}
	buf.Page.Init(0, r.layout)
	return buf, needsRedo, nil
}

// insertBlock finds the block that a record inserts into, after the visibility map was told of it.
func (r *Redo) insertBlock(flags uint8, init bool) (*xlog.BlockRef, *pgdata.Buffer, action, error) {
	ref, err := r.heapRef(0)
	if err == nil && flags&rmgr.HeapInsertAllVisibleCleared != 0 {
		err = r.clearVisible(ref.Rel, ref.Block, vmValidBits)
	}
	if err != nil {
		return nil, nil, notFound, err
	}
	buf, act, err := r.heapBlock(0, init)
	return ref, buf, act, err
}

// heapInsert is heap_xlog_insert.
func (r *Redo) heapInsert(p *rmgr.HeapInsert) error {
	ref, buf, act, err := r.insertBlock(p.Flags, p.Init)
	if err != nil || act != needsRedo {
		return err
	}
	if err := r.insertTuple(buf.Page, ref.Block, p.Offset, p.Tuple); err != nil {
		return r.pageError(buf, err)
	}
	free := buf.Page.HeapFreeSpace()
	if p.Flags&rmgr.HeapInsertAllVisibleCleared != 0 {
		setAllVisible(buf.Page, false)
	}
	r.changed(buf)
	return r.recordLowSpace(ref, free)
}

// insertTuple puts a new tuple on a page.
func (r *Redo) insertTuple(page bufpage.Page, block uint32, offset uint16, from rmgr.HeapTuple) error {
	if from.Hoff == 0 || len(from.Data) > len(page)-bufpage.HeapHeaderSize {
		return errTuple
	}
	t := append(newTuple(r.scratch.item, from, r.rec.XID), from.Data...)
	r.scratch.item = t
	t.SetCTID(bufpage.TID{Block: block, Offset: offset})
	return addTuple(page, t, offset)
}

// recordLowSpace notes in the free space map that a block is nearly full; of others it learns nothing.
func (r *Redo) recordLowSpace(ref *xlog.BlockRef, free int) error {
	if free >= r.dialect.BlockSize()/5 {
		return nil
	}
	return r.recordFreeSpace(ref.Rel, ref.Block, free)
}

// heapDelete is heap_xlog_delete.
func (r *Redo) heapDelete(p *rmgr.HeapDelete) error {
	ref, err := r.heapRef(0)
	if err != nil {
		return err
	}
	if p.Flags&rmgr.HeapDeleteAllVisibleCleared != 0 {
		if err := r.clearVisible(ref.Rel, ref.Block, vmValidBits); err != nil {
			return err
		}
	}
	_, err = r.change(0, func(page bufpage.Page) error { return deleteTuple(page, p, ref.Block, r.rec.XID) })
	return err
}

func deleteTuple(page bufpage.Page, p *rmgr.HeapDelete, block, xid uint32) error {
	t, err := tupleAt(page, p.Offset)
	if err != nil {
		return err
	}
	setInfobits(t, p.Infobits)
	setHotUpdated(t, false)
	if p.Flags&deleteIsSuper != 0 {
		t.SetXmin(0)
	} else {
		t.SetXmax(p.Xmax)
	}
	resetCID(t)
	setPrunable(page, xid)
	if p.Flags&rmgr.HeapDeleteAllVisibleCleared != 0 {
		setAllVisible(page, false)
	}
	if p.Flags&deleteIsPartitionMove != 0 {
		t.SetCTID(bufpage.TID{Block: invalidBlock, Offset: bufpage.MovedPartitionsOffset})
	} else {
		t.SetCTID(bufpage.TID{Block: block, Offset: p.Offset})
	}
	return nil
}

// heapConfirm is heap_xlog_confirm.
func (r *Redo) heapConfirm(p *rmgr.HeapConfirm) error {
	ref, err := r.heapRef(0)
	if err != nil {
		return err
	}
	_, err = r.change(0, func(page bufpage.Page) error {
		t, err := tupleAt(page, p.Offset)
		if err == nil {
			t.SetCTID(bufpage.TID{Block: ref.Block, Offset: p.Offset})
		}
		return err
	})
	return err
}

// heapInplace is heap_xlog_inplace.
func (r *Redo) heapInplace(p *rmgr.HeapInplace) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		t, err := tupleAt(page, p.Offset)
		if err != nil {
			return err
		}
		if len(t.Data()) != len(p.Data) {
			return fmt.Errorf("wrong tuple length: %d bytes, %d in the record", len(t.Data()), len(p.Data))
		}
		copy(t.Data(), p.Data)
		return nil
	})
	if err == nil && p.InitFileInval && p.Invalidations.Len() > 0 {
		err = r.store.RemoveRelcacheInit(p.Tablespace, p.Database)
	}
	return err
}
