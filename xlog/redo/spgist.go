// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// spgist is spg_redo (src/backend/access/spgist/spgxlog.c).
func (r *Redo) spgist(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.SPGistAddLeaf:
		return r.spgistAddLeaf(p)
	case *rmgr.SPGistMoveLeafs:
		return r.spgistMoveLeafs(p)
	case *rmgr.SPGistAddNode:
		return r.spgistAddNode(p)
	case *rmgr.SPGistSplitTuple:
		return r.spgistSplitTuple(p)
	case *rmgr.SPGistPickSplit:
		return r.spgistPickSplit(p)
	case *rmgr.SPGistVacuumLeaf:
		return r.spgistVacuumLeaf(p)
	case *rmgr.SPGistVacuumRoot:
		return r.spgistVacuumRoot(p)
	case *rmgr.SPGistVacuumRedirect:
		return r.spgistVacuumRedirect(p)
	}
	return unknown(p)
}

// refBlock is the number of the block of a reference.
func (r *Redo) refBlock(id uint8) (uint32, error) {
	ref := r.body.Block(id)
	if ref == nil {
		return 0, fmt.Errorf("block %d: %w", id, errNoBlock)
	}
	return ref.Block, nil
}

// spgistBlock finds a block, or makes it anew with the flags.
func (r *Redo) spgistBlock(id uint8, anew bool, flags uint16) (*pgdata.Buffer, action, error) {
	if !anew {
		return r.block(id)
	}
	buf, err := r.initBlock(id)
	if err != nil {
		return nil, notFound, err
	}
	spgistInit(buf.Page, flags, r.layout)
	return buf, needsRedo, nil
}

// spgistChange is change of a block that may be made anew.
func (r *Redo) spgistChange(id uint8, anew bool, flags uint16, f func(bufpage.Page) error) error {
	buf, act, err := r.spgistBlock(id, anew, flags)
	if err != nil || act != needsRedo {
		return err
	}
	if err := f(buf.Page); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}

func (r *Redo) spgistAddLeaf(p *rmgr.SPGistAddLeaf) error {
	err := r.spgistChange(0, p.NewPage, spgistLeafFlags(p.StoresNulls), func(page bufpage.Page) error {
		return spgistAddToChain(page, p)
	})
	if err != nil || p.ParentOffset == 0 {
		return err
	}
	block, err := r.refBlock(0)
	if err != nil {
		return err
	}
	_, err = r.change(1, func(page bufpage.Page) error {
		return spgistLink(page, p.ParentOffset, p.Node, block, p.Offset)
	})
	return err
}

// spgistAddToChain adds a leaf tuple behind the first of its chain, or in the place of that when it is dead.
func spgistAddToChain(page bufpage.Page, p *rmgr.SPGistAddLeaf) error {
	if p.Offset == p.HeadOffset {
		return spgistReplace(page, p.Leaf, p.Offset)
	}
	if err := spgistAdd(page, p.Leaf, p.Offset); err != nil || p.HeadOffset == 0 {
		return err
	}
	head, err := spgistTuple(page, int(p.HeadOffset))
	if err == nil {
		setSPGistNext(head, p.Offset)
	}
	return err
}

func (r *Redo) spgistMoveLeafs(p *rmgr.SPGistMoveLeafs) error {
	block, err := r.refBlock(1)
	if err != nil {
		return err
	}
	err = r.spgistChange(1, p.NewPage, spgistLeafFlags(p.StoresNulls), func(page bufpage.Page) error {
		leafs := p.Leafs
		for i := range p.Inserted.Len() {
			var tuple []byte
			tuple, leafs = leafs.Next()
			if err := spgistAdd(page, tuple, p.Inserted.At(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	last := p.Inserted.At(p.Inserted.Len() - 1)
	_, err = r.change(0, func(page bufpage.Page) error {
		return r.spgistDelete(page, p.Deleted, spgistMoved(p.State, block, last))
	})
	if err != nil {
		return err
	}
	_, err = r.change(2, func(page bufpage.Page) error {
		return spgistLink(page, p.ParentOffset, p.Node, block, last)
	})
	return err
}

// spgistMoved leaves a redirection, but not while the index is built: nobody reads it then.
func spgistMoved(state rmgr.SPGistState, block uint32, off uint16) spgistGone {
	first := spgistRedirect
	if state.IsBuild {
		first = spgistPlaceholder
	}
	return spgistGone{first: first, rest: spgistPlaceholder, block: block, off: off, xid: state.RedirectXid}
}
