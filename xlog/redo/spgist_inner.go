// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

func (r *Redo) spgistAddNode(p *rmgr.SPGistAddNode) error {
	if r.body.Block(1) != nil {
		return r.spgistMoveInner(p)
	}
	_, err := r.change(0, func(page bufpage.Page) error { return spgistReplace(page, p.Inner, p.Offset) })
	return err
}

// spgistMoveInner moves an inner tuple to another page. Its parent may be on either page or on a third.
func (r *Redo) spgistMoveInner(p *rmgr.SPGistAddNode) error {
	block, err := r.refBlock(1)
	if err != nil {
		return err
	}
	link := func(page bufpage.Page, id int8) error {
		if p.ParentBlock != id {
			return nil
		}
		return spgistLink(page, p.ParentOffset, p.Node, block, p.NewOffset)
	}
	err = r.spgistChange(1, p.NewPage, 0, func(page bufpage.Page) error {
		if err := spgistAdd(page, p.Inner, p.NewOffset); err != nil {
			return err
		}
		return link(page, 1)
	})
	if err != nil {
		return err
	}
	_, err = r.change(0, func(page bufpage.Page) error {
		if err := spgistLeave(page, p.Offset, spgistMoved(p.State, block, p.NewOffset)); err != nil {
			return err
		}
		return link(page, 0)
	})
	if err != nil || p.ParentBlock != 2 {
		return err
	}
	_, err = r.change(2, func(page bufpage.Page) error { return link(page, 2) })
	return err
}

// spgistLeave puts a dead tuple in the place of an inner tuple.
func spgistLeave(page bufpage.Page, off uint16, gone spgistGone) error {
	o, err := spgistOpaqueOf(page)
	if err != nil {
		return err
	}
	t := spgistDeadTuple(gone.first, gone.block, gone.off, gone.xid)
	if err := spgistReplace(page, t[:], off); err != nil {
		return err
	}
	o.countDead(gone.first)
	return nil
}

func (r *Redo) spgistSplitTuple(p *rmgr.SPGistSplitTuple) error {
	if !p.SamePage {
		err := r.spgistChange(1, p.NewPage, 0, func(page bufpage.Page) error {
			return spgistAdd(page, p.Postfix, p.PostfixOffset)
		})
		if err != nil {
			return err
		}
	}
	_, err := r.change(0, func(page bufpage.Page) error {
		if err := spgistReplace(page, p.Prefix, p.PrefixOffset); err != nil || !p.SamePage {
			return err
		}
		return spgistAdd(page, p.Postfix, p.PostfixOffset)
	})
	return err
}

func (r *Redo) spgistPickSplit(p *rmgr.SPGistPickSplit) error {
	block, err := r.refBlock(2)
	if err != nil {
		return err
	}
	source, err := r.spgistSplitSource(p, block)
	if err != nil {
		return err
	}
	dest, err := r.spgistSplitDest(p)
	if err != nil {
		return err
	}
	if err := r.spgistSpread(p, source, dest); err != nil {
		return err
	}
	err = r.spgistChange(2, p.InitInner, spgistLeafFlags(p.StoresNulls)&^spgistLeafPage, func(page bufpage.Page) error {
		if err := spgistAdd(page, p.Inner, p.InnerOffset); err != nil || !p.InnerIsParent {
			return err
		}
		return spgistLink(page, p.ParentOffset, p.Node, block, p.InnerOffset)
	})
	if err != nil || r.body.Block(3) == nil {
		return err
	}
	_, err = r.change(3, func(page bufpage.Page) error {
		return spgistLink(page, p.ParentOffset, p.Node, block, p.InnerOffset)
	})
	return err
}

// spgistSplitSource removes the leaf tuples from the page that had them. It is nil when there is nothing to do there.
func (r *Redo) spgistSplitSource(p *rmgr.SPGistPickSplit, inner uint32) (*pgdata.Buffer, error) {
	if p.IsRootSplit {
		return nil, nil
	}
	buf, act, err := r.spgistBlock(0, p.InitSource, spgistLeafFlags(p.StoresNulls))
	if err != nil || act != needsRedo {
		return nil, err
	}
	if p.InitSource {
		return buf, nil
	}
	if err := r.spgistDelete(buf.Page, p.Deleted, spgistMoved(p.State, inner, p.InnerOffset)); err != nil {
		return nil, r.pageError(buf, err)
	}
	return buf, nil
}

// spgistSplitDest is the second page for leaf tuples, nil when there is none or nothing to do there.
func (r *Redo) spgistSplitDest(p *rmgr.SPGistPickSplit) (*pgdata.Buffer, error) {
	if r.body.Block(1) == nil {
		return nil, nil
	}
	buf, act, err := r.spgistBlock(1, p.InitDest, spgistLeafFlags(p.StoresNulls))
	if err != nil || act != needsRedo {
		return nil, err
	}
	return buf, nil
}

// spgistSpread adds the leaf tuples to the two pages.
func (r *Redo) spgistSpread(p *rmgr.SPGistPickSplit, source, dest *pgdata.Buffer) error {
	leafs := p.Leafs
	for i := range p.Inserted.Len() {
		var tuple []byte
		tuple, leafs = leafs.Next()
		buf := source
		if p.InsertedDest[i] != 0 {
			buf = dest
		}
		if buf == nil {
			continue
		}
		if err := spgistAdd(buf.Page, tuple, p.Inserted.At(i)); err != nil {
			return r.pageError(buf, err)
		}
	}
	for _, buf := range [...]*pgdata.Buffer{source, dest} {
		if buf != nil {
			r.changed(buf)
		}
	}
	return nil
}
