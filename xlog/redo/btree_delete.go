// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// btreeVacuum removes what a vacuum removed from a leaf page (btree_xlog_vacuum).
func (r *Redo) btreeVacuum(page bufpage.Page, p *rmgr.BtreeVacuum) error {
	if err := r.btreeDelete(page, &p.BtreeDeletion); err != nil {
		return err
	}
	if r.dialect.BtreeVacuumEndsCycle() {
		btreeOpaque(page.Special()).setCycleID(0)
	}
	return nil
}

// btreeDelete shortens posting lists of a leaf page and removes tuples.
func (r *Redo) btreeDelete(page bufpage.Page, p *rmgr.BtreeDeletion) error {
	if !p.HasData && p.NDeleted+p.NUpdated > 0 {
		return errNoData
	}
	o, err := btreeOpaqueOf(page)
	if err != nil {
		return err
	}
	for rest := p.Updated; rest.Len() > 0; {
		var u rmgr.BtreeUpdate
		u, rest = rest.Next()
		if err := r.btreeShorten(page, u); err != nil {
			return err
		}
	}
	if p.Deleted.Len() > 0 {
		if err := page.IndexMultiDelete(r.dialect, r.scratch.offsets(p.Deleted)); err != nil {
			return err
		}
	}
	o.clearFlags(btreeHasGarbage)
	return nil
}

// btreeShorten takes item pointers from a posting list (btree_xlog_updates).
func (r *Redo) btreeShorten(page bufpage.Page, u rmgr.BtreeUpdate) error {
	tuple, err := btreeItem(page, int(u.Offset))
	if err == nil {
		tuple, err = r.scratch.shortenPosting(tuple, u.Deleted)
	}
	if err == nil {
		err = page.IndexOverwrite(r.dialect, int(u.Offset), tuple)
	}
	if err != nil {
		return fmt.Errorf("item %d: %w", u.Offset, err)
	}
	return nil
}
