// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Pages of GIN (src/include/access/ginblock.h). A page of a posting tree has no line pointers. Behind the header it has
// the right bound, an ItemPointerData padded to 8 bytes, then posting lists, on a leaf, or PostingItems; pd_lower is
// their end.

// Bits of the flags.
const (
	ginData            uint16 = 1 << 0 // GIN_DATA: of a posting tree
	ginLeaf            uint16 = 1 << 1 // GIN_LEAF
	ginDeleted         uint16 = 1 << 2 // GIN_DELETED
	ginMeta            uint16 = 1 << 3 // GIN_META
	ginList            uint16 = 1 << 4 // GIN_LIST: of the pending list
	ginListFullRow     uint16 = 1 << 5 // GIN_LIST_FULLROW
	ginIncompleteSplit uint16 = 1 << 6 // GIN_INCOMPLETE_SPLIT
	ginCompressed      uint16 = 1 << 7 // GIN_COMPRESSED: a leaf with posting lists
)

const (
	ginOpaqueSize      = 8
	ginDataStart       = bufpage.HeaderSize + 8 // GinDataPageGetData
	ginPostingItemSize = 10                     // of PostingItem: child block 4, key ItemPointerData
)

// ginOpaque is the special space of a page (GinPageOpaqueData).
//
//	rightlink u32, maxoff u16, flags u16
type ginOpaque []byte

func ginOpaqueOf(page bufpage.Page) (ginOpaque, error) {
	special := page.Special()
	if len(special) != ginOpaqueSize {
		return nil, errors.New("not a page of a GIN index")
	}
	return special, nil
}

func (o ginOpaque) setRightLink(block uint32) { binary.LittleEndian.PutUint32(o, block) }
func (o ginOpaque) maxOff() int               { return int(binary.LittleEndian.Uint16(o[4:])) }
func (o ginOpaque) setMaxOff(n int)           { binary.LittleEndian.PutUint16(o[4:], uint16(n)) }
func (o ginOpaque) flags() uint16             { return binary.LittleEndian.Uint16(o[6:]) }
func (o ginOpaque) setFlags(flags uint16)     { binary.LittleEndian.PutUint16(o[6:], flags) }
func (o ginOpaque) clearFlags(f uint16)       { o.setFlags(o.flags() &^ f) }

// ginInit makes an empty page (GinInitPage).
func ginInit(page bufpage.Page, flags uint16, layout uint8) ginOpaque {
	page.Init(ginOpaqueSize, layout)
	o := ginOpaque(page.Special())
	o.setRightLink(invalidBlock)
	o.setFlags(flags)
	return o
}

// ginDataArea is where a page of a posting tree has its lists or items.
func ginDataArea(page bufpage.Page) []byte { return page[ginDataStart : len(page)-ginOpaqueSize] }

// ginPostingItems gives the area of the items on an inner page of a posting tree, and their number.
func ginPostingItems(page bufpage.Page) (o ginOpaque, area []byte, n int, err error) {
	if o, err = ginOpaqueOf(page); err != nil {
		return nil, nil, 0, err
	}
	area, n = ginDataArea(page), o.maxOff()
	if o.flags()&ginData == 0 || o.flags()&ginLeaf != 0 || n*ginPostingItemSize > len(area) {
		return nil, nil, 0, errors.New("not an inner page of a posting tree")
	}
	return o, area, n, nil
}

// ginInsertPostingItem has the item at the record's offset point to the right page of a split, and adds the item of the
// left one before it (GinDataPageAddPostingItem).
func ginInsertPostingItem(page bufpage.Page, p *rmgr.GinInsert) error {
	o, area, n, err := ginPostingItems(page)
	if err != nil {
		return err
	}
	off := int(p.Offset)
	if off < 1 || off > n || (n+1)*ginPostingItemSize > len(area) {
		return fmt.Errorf("no room for posting item %d among %d", off, n)
	}
	at, end := (off-1)*ginPostingItemSize, n*ginPostingItemSize
	putBlockID(area[at:], p.RightChild)
	copy(area[at+ginPostingItemSize:], area[at:end])
	putBlockID(area[at:], p.Child)
	bufpage.TID{Block: p.Key.Block, Offset: p.Key.Offset}.Put(area[at+4:])
	o.setMaxOff(n + 1)
	page.SetLower(ginDataStart + end + ginPostingItemSize)
	return nil
}

// ginDeletePostingItem is GinPageDeletePostingItem.
func ginDeletePostingItem(page bufpage.Page, off int) error {
	o, area, n, err := ginPostingItems(page)
	if err != nil {
		return err
	}
	if off < 1 || off > n {
		return fmt.Errorf("no posting item %d of %d", off, n)
	}
	end := n * ginPostingItemSize
	copy(area[(off-1)*ginPostingItemSize:], area[off*ginPostingItemSize:end])
	o.setMaxOff(n - 1)
	page.SetLower(ginDataStart + end - ginPostingItemSize)
	return nil
}

// setGinLeaf gives a leaf of a posting tree its lists. What was behind them stays.
func setGinLeaf(page bufpage.Page, lists []byte) error {
	area := ginDataArea(page)
	if len(lists) > len(area) {
		return fmt.Errorf("%d bytes of posting lists are too many for a page", len(lists))
	}
	copy(area, lists)
	page.SetLower(ginDataStart + len(lists))
	return nil
}

// putBlockID writes a BlockIdData, 4 bytes: the upper half of the number comes first.
func putBlockID(b []byte, block uint32) {
	binary.LittleEndian.PutUint16(b, uint16(block>>16))
	binary.LittleEndian.PutUint16(b[2:], uint16(block))
}
