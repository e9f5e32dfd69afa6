// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

func (r *Redo) spgistVacuumLeaf(p *rmgr.SPGistVacuumLeaf) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		dead := spgistGone{first: spgistDead, rest: spgistDead}
		if err := r.spgistDelete(page, p.Dead, dead); err != nil {
			return err
		}
		free := spgistGone{first: spgistPlaceholder, rest: spgistPlaceholder}
		if err := r.spgistDelete(page, p.Placeholder, free); err != nil {
			return err
		}
		if err := spgistSwap(page, p.MoveFrom, p.MoveTo); err != nil {
			return err
		}
		if err := r.spgistDelete(page, p.MoveFrom, free); err != nil {
			return err
		}
		return spgistChain(page, p.Chained, p.Next)
	})
	return err
}

// spgistSwap exchanges line pointers.
func spgistSwap(page bufpage.Page, from, to rmgr.Uint16s) error {
	for i := range from.Len() {
		a, b := int(from.At(i)), int(to.At(i))
		if n := page.MaxOffset(); a < 1 || b < 1 || a > n || b > n {
			return fmt.Errorf("no tuples %d and %d of %d", a, b, n)
		}
		x, y := page.ItemID(a), page.ItemID(b)
		page.SetItemID(a, y)
		page.SetItemID(b, x)
	}
	return nil
}

// spgistChain links leaf tuples to the next ones.
func spgistChain(page bufpage.Page, tuples, next rmgr.Uint16s) error {
	for i := range tuples.Len() {
		tuple, err := spgistTuple(page, int(tuples.At(i)))
		if err != nil {
			return err
		}
		setSPGistNext(tuple, next.At(i))
	}
	return nil
}

func (r *Redo) spgistVacuumRoot(p *rmgr.SPGistVacuumRoot) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		if p.Deleted.Len() == 0 {
			return nil
		}
		return page.IndexMultiDelete(r.dialect, r.scratch.offsets(p.Deleted))
	})
	return err
}

func (r *Redo) spgistVacuumRedirect(p *rmgr.SPGistVacuumRedirect) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		o, err := spgistOpaqueOf(page)
		if err != nil {
			return err
		}
		n := p.Redirections.Len()
		for i := range n {
			if err := spgistEndRedirect(page, int(p.Redirections.At(i))); err != nil {
				return err
			}
		}
		o.addRedirections(-n)
		o.addPlaceholders(n)
		return r.spgistCut(page, o, int(p.FirstPlaceholder))
	})
	return err
}

// spgistEndRedirect makes a placeholder of a redirection. Its transaction stays.
func spgistEndRedirect(page bufpage.Page, off int) error {
	tuple, err := spgistTuple(page, off)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(tuple, binary.LittleEndian.Uint32(tuple)&^3|spgistPlaceholder)
	bufpage.TID{Block: invalidBlock}.Put(tuple[6:])
	return nil
}

// spgistCut removes the placeholders at the end of a page, from first on; 0 is for none.
func (r *Redo) spgistCut(page bufpage.Page, o spgistOpaque, first int) error {
	if first == 0 {
		return nil
	}
	offs := r.scratch.line[:0]
	for off := first; off <= page.MaxOffset(); off++ {
		offs = append(offs, uint16(off))
	}
	r.scratch.line = offs
	if len(offs) == 0 {
		return fmt.Errorf("no tuple %d", first)
	}
	o.addPlaceholders(-len(offs))
	return page.IndexMultiDelete(r.dialect, offs)
}
