// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// btreeSplit splits a page, block 0 (btree_xlog_split). The new page, block 1, is in the record; the left half has the
// tuples that it had before.
func (r *Redo) btreeSplit(p *rmgr.BtreeSplit) error {
	left, right, next := r.body.Block(0), r.body.Block(1), r.body.Block(2)
	if left == nil || right == nil {
		return errNoBlock
	}
	if p.Level > 0 {
		if err := r.btreeSplitDone(3); err != nil {
			return err
		}
	}
	nextBlock := uint32(0)
	if next != nil {
		nextBlock = next.Block
	}
	if err := r.btreeRightHalf(p, left.Block, nextBlock); err != nil {
		return err
	}
	newBlock := right.Block
	_, err := r.change(0, func(page bufpage.Page) error { return r.btreeLeftHalf(page, p, newBlock) })
	if err != nil || nextBlock == 0 {
		return err
	}
	return r.btreeSetPrev(2, newBlock)
}

// btreeRightHalf makes the new page.
func (r *Redo) btreeRightHalf(p *rmgr.BtreeSplit, prev, next uint32) error {
	buf, err := r.btreeInitBlock(1, prev, next, p.Level, leafFlag(p.Level))
	if err != nil {
		return err
	}
	if err := restoreBtreePage(buf.Page, p.Right); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}

func leafFlag(level uint32) uint16 {
	if level == 0 {
		return btreeLeaf
	}
	return 0
}

// btreeLeftHalf puts the tuples of the left half on an empty page, in the order of their numbers, and the page in the
// place of the old one.
func (r *Redo) btreeLeftHalf(page bufpage.Page, p *rmgr.BtreeSplit, newBlock uint32) error {
	if !p.HasData {
		return errNoData
	}
	o, err := btreeOpaqueOf(page)
	if err != nil {
		return err
	}
	item, itemOffset := p.NewItem, int(p.NewItemOffset)
	if p.Posting != 0 {
		item = r.scratch.copyItem(item)
		if err := swapPosting(item, page.IndexTuple(itemOffset-1), int(p.Posting)); err != nil {
			return err
		}
	}
	if !p.NewItemLeft {
		itemOffset = -1
	}
	temp := r.scratch.copySpecial(page, r.layout)
	if err := appendItem(temp, p.HighKey); err != nil {
		return err
	}
	if err := copyLeftItems(temp, page, o.firstKey(), int(p.FirstRight), item, itemOffset); err != nil {
		return err
	}
	copy(page, temp)
	o.setFlags(btreeIncompleteSplit | leafFlag(p.Level))
	o.setNext(newBlock)
	o.setCycleID(0)
	return nil
}

// copyLeftItems copies the items from number first up to end, which stays behind, with a new one before number
// itemOffset.
func copyLeftItems(dst, src bufpage.Page, first, end int, item []byte, itemOffset int) error {
	for off := first; off < end; off++ {
		if off == itemOffset {
			if err := appendItem(dst, item); err != nil {
				return err
			}
		}
		if err := appendItem(dst, src.Item(off)); err != nil {
			return fmt.Errorf("item %d: %w", off, err)
		}
	}
	if itemOffset == max(first, end) {
		return appendItem(dst, item)
	}
	return nil
}

// appendItem adds an item behind all others.
func appendItem(page bufpage.Page, item []byte) error {
	if len(item) == 0 {
		return fmt.Errorf("%w without storage", bufpage.ErrItem)
	}
	_, err := page.AddItem(item, page.MaxOffset()+1, false, false)
	return err
}

// btreeSetPrev gives a page another left sibling.
func (r *Redo) btreeSetPrev(id uint8, block uint32) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		o, err := btreeOpaqueOf(page)
		if err == nil {
			o.setPrev(block)
		}
		return err
	})
	return err
}

// btreeNewRoot makes a root page, block 0: the first one, a leaf, or the parent of one that was split, block 1.
func (r *Redo) btreeNewRoot(p *rmgr.BtreeNewRoot) error {
	buf, err := r.btreeInitBlock(0, 0, 0, p.Level, btreeRoot|leafFlag(p.Level))
	if err != nil {
		return err
	}
	if p.Level > 0 {
		if err := restoreBtreePage(buf.Page, p.Tuples); err != nil {
			return r.pageError(buf, err)
		}
		if err := r.btreeSplitDone(1); err != nil {
			return err
		}
	}
	r.changed(buf)
	return r.btreeMeta(2, &p.Meta)
}
