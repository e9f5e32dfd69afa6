// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// gist is gist_redo (src/backend/access/gist/gistxlog.c).
func (r *Redo) gist(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.GistPageUpdate:
		return r.gistPageUpdate(p)
	case *rmgr.GistDelete:
		return r.gistDelete(p)
	case *rmgr.GistPageSplit:
		return r.gistPageSplit(p)
	case *rmgr.GistPageDelete:
		return r.gistPageDelete(p)
	case *rmgr.GistPageReuse, *rmgr.GistAssignLSN: // nothing changes
		return nil
	}
	return unknown(p)
}

// gistEndSplit says on the left half of a split, if the record has one, that the parent knows of the right half. That is
// not in the page's image (gistRedoClearFollowRight).
func (r *Redo) gistEndSplit(id uint8) error {
	if r.body.Block(id) == nil {
		return nil
	}
	buf, act, err := r.block(id)
	if err != nil || act != needsRedo && act != restored {
		return err
	}
	o, err := gistOpaqueOf(buf.Page)
	if err != nil {
		return r.pageError(buf, err)
	}
	o.setNSN(r.lsn)
	o.clearFlags(gistFollowRight)
	r.changed(buf)
	return nil
}

func (r *Redo) gistPageUpdate(p *rmgr.GistPageUpdate) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		if !p.HasData && (p.NDeleted > 0 || p.NInserted > 0) {
			return errNoData
		}
		return r.gistReplace(page, p)
	})
	if err != nil {
		return err
	}
	return r.gistEndSplit(1)
}

// gistReplace removes tuples and adds others.
func (r *Redo) gistReplace(page bufpage.Page, p *rmgr.GistPageUpdate) error {
	o, err := gistOpaqueOf(page)
	if err != nil {
		return err
	}
	if p.NDeleted == 1 && p.NInserted == 1 {
		return page.IndexOverwrite(r.dialect, int(p.Deleted.At(0)), p.Inserted)
	}
	if p.NDeleted > 0 {
		if err := page.IndexMultiDelete(r.dialect, r.scratch.offsets(p.Deleted)); err != nil {
			return err
		}
		if o.flags()&gistLeaf != 0 {
			r.gistMarkDeleted(o)
		}
	}
	return appendTuples(page, p.Inserted)
}

// gistMarkDeleted notes that tuples were deleted (GistMarkTuplesDeleted).
func (r *Redo) gistMarkDeleted(o gistOpaque) {
	if r.dialect.GistMarksDeleted() {
		o.setFlags(o.flags() | gistTuplesDeleted)
	}
}

func (r *Redo) gistDelete(p *rmgr.GistDelete) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		o, err := gistOpaqueOf(page)
		if err != nil {
			return err
		}
		if p.Offsets.Len() > 0 {
			if err := page.IndexMultiDelete(r.dialect, r.scratch.offsets(p.Offsets)); err != nil {
				return err
			}
		}
		o.setFlags(o.flags() &^ gistHasGarbage)
		r.gistMarkDeleted(o)
		return nil
	})
	return err
}

func (r *Redo) gistPageSplit(p *rmgr.GistPageSplit) error {
	ofRoot := false
	for i := range p.Pages {
		if ref := r.body.Block(uint8(i + 1)); ref != nil && ref.Block == gistRootBlock {
			ofRoot = true
		}
		if err := r.gistSplitPage(p, i, ofRoot); err != nil {
			return err
		}
	}
	return r.gistEndSplit(0)
}

// gistSplitPage makes page i of those that a page was split in.
func (r *Redo) gistSplitPage(p *rmgr.GistPageSplit, i int, ofRoot bool) error {
	buf, err := r.initBlock(uint8(i + 1))
	if err != nil {
		return err
	}
	root := buf.Block == gistRootBlock
	o := gistInit(buf.Page, r.layout)
	if p.Leaf && !root {
		o.setFlags(gistLeaf)
	}
	if err := appendTuples(buf.Page, p.Pages[i]); err != nil {
		return r.pageError(buf, err)
	}
	o.setNSN(p.NSN)
	if next := r.body.Block(uint8(i + 2)); !root && i+1 < len(p.Pages) && next != nil {
		o.setRightLink(next.Block)
		if p.MarkFollowRight && !ofRoot {
			o.setFlags(o.flags() | gistFollowRight)
		}
	} else if !root {
		o.setRightLink(p.RightLink)
	}
	r.changed(buf)
	return nil
}

func (r *Redo) gistPageDelete(p *rmgr.GistPageDelete) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		o, err := gistOpaqueOf(page)
		if err != nil {
			return err
		}
		o.setFlags(o.flags() | gistDeleted)
		if !p.HasEpoch {
			page.SetPruneXID(uint32(p.Xid))
			return nil
		}
		setGistDeleteXid(page, p.Xid)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = r.change(1, func(page bufpage.Page) error { return page.IndexDelete(int(p.DownlinkOffset)) })
	return err
}
