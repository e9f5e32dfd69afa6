// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Pages of GiST (src/include/access/gist.h).

// Bits of the flags.
const (
	gistLeaf          uint16 = 1 << 0 // F_LEAF
	gistDeleted       uint16 = 1 << 1 // F_DELETED
	gistTuplesDeleted uint16 = 1 << 2 // F_TUPLES_DELETED
	gistFollowRight   uint16 = 1 << 3 // F_FOLLOW_RIGHT: the page to the right has no tuple in the parent
	gistHasGarbage    uint16 = 1 << 4 // F_HAS_GARBAGE
)

const (
	gistRootBlock  = 0
	gistOpaqueSize = 16
	gistPageID     = 0xFF81 // GIST_PAGE_ID
)

// gistOpaque is the special space of a page (GISTPageOpaqueData).
//
//	nsn u32 u32, the high half first; rightlink u32, flags u16, gist_page_id u16
type gistOpaque []byte

func gistOpaqueOf(page bufpage.Page) (gistOpaque, error) {
	special := page.Special()
	if len(special) != gistOpaqueSize {
		return nil, errors.New("not a page of a GiST index")
	}
	return special, nil
}

func (o gistOpaque) setNSN(lsn xlog.LSN)       { bufpage.SetLSN(o, lsn) }
func (o gistOpaque) setRightLink(block uint32) { binary.LittleEndian.PutUint32(o[8:], block) }
func (o gistOpaque) flags() uint16             { return binary.LittleEndian.Uint16(o[12:]) }
func (o gistOpaque) setFlags(flags uint16)     { binary.LittleEndian.PutUint16(o[12:], flags) }
func (o gistOpaque) clearFlags(f uint16)       { o.setFlags(o.flags() &^ f) }

// gistInit makes an empty page (GISTInitBuffer).
func gistInit(page bufpage.Page, layout uint8) gistOpaque {
	page.Init(gistOpaqueSize, layout)
	o := gistOpaque(page.Special())
	o.setRightLink(invalidBlock)
	binary.LittleEndian.PutUint16(o[14:], gistPageID)
	return o
}

// setGistDeleteXid writes on a deleted page, which has no tuples, the newest transaction that could still come to it
// (GistPageSetDeleted). Before the release of PostgreSQL 12 it stood in pd_prune_xid, without its epoch.
func setGistDeleteXid(page bufpage.Page, xid uint64) {
	page.SetLower(bufpage.HeaderSize + 8)
	binary.LittleEndian.PutUint64(page[bufpage.HeaderSize:], xid)
}
