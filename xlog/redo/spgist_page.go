// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Pages and tuples of SP-GiST (src/include/access/spgist_private.h). Every tuple begins with a word whose lower 2 bits
// are its state.

// Bits of the flags of a page.
const (
	spgistLeafPage uint16 = 1 << 2 // SPGIST_LEAF
	spgistNulls    uint16 = 1 << 3 // SPGIST_NULLS: in the tree for nulls
)

// States of a tuple.
const (
	spgistRedirect    uint32 = 1 // SPGIST_REDIRECT
	spgistDead        uint32 = 2 // SPGIST_DEAD
	spgistPlaceholder uint32 = 3 // SPGIST_PLACEHOLDER
)

const (
	spgistOpaqueSize  = 8
	spgistPageID      = 0xFF82 // SPGIST_PAGE_ID
	spgistDeadSize    = 16     // SGDTSIZE
	spgistInnerHeader = 8      // SGITHDRSZ
	spgistNextMask    = 0x3FFF // of the link to the next leaf tuple; two bits of its word are flags from 14 on
)

// spgistOpaque is the special space of a page (SpGistPageOpaqueData).
//
//	flags u16, nRedirection u16, nPlaceholder u16, spgist_page_id u16
type spgistOpaque []byte

func spgistOpaqueOf(page bufpage.Page) (spgistOpaque, error) {
	special := page.Special()
	if len(special) != spgistOpaqueSize {
		return nil, errors.New("not a page of an SP-GiST index")
	}
	return special, nil
}

func (o spgistOpaque) addRedirections(n int) { spgistCount(o[2:], n) }
func (o spgistOpaque) addPlaceholders(n int) { spgistCount(o[4:], n) }
func spgistCount(field []byte, n int) {
	le := binary.LittleEndian
	le.PutUint16(field, le.Uint16(field)+uint16(n))
}
func spgistState(tuple []byte) uint32         { return binary.LittleEndian.Uint32(tuple) & 3 }
func setSPGistNext(tuple []byte, next uint16) { spgistSetBits(tuple[4:], next, spgistNextMask) }

func spgistSetBits(field []byte, v, mask uint16) {
	binary.LittleEndian.PutUint16(field, binary.LittleEndian.Uint16(field)&^mask|v&mask)
}

// spgistInit makes an empty page (SpGistInitPage).
func spgistInit(page bufpage.Page, flags uint16, layout uint8) {
	page.Init(spgistOpaqueSize, layout)
	o := page.Special()
	binary.LittleEndian.PutUint16(o, flags)
	binary.LittleEndian.PutUint16(o[6:], spgistPageID)
}

// spgistLeafFlags are the flags of a new leaf page.
func spgistLeafFlags(nulls bool) uint16 {
	if nulls {
		return spgistLeafPage | spgistNulls
	}
	return spgistLeafPage
}

// spgistTuple is a tuple with all of its header that redo looks at.
func spgistTuple(page bufpage.Page, off int) ([]byte, error) {
	item := page.Item(off)
	if len(item) < spgistDeadSize {
		return nil, fmt.Errorf("no tuple %d", off)
	}
	return item, nil
}

// spgistAdd adds a tuple, in the place of a placeholder if there is something (addOrReplaceTuple in
// src/backend/access/spgist/spgxlog.c).
func spgistAdd(page bufpage.Page, tuple []byte, off uint16) error {
	if int(off) > page.MaxOffset() {
		return spgistPut(page, tuple, off)
	}
	o, err := spgistOpaqueOf(page)
	if err != nil {
		return err
	}
	old, err := spgistTuple(page, int(off))
	if err != nil {
		return err
	}
	if spgistState(old) != spgistPlaceholder {
		return fmt.Errorf("tuple %d, to be replaced, is not a placeholder", off)
	}
	o.addPlaceholders(-1)
	return spgistReplace(page, tuple, off)
}

// spgistReplace puts a tuple in the place of another.
func spgistReplace(page bufpage.Page, tuple []byte, off uint16) error {
	if err := page.IndexDelete(int(off)); err != nil {
		return err
	}
	return spgistPut(page, tuple, off)
}

// spgistPut adds a tuple where there is none.
func spgistPut(page bufpage.Page, tuple []byte, off uint16) error {
	if off == 0 {
		return fmt.Errorf("%w: no offset", bufpage.ErrItem)
	}
	_, err := page.AddItem(tuple, int(off), false, false)
	return err
}

// spgistDeadTuple makes a tuple that stands for one that is gone (spgFormDeadTuple). A redirection says where to.
//
//	tupstate and size u32, t_info u16, pointer ItemPointerData, xid u32
func spgistDeadTuple(state, block uint32, off uint16, xid uint32) (t [spgistDeadSize]byte) {
	binary.LittleEndian.PutUint32(t[:], state|spgistDeadSize<<2)
	if state != spgistRedirect {
		block, off, xid = invalidBlock, 0, 0
	}
	bufpage.TID{Block: block, Offset: off}.Put(t[6:])
	binary.LittleEndian.PutUint32(t[12:], xid)
	return t
}

// spgistGone says what takes the place of removed tuples: the first of them becomes first, the others rest. A
// redirection leads to block and off.
type spgistGone struct {
	first, rest uint32
	block       uint32
	off         uint16
	xid         uint32
}

// spgistDelete puts dead tuples in the place of tuples (spgPageIndexMultiDelete).
func (r *Redo) spgistDelete(page bufpage.Page, items rmgr.Uint16s, gone spgistGone) error {
	if items.Len() == 0 {
		return nil
	}
	o, err := spgistOpaqueOf(page)
	if err != nil {
		return err
	}
	offs := r.scratch.offsets(items)
	slices.Sort(offs)
	if err := page.IndexMultiDelete(r.dialect, offs); err != nil {
		return err
	}
	for _, off := range offs {
		state := gone.rest
		if off == items.At(0) {
			state = gone.first
		}
		t := spgistDeadTuple(state, gone.block, gone.off, gone.xid)
		if err := spgistPut(page, t[:], off); err != nil {
			return err
		}
		o.countDead(state)
	}
	return nil
}

// countDead counts a new dead tuple.
func (o spgistOpaque) countDead(state uint32) {
	switch state {
	case spgistRedirect:
		o.addRedirections(1)
	case spgistPlaceholder:
		o.addPlaceholders(1)
	}
}

// spgistLink sets the link of node number node of an inner tuple (spgUpdateNodeLink). The nodes, IndexTuples, lie behind
// the prefix.
//
//	tupstate : 2, allTheSame : 1, nNodes : 13, prefixSize : 16, size u16, pad 2, prefix, nodes
func spgistLink(page bufpage.Page, tuple, node uint16, block uint32, off uint16) error {
	item := page.Item(int(tuple))
	if len(item) < spgistInnerHeader {
		return fmt.Errorf("no inner tuple %d", tuple)
	}
	head := binary.LittleEndian.Uint32(item)
	nodes, at := uint16(head>>3&0x1FFF), spgistInnerHeader+int(head>>16)
	for i := uint16(0); i < nodes && at+indexTupleHeader <= len(item); i++ {
		if i == node {
			bufpage.TID{Block: block, Offset: off}.Put(item[at:])
			return nil
		}
		at += int(binary.LittleEndian.Uint16(item[at+6:]) & 0x1FFF)
	}
	return fmt.Errorf("no node %d in inner tuple %d", node, tuple)
}
