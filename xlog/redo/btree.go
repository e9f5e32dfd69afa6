// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

var errNoData = errors.New("the record has neither the data nor the image of the page")

// btree redoes the records of Btree (src/backend/access/nbtree/nbtxlog.c).
func (r *Redo) btree(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.BtreeInsert:
		return r.btreeInsert(p)
	case *rmgr.BtreeSplit:
		return r.btreeSplit(p)
	case *rmgr.BtreeDedup:
		_, err := r.change(0, func(page bufpage.Page) error { return r.btreeDedup(page, p) })
		return err
	case *rmgr.BtreeVacuum:
		_, err := r.change(0, func(page bufpage.Page) error { return r.btreeVacuum(page, p) })
		return err
	case *rmgr.BtreeDelete:
		_, err := r.change(0, func(page bufpage.Page) error { return r.btreeDelete(page, &p.BtreeDeletion) })
		return err
	case *rmgr.BtreeMarkPageHalfDead:
		return r.btreeMarkHalfDead(p)
	case *rmgr.BtreeUnlinkPage:
		return r.btreeUnlink(p)
	case *rmgr.BtreeNewRoot:
		return r.btreeNewRoot(p)
	case *rmgr.BtreeMetaCleanup:
		return r.btreeMeta(0, &p.Meta)
	case *rmgr.BtreeReusePage:
		return nil // it is there for queries on the standby only
	}
	return unknown(p)
}

// btreeInsert adds a tuple to a page. Unless that is a leaf, a split of the child, block 1, is complete with it.
func (r *Redo) btreeInsert(p *rmgr.BtreeInsert) error {
	if !p.Leaf && !p.Post {
		if err := r.btreeSplitDone(1); err != nil {
			return err
		}
	}
	_, err := r.change(0, func(page bufpage.Page) error { return r.btreeAdd(page, p) })
	if err == nil && p.HasMeta {
		err = r.btreeMeta(2, &p.Meta)
	}
	return err
}

func (r *Redo) btreeAdd(page bufpage.Page, p *rmgr.BtreeInsert) error {
	if !p.HasData {
		return errNoData
	}
	tuple := p.Tuple
	if p.Post {
		tuple = r.scratch.copyItem(tuple)
		if err := swapPosting(tuple, page.IndexTuple(int(p.Offset)-1), int(p.Posting)); err != nil {
			return err
		}
	}
	_, err := page.AddItem(tuple, int(p.Offset), false, false)
	return err
}

// btreeSplitDone takes the mark from a page that its right sibling is missing in the parent.
func (r *Redo) btreeSplitDone(id uint8) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		o, err := btreeOpaqueOf(page)
		if err == nil {
			o.clearFlags(btreeIncompleteSplit)
		}
		return err
	})
	return err
}

// btreeMeta makes the metapage anew.
func (r *Redo) btreeMeta(id uint8, m *rmgr.BtreeMetadata) error {
	buf, err := r.initBlock(id)
	if err != nil {
		return err
	}
	buf.Page.Init(btreeOpaqueSize, r.layout)
	writeBtreeMeta(buf.Page, m, r.dialect)
	r.changed(buf)
	return nil
}

// btreeInitBlock makes the page of reference id anew, without items.
func (r *Redo) btreeInitBlock(id uint8, prev, next, level uint32, flags uint16) (*pgdata.Buffer, error) {
	buf, err := r.initBlock(id)
	if err != nil {
		return nil, err
	}
	buf.Page.Init(btreeOpaqueSize, r.layout)
	o := btreeOpaque(buf.Page.Special())
	o.setPrev(prev)
	o.setNext(next)
	o.setLevel(level)
	o.setFlags(flags)
	return buf, nil
}
