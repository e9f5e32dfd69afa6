// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// generic redoes records of Generic: bytes are stored in up to four pages (generic_redo in
// src/backend/access/transam/generic_xlog.c).
func (r *Redo) generic(p rmgr.Payload) error {
	changes, ok := p.(*rmgr.GenericChanges)
	if !ok {
		return unknown(p)
	}
	for i := range r.body.Blocks {
		id := r.body.Blocks[i].ID
		delta := changes.Pages[id]
		_, err := r.change(id, func(page bufpage.Page) error { return storeFragments(page, delta) })
		if err != nil {
			return err
		}
	}
	return nil
}

// storeFragments stores the bytes, and clears the hole, of which they say nothing (applyPageRedo).
func storeFragments(page bufpage.Page, delta rmgr.GenericDelta) error {
	for f := range delta.All() {
		copy(page[f.Offset:], f.Data)
	}
	lower, upper := page.Lower(), page.Upper()
	if lower > upper || upper > len(page) {
		return errors.New("the page's pointers are wrong after the change")
	}
	clear(page[lower:upper])
	return nil
}
