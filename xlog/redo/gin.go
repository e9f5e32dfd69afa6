// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// gin is gin_redo (src/backend/access/gin/ginxlog.c).
func (r *Redo) gin(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.GinCreatePostingTree:
		return r.ginCreatePostingTree(p)
	case *rmgr.GinInsert:
		return r.ginInsert(p)
	case *rmgr.GinSplit:
		return r.ginSplit(p)
	case *rmgr.GinVacuumPage:
		return r.mustRestore(0)
	case *rmgr.GinVacuumDataLeafPage:
		return r.ginVacuumLeaf(p)
	case *rmgr.GinDeletePage:
		return r.ginDeletePage(p)
	case *rmgr.GinUpdateMeta:
		return r.ginUpdateMeta(p)
	case *rmgr.GinInsertListPage:
		return r.ginInsertListPage(p)
	case *rmgr.GinDeleteListPages:
		return r.ginDeleteListPages(p)
	}
	return unknown(p)
}

// mustRestore restores a block that the record has nothing but the image for.
func (r *Redo) mustRestore(id uint8) error {
	_, act, err := r.block(id)
	if err == nil && act != restored {
		err = fmt.Errorf("block %d: the record has no image", id)
	}
	return err
}

func (r *Redo) ginCreatePostingTree(p *rmgr.GinCreatePostingTree) error {
	buf, err := r.initBlock(0)
	if err != nil {
		return err
	}
	ginInit(buf.Page, ginData|ginLeaf|ginCompressed, r.layout)
	if err := setGinLeaf(buf.Page, p.Segments); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}

// ginEndSplit says on a page that its parent knows of its right neighbour (ginRedoClearIncompleteSplit).
func (r *Redo) ginEndSplit(id uint8) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		o, err := ginOpaqueOf(page)
		if err == nil {
			o.clearFlags(ginIncompleteSplit)
		}
		return err
	})
	return err
}

func (r *Redo) ginInsert(p *rmgr.GinInsert) error {
	if p.Flags&rmgr.GinInsertIsLeaf == 0 {
		if err := r.ginEndSplit(1); err != nil {
			return err
		}
	}
	_, err := r.change(0, func(page bufpage.Page) error {
		switch {
		case !p.HasData:
			return errNoData
		case p.Flags&rmgr.GinInsertIsData == 0:
			return ginInsertEntry(page, p)
		case p.Flags&rmgr.GinInsertIsLeaf != 0:
			return r.scratch.ginRecompress(page, p.Recompress)
		}
		return ginInsertPostingItem(page, p)
	})
	return err
}

// ginInsertEntry adds a tuple to a page of the entry tree.
func ginInsertEntry(page bufpage.Page, p *rmgr.GinInsert) error {
	off := int(p.Offset)
	if p.Flags&rmgr.GinInsertIsLeaf == 0 && p.RightChild != invalidBlock {
		item := page.Item(off)
		if len(item) < itemPointerSize {
			return fmt.Errorf("no tuple %d", off)
		}
		bufpage.TID{Block: p.RightChild}.Put(item)
	}
	if p.IsDelete {
		if err := page.IndexDelete(off); err != nil {
			return err
		}
	}
	_, err := page.AddItem(p.Tuple, off, false, false)
	return err
}

func (r *Redo) ginSplit(p *rmgr.GinSplit) error {
	if p.Flags&rmgr.GinInsertIsLeaf == 0 {
		if err := r.ginEndSplit(3); err != nil {
			return err
		}
	}
	pages := uint8(2)
	if p.Flags&rmgr.GinSplitRoot != 0 {
		pages = 3
	}
	for id := range pages {
		if err := r.mustRestore(id); err != nil {
			return err
		}
	}
	return nil
}

func (r *Redo) ginVacuumLeaf(p *rmgr.GinVacuumDataLeafPage) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		if !p.HasData {
			return errNoData
		}
		return r.scratch.ginRecompress(page, p.Recompress)
	})
	return err
}

func (r *Redo) ginDeletePage(p *rmgr.GinDeletePage) error {
	if err := r.ginSetRightLink(2, p.RightLink); err != nil {
		return err
	}
	_, err := r.change(0, func(page bufpage.Page) error {
		o, err := ginOpaqueOf(page)
		if err == nil {
			o.setFlags(o.flags() | ginDeleted)
			page.SetPruneXID(p.Xid)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = r.change(1, func(page bufpage.Page) error { return ginDeletePostingItem(page, int(p.ParentOffset)) })
	return err
}

func (r *Redo) ginSetRightLink(id uint8, block uint32) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		o, err := ginOpaqueOf(page)
		if err == nil {
			o.setRightLink(block)
		}
		return err
	})
	return err
}
