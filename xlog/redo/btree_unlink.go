// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// btreeMarkHalfDead takes an empty leaf page, block 0, out of its parent, block 1 (btree_xlog_mark_page_halfdead).
func (r *Redo) btreeMarkHalfDead(p *rmgr.BtreeMarkPageHalfDead) error {
	_, err := r.change(1, func(page bufpage.Page) error { return dropDownlink(page, int(p.ParentOffset)) })
	if err != nil {
		return err
	}
	return r.btreeHalfDead(0, p.Left, p.Right, p.TopParent)
}

// dropDownlink lets a tuple of an inner page point to where the next one points, and removes that: the key space of the
// page that goes is its right sibling's.
func dropDownlink(page bufpage.Page, off int) error {
	tuple, err := btreeItem(page, off)
	if err != nil {
		return err
	}
	next, err := btreeItem(page, off+1)
	if err != nil {
		return err
	}
	tuple.SetTID(bufpage.TID{Block: next.TID().Block, Offset: tuple.TID().Offset})
	return page.IndexDelete(off + 1)
}

// btreeHalfDead makes a half-dead leaf page anew.
func (r *Redo) btreeHalfDead(id uint8, prev, next, topParent uint32) error {
	buf, err := r.btreeInitBlock(id, prev, next, 0, btreeHalfDead|btreeLeaf)
	if err != nil {
		return err
	}
	if err := addBtreeTopParent(buf.Page, topParent); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}

// btreeUnlink takes a page, block 0, out of the chain of its siblings (btree_xlog_unlink_page).
func (r *Redo) btreeUnlink(p *rmgr.BtreeUnlinkPage) error {
	if p.Left != 0 {
		if err := r.btreeSetNext(1, p.Right); err != nil {
			return err
		}
	}
	if err := r.btreeDeletePage(p); err != nil {
		return err
	}
	if err := r.btreeSetPrev(2, p.Left); err != nil {
		return err
	}
	if r.body.Block(3) != nil {
		if err := r.btreeHalfDead(3, p.LeafLeft, p.LeafRight, p.LeafTopParent); err != nil {
			return err
		}
	}
	if p.HasMeta {
		return r.btreeMeta(4, &p.Meta)
	}
	return nil
}

// btreeSetNext gives a page another right sibling.
func (r *Redo) btreeSetNext(id uint8, block uint32) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		o, err := btreeOpaqueOf(page)
		if err == nil {
			o.setNext(block)
		}
		return err
	})
	return err
}

// btreeDeletePage makes block 0 a deleted page.
func (r *Redo) btreeDeletePage(p *rmgr.BtreeUnlinkPage) error {
	flags := uint16(0)
	if r.dialect.BtreeFullXids() {
		flags = leafFlag(p.Level)
	}
	buf, err := r.btreeInitBlock(0, p.Left, p.Right, p.Level, flags)
	if err != nil {
		return err
	}
	writeBtreeDeleted(buf.Page, p.SafeXid, r.dialect)
	r.changed(buf)
	return nil
}
