// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// opaque is an index page's special space.
type opaque []byte

func (o opaque) flags(at int) uint16         { return binary.LittleEndian.Uint16(o[at:]) }
func (o opaque) clearFlags(at int, f uint16) { binary.LittleEndian.PutUint16(o[at:], o.flags(at)&^f) }

// maskIndex masks the header of an index page and finds its special space, which has n bytes.
func maskIndex(page bufpage.Page, n int) (opaque, error) {
	page.MaskLSN()
	page.MaskHints()
	o := page.Special()
	if o == nil || len(o) < n {
		return nil, fmt.Errorf("%w: special space of %d bytes", bufpage.ErrPage, len(o))
	}
	return o, nil
}

// maskUnusedIf is for pages whose header says the truth about their unused space from some length on only.
func maskUnusedIf(page bufpage.Page, known bool) error {
	if !known {
		return nil
	}
	return page.MaskUnused()
}

// maskBtree is btree_mask (src/backend/access/nbtree/nbtxlog.c).
func maskBtree(d *xlog.Dialect, page bufpage.Page, _ uint32) error {
	const (
		flagsAt, cycleAt = 12, 14
		splitEnd         = 1 << 5 // BTP_SPLIT_END
	)
	o, err := maskIndex(page, 16)
	if err == nil {
		err = page.MaskUnused()
	}
	if err != nil {
		return err
	}
	switch {
	case d.MaskBtreeDeleted() && o.flags(flagsAt)&btreeDeleted != 0:
		page.MaskContent()
	case o.flags(flagsAt)&btreeLeaf != 0:
		page.MaskLineFlags()
	}
	o.clearFlags(flagsAt, btreeHasGarbage|splitEnd)
	o.clearFlags(cycleAt, 0xFFFF)
	return nil
}

// maskHash is hash_mask (src/backend/access/hash/hash_xlog.c).
func maskHash(_ *xlog.Dialect, page bufpage.Page, _ uint32) error {
	const (
		flagsAt    = 12
		pageType   = 0x0F   // LH_PAGE_TYPE
		bucketPage = 1 << 1 // LH_BUCKET_PAGE
	)
	o, err := maskIndex(page, 16)
	if err == nil {
		err = page.MaskUnused()
	}
	if err != nil {
		return err
	}
	switch o.flags(flagsAt) & pageType {
	case 0: // LH_UNUSED_PAGE
		page.MaskContent()
	case bucketPage, hashOverflowPage:
		page.MaskLineFlags()
	}
	o.clearFlags(flagsAt, hashHasDeadTuples)
	return nil
}

// maskGin is gin_mask (src/backend/access/gin/ginxlog.c).
func maskGin(_ *xlog.Dialect, page bufpage.Page, _ uint32) error {
	const (
		flagsAt = 6
		deleted = 1 << 2 // GIN_DELETED
	)
	o, err := maskIndex(page, 8)
	if err != nil {
		return err
	}
	if o.flags(flagsAt)&deleted != 0 {
		page.MaskContent()
		return nil
	}
	return maskUnusedIf(page, page.Lower() > bufpage.HeaderSize)
}

// maskGist is gist_mask (src/backend/access/gist/gistxlog.c). It masks more than that: the flag that tuples were
// deleted, which has no meaning. The primary does not set it where it removes dead tuples for an insertion, but the
// server's redo of that does, and the server then takes the page for inconsistent.
func maskGist(_ *xlog.Dialect, page bufpage.Page, _ uint32) error {
	const (
		flagsAt     = 12
		leaf        = 1 << 0 // F_LEAF
		deleted     = 1 << 2 // F_TUPLES_DELETED
		followRight = 1 << 3 // F_FOLLOW_RIGHT
		hasGarbage  = 1 << 4 // F_HAS_GARBAGE
	)
	o, err := maskIndex(page, 16)
	if err == nil {
		err = page.MaskUnused()
	}
	if err != nil {
		return err
	}
	clear(o[:8]) // the NSN, which is an LSN
	if o.flags(flagsAt)&leaf != 0 {
		page.MaskLineFlags()
	}
	o.clearFlags(flagsAt, deleted|followRight|hasGarbage)
	return nil
}

// maskSPGist is spg_mask (src/backend/access/spgist/spgxlog.c) of PostgreSQL 13. That of 12 forgets the unused space of a
// page without items, and the server then takes a page that vacuum emptied for inconsistent.
func maskSPGist(_ *xlog.Dialect, page bufpage.Page, _ uint32) error {
	if _, err := maskIndex(page, 0); err != nil {
		return err
	}
	return maskUnusedIf(page, page.Lower() >= bufpage.HeaderSize)
}

// maskBRIN is brin_mask (src/backend/access/brin/brin_xlog.c) of PostgreSQL 14. Up to 13 it forgets the flag of a page
// that is being emptied, which the log does not have.
func maskBRIN(_ *xlog.Dialect, page bufpage.Page, _ uint32) error {
	const (
		flagsAt, typeAt = 4, 6
		metaPage        = 0xF091 // BRIN_PAGETYPE_META
		regularPage     = 0xF093 // BRIN_PAGETYPE_REGULAR
		evacuate        = 1 << 0 // BRIN_EVACUATE_PAGE
	)
	o, err := maskIndex(page, 8)
	if err != nil {
		return err
	}
	kind := o.flags(typeAt)
	o.clearFlags(flagsAt, evacuate)
	return maskUnusedIf(page, kind == regularPage || kind == metaPage && page.Lower() > bufpage.HeaderSize)
}
