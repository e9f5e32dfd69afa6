// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Pages of BRIN (src/include/access/brin_page.h). Behind the header the metapage has BrinMetaPageData, a page of the
// range map item pointers to the summaries; the others have summaries as their items. The last two bytes of the special
// space are the kind of page. It is 8 bytes long; or 16, where the range map may have chains:
//
//	logicalPageNum u32, nextRevmapPage u32, pad 4, flags u16, type u16

// Kinds of pages.
const (
	brinMeta    uint16 = 0xF091 // BRIN_PAGETYPE_META
	brinMap     uint16 = 0xF092 // BRIN_PAGETYPE_REVMAP
	brinRegular uint16 = 0xF093 // BRIN_PAGETYPE_REGULAR
	brinUpper   uint16 = 0xF094 // BRIN_PAGETYPE_UPPER
)

const (
	brinSpecial        = 8
	brinChainedSpecial = 16
	brinMagic          = 0xA8109CFA // BRIN_META_MAGIC
	brinChains         = 128        // MAX_AOREL_CONCURRENCY
	brinChainSize      = 12         // of AOChainInfo
)

// The metapage (BrinMetaPageData); everything from isAo on is Greenplum's.
//
//	magic u32, version u32, pagesPerRange u32, lastRevmapPage u32,
//	[isAo u8, pad 3, [{firstPage u32, lastPage u32, lastLogicalPageNum u32} * 128]]
const (
	brinMetaLast   = bufpage.HeaderSize + 12
	brinMetaIsAO   = bufpage.HeaderSize + 16
	brinMetaChains = bufpage.HeaderSize + 20
	brinMetaEnd    = brinMetaChains + brinChains*brinChainSize
)

// brinInit makes an empty page with special bytes of special space (brin_page_init).
func brinInit(page bufpage.Page, kind uint16, special int, layout uint8) {
	page.Init(special, layout)
	binary.LittleEndian.PutUint16(page[len(page)-2:], kind)
	if special == brinChainedSpecial {
		binary.LittleEndian.PutUint32(page.Special()[4:], invalidBlock)
	}
}

// brinSpecialOf is the special space of a page of an index.
func brinSpecialOf(page bufpage.Page) ([]byte, error) {
	special := page.Special()
	if n := len(special); n != brinSpecial && n != brinChainedSpecial {
		return nil, errors.New("not a page of a BRIN index")
	}
	return special, nil
}

// brinInitMeta makes the metapage (brin_metapage_init).
func brinInitMeta(page bufpage.Page, pagesPerRange, version uint32, appendOptimized, chained bool, d *xlog.Dialect) {
	special, end := brinSpecial, brinMetaEndOf(chained, d)
	if chained {
		special = brinChainedSpecial
	}
	brinInit(page, brinMeta, special, d.PageLayoutVersion())
	for i, v := range [...]uint32{brinMagic, version, pagesPerRange, 0} {
		binary.LittleEndian.PutUint32(page[bufpage.HeaderSize+4*i:], v)
	}
	if appendOptimized {
		page[brinMetaIsAO] = 1
	}
	for at := brinMetaChains; at < end; at += brinChainSize {
		binary.LittleEndian.PutUint32(page[at:], invalidBlock)
		binary.LittleEndian.PutUint32(page[at+4:], invalidBlock)
	}
	page.SetLower(end)
}

// brinMetaEndOf is where the metapage's data ends.
func brinMetaEndOf(chained bool, d *xlog.Dialect) int {
	switch {
	case chained:
		return brinMetaEnd
	case d.BRINAppendOptimized():
		return brinMetaChains
	}
	return brinMetaIsAO
}

// brinUnchainMeta makes a metapage without chains of one with them: the record that made it does not tell.
func brinUnchainMeta(page bufpage.Page, d *xlog.Dialect) {
	if page.SpecialOffset() != len(page)-brinChainedSpecial {
		return
	}
	old := [brinMetaChains]byte(page)
	brinInit(page, brinMeta, brinSpecial, d.PageLayoutVersion())
	copy(page[bufpage.HeaderSize:], old[bufpage.HeaderSize:])
	page.SetLower(brinMetaChains)
}

// brinMapItems is the item pointers on a page of the range map (RevmapContents).
func brinMapItems(page bufpage.Page) ([]byte, error) {
	special, err := brinSpecialOf(page)
	if err != nil {
		return nil, err
	}
	area := page[bufpage.HeaderSize : len(page)-len(special)]
	return area[:len(area)/itemPointerSize*itemPointerSize], nil
}

// setBrinSummary has the range of a table that begins at heapBlock point to its summary (brinSetHeapBlockItemptr in
// src/backend/access/brin/brin_revmap.c).
func setBrinSummary(page bufpage.Page, pagesPerRange, heapBlock, block uint32, off uint16) error {
	items, err := brinMapItems(page)
	if err != nil {
		return err
	}
	if pagesPerRange == 0 {
		return errors.New("ranges of no pages")
	}
	i := heapBlock / pagesPerRange % uint32(len(items)/itemPointerSize)
	bufpage.TID{Block: block, Offset: off}.Put(items[itemPointerSize*i:])
	return nil
}

// setBrinChain writes into the metapage that the chain of a block sequence has a new last page, its first when begins is
// set.
func setBrinChain(page bufpage.Page, sequence int32, block, logical uint32, begins bool) error {
	if sequence < 0 || sequence >= brinChains || page.Lower() != brinMetaEnd || len(page) < brinMetaEnd {
		return fmt.Errorf("no chain %d", sequence)
	}
	chain := page[brinMetaChains+brinChainSize*int(sequence):]
	if begins {
		binary.LittleEndian.PutUint32(chain, block)
	}
	binary.LittleEndian.PutUint32(chain[4:], block)
	binary.LittleEndian.PutUint32(chain[8:], logical)
	return nil
}
