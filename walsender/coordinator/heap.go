// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"bytes"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// place is where a tuple is, or is to be.
type place struct {
	tid     bufpage.TID
	init    bool // its page is to be made anew
	visible bool // the page is marked as all-visible
}

// insertTuple appends the record of an insertion (heap_insert in src/backend/access/heap/heapam.c).
func (tx *Tx) insertTuple(rel *catalog.Relation, tuple bufpage.HeapTuple) error {
	at, err := tx.room(rel, len(tuple))
	if err != nil {
		return err
	}
	if err := tx.touch(rel.Locator, &at); err != nil {
		return err
	}
	tuple.SetInfomask(tuple.Infomask() | bufpage.XmaxInvalid)
	p := rmgr.HeapInsert{
		Offset: at.tid.Offset, Flags: at.cleared(rmgr.HeapInsertAllVisibleCleared), Init: at.init,
		Tuple: rmgr.HeapTupleOf(tuple),
	}
	p.Build(&tx.c.rec, tx.xid, rel.Locator, at.tid.Block)
	return tx.insert()
}

// deleteTuple appends the record of a deletion (heap_delete).
func (tx *Tx) deleteTuple(rel *catalog.Relation, at place) error {
	if err := tx.touch(rel.Locator, &at); err != nil {
		return err
	}
	p := rmgr.HeapDelete{
		Xmax: tx.xid, Offset: at.tid.Offset, Infobits: rmgr.KeysUpdated,
		Flags: at.cleared(rmgr.HeapDeleteAllVisibleCleared),
	}
	p.Build(&tx.c.rec, tx.xid, rel.Locator, at.tid.Block)
	return tx.insert()
}

// updateTuple appends the record of an update (heap_update): on the same page, if it has room, of a tuple that no index
// knows of.
func (tx *Tx) updateTuple(rel *catalog.Relation, old place, tuple bufpage.HeapTuple) error {
	at, hot, err := tx.roomBeside(rel, old, len(tuple))
	if err != nil {
		return err
	}
	if err := tx.touch(rel.Locator, &old); err != nil {
		return err
	}
	tuple.SetInfomask(tuple.Infomask() | bufpage.XmaxInvalid | bufpage.Updated)
	if hot {
		tuple.SetInfomask2(tuple.Infomask2() | bufpage.OnlyTuple)
	} else if err := tx.touch(rel.Locator, &at); err != nil {
		return err
	}
	p := rmgr.HeapUpdate{
		OldXmax: tx.xid, OldOffset: old.tid.Offset, NewOffset: at.tid.Offset, Init: at.init, Hot: hot,
		Flags: old.cleared(rmgr.HeapUpdateOldAllVisibleCleared) | at.cleared(rmgr.HeapUpdateNewAllVisibleCleared),
		New:   rmgr.HeapTupleOf(tuple),
	}
	p.Build(&tx.c.rec, tx.xid, rel.Locator, at.tid.Block, old.tid.Block)
	return tx.insert()
}

func (tx *Tx) insert() error {
	_, _, err := tx.c.primary.Insert(&tx.c.rec)
	return err
}

// cleared is flag when the page is not all-visible any more.
func (at place) cleared(flag uint8) uint8 {
	if at.visible {
		return flag
	}
	return 0
}

// room finds a place for a tuple of n bytes: on the last page, or on a new one.
func (tx *Tx) room(rel *catalog.Relation, n int) (at place, err error) {
	err = tx.c.look(func() error {
		blocks, err := tx.c.redo.Store().Blocks(rel.Locator, xlog.MainFork)
		if err != nil {
			return err
		}
		if blocks > 0 {
			page, err := tx.c.page(rel.Locator, blocks-1)
			if err != nil {
				return err
			}
			if at = freePlace(page, blocks-1, n); at.tid.Offset != 0 {
				return nil
			}
		}
		at = place{tid: bufpage.TID{Block: blocks, Offset: 1}, init: true}
		return nil
	})
	if err == nil && n > tx.c.redo.DataDir().Dialect.BlockSize()/4 {
		err = fmt.Errorf("a row of %d bytes is too long", n)
	}
	return at, err
}

// roomBeside finds a place for the new version of a tuple, on the same page if that has room.
func (tx *Tx) roomBeside(rel *catalog.Relation, old place, n int) (at place, same bool, err error) {
	err = tx.c.look(func() error {
		page, err := tx.c.page(rel.Locator, old.tid.Block)
		if err == nil {
			at = freePlace(page, old.tid.Block, n)
		}
		return err
	})
	if err != nil || at.tid.Offset != 0 {
		return at, true, err
	}
	at, err = tx.room(rel, n)
	return at, false, err
}

// freePlace is a place on the page for a tuple of n bytes; offset 0: there is none.
func freePlace(page bufpage.Page, block uint32, n int) place {
	if page.IsNew() {
		return place{tid: bufpage.TID{Block: block, Offset: 1}, init: true}
	}
	at := place{tid: bufpage.TID{Block: block}}
	if page.HeapFreeSpace() >= bufpage.MaxAlign(n) {
		at.tid.Offset = uint16(page.MaxOffset() + 1)
	}
	return at
}

// touch looks at the page that is to be changed, and logs the whole of it when that is the first time since a checkpoint,
// so that it does not matter in what state a crash, or a base backup, finds it on disk.
func (tx *Tx) touch(rel xlog.RelFileLocator, at *place) error {
	if at.init {
		return nil
	}
	rec := &tx.c.rec
	var imaged bool
	err := tx.c.look(func() error {
		b, err := tx.c.page(rel, at.tid.Block)
		if err != nil {
			return err
		}
		at.visible = b.Flags()&bufpage.AllVisible != 0
		if imaged = b.LSN() <= tx.c.redo.Progress().Restartpoint; imaged {
			rec.Begin(rmgr.XLOG, rmgr.InfoFPI, 0)
			rec.Block(0, rel, xlog.MainFork, at.tid.Block, 0)
			rec.Image(0, bytes.Clone(b), true)
		}
		return nil
	})
	if err != nil || !imaged {
		return err
	}
	return tx.insert()
}
