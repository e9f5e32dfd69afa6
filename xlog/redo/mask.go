// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// masks overwrite what may differ in a page after redo of a resource manager's record (rm_mask in
// src/include/access/rmgrlist.h). The server writes images for comparison for these resource managers only.
var masks = map[xlog.RmgrID]func(d *xlog.Dialect, page bufpage.Page, block uint32) error{
	rmgr.Heap2:    maskHeap,
	rmgr.Heap:     maskHeap,
	rmgr.Btree:    maskBtree,
	rmgr.Hash:     maskHash,
	rmgr.Gin:      maskGin,
	rmgr.Gist:     maskGist,
	rmgr.Sequence: maskPlain,
	rmgr.SPGist:   maskSPGist,
	rmgr.BRIN:     maskBRIN,
	rmgr.Generic:  maskPlain,
}

// mask masks a copy of a page. Those of other resource managers, of which no images are known, are not masked at all.
func mask(d *xlog.Dialect, id xlog.RmgrID, page bufpage.Page, block uint32) error {
	if f := masks[id]; f != nil {
		return f(d, page, block)
	}
	return nil
}

// maskPlain is seq_mask (src/backend/commands/sequence.c) and generic_mask (src/backend/access/transam/generic_xlog.c).
func maskPlain(_ *xlog.Dialect, page bufpage.Page, _ uint32) error {
	page.MaskLSN()
	return page.MaskUnused()
}

// maskHeap is heap_mask (src/backend/access/heap/heapam.c).
func maskHeap(_ *xlog.Dialect, page bufpage.Page, block uint32) error {
	page.MaskLSN()
	page.MaskHints()
	if err := page.MaskUnused(); err != nil {
		return err
	}
	return page.MaskHeapItems(block)
}
