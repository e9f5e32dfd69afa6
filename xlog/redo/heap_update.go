// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// heapUpdate is heap_xlog_update. The new tuple goes to block 0, where the old one is too unless there is a block 1.
func (r *Redo) heapUpdate(p *rmgr.HeapUpdate) error {
	ref, err := r.heapRef(0)
	if err != nil {
		return err
	}
	old, oldTuple, act, err := r.updateOld(p, ref)
	if err != nil {
		return err
	}
	buf := old
	if r.body.Block(1) != nil {
		if buf, act, err = r.heapBlock(0, p.Init); err != nil {
			return err
		}
	}
	if p.Flags&rmgr.HeapUpdateNewAllVisibleCleared != 0 {
		if err := r.clearVisible(ref.Rel, ref.Block, vmValidBits); err != nil {
			return err
		}
	}
	if act != needsRedo {
		return nil
	}
	return r.updateNew(p, ref, buf, oldTuple)
}

// updateOld redoes the old tuple, on its block, and gives both.
func (r *Redo) updateOld(p *rmgr.HeapUpdate, newRef *xlog.BlockRef) (*pgdata.Buffer, bufpage.HeapTuple, action, error) {
	ref := newRef
	if other := r.body.Block(1); other != nil {
		ref = other
	}
	if p.Flags&rmgr.HeapUpdateOldAllVisibleCleared != 0 {
		if err := r.clearVisible(newRef.Rel, ref.Block, vmValidBits); err != nil {
			return nil, nil, notFound, err
		}
	}
	buf, act, err := r.block(ref.ID)
	if err != nil || act != needsRedo {
		return buf, nil, act, err
	}
	t, err := updateOldTuple(buf.Page, p, newRef.Block, r.rec.XID)
	if err != nil {
		return nil, nil, act, r.pageError(buf, err)
	}
	r.changed(buf)
	return buf, t, act, nil
}

func updateOldTuple(page bufpage.Page, p *rmgr.HeapUpdate, newBlock, xid uint32) (bufpage.HeapTuple, error) {
	t, err := tupleAt(page, p.OldOffset)
	if err != nil {
		return nil, err
	}
	setInfobits(t, p.OldInfobits)
	setHotUpdated(t, p.Hot)
	t.SetXmax(p.OldXmax)
	resetCID(t)
	t.SetCTID(bufpage.TID{Block: newBlock, Offset: p.NewOffset})
	setPrunable(page, xid)
	if p.Flags&rmgr.HeapUpdateOldAllVisibleCleared != 0 {
		setAllVisible(page, false)
	}
	return t, nil
}

// updateNew redoes the new tuple. old is there when it is on the same page.
func (r *Redo) updateNew(p *rmgr.HeapUpdate, ref *xlog.BlockRef, buf *pgdata.Buffer, old bufpage.HeapTuple) error {
	t, err := r.updatedTuple(p, old)
	if err != nil {
		return r.pageError(buf, err)
	}
	t.SetXmax(p.NewXmax)
	t.SetCTID(bufpage.TID{Block: ref.Block, Offset: p.NewOffset})
	if err := addTuple(buf.Page, t, p.NewOffset); err != nil {
		return r.pageError(buf, err)
	}
	if p.Flags&rmgr.HeapUpdateNewAllVisibleCleared != 0 {
		setAllVisible(buf.Page, false)
	}
	free := buf.Page.HeapFreeSpace()
	r.changed(buf)
	if p.Hot { // what was there before the update can be pruned
		return nil
	}
	return r.recordLowSpace(ref, free)
}

// updatedTuple puts the new tuple together: null bitmap, prefix of the old tuple's columns, what the record has of the
// columns, suffix of the old tuple's.
func (r *Redo) updatedTuple(p *rmgr.HeapUpdate, old bufpage.HeapTuple) (bufpage.HeapTuple, error) {
	prefix, suffix, data := int(p.Prefix), int(p.Suffix), p.New.Data
	bitmap := int(p.New.Hoff) - bufpage.HeapHeaderSize
	if bitmap < 0 || bitmap > len(data) {
		return nil, errTuple
	}
	if prefix+suffix > 0 && (old == nil || old.Hoff()+prefix > len(old) || suffix > len(old)) {
		return nil, fmt.Errorf("%w: %d and %d bytes of the old one, which has %d", errTuple, prefix, suffix, len(old))
	}
	t := append(newTuple(r.scratch.item, p.New, r.rec.XID), data[:bitmap]...)
	if prefix > 0 {
		t = append(t, old[old.Hoff():old.Hoff()+prefix]...)
	}
	t = append(t, data[bitmap:]...)
	t = append(t, old[len(old)-suffix:]...)
	r.scratch.item = t
	return t, nil
}
