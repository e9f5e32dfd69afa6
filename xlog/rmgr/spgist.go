// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Records of SP-GiST (src/include/access/spgxlog.h, src/backend/access/rmgrdesc/spgdesc.c).
func spgistOps(*xlog.Dialect) []op {
	return []op{
		{0x10, "ADD_LEAF", func() Payload { return new(SPGistAddLeaf) }},
		{0x20, "MOVE_LEAFS", func() Payload { return new(SPGistMoveLeafs) }},
		{0x30, "ADD_NODE", func() Payload { return new(SPGistAddNode) }},
		{0x40, "SPLIT_TUPLE", func() Payload { return new(SPGistSplitTuple) }},
		{0x50, "PICKSPLIT", func() Payload { return new(SPGistPickSplit) }},
		{0x60, "VACUUM_LEAF", func() Payload { return new(SPGistVacuumLeaf) }},
		{0x70, "VACUUM_ROOT", func() Payload { return new(SPGistVacuumRoot) }},
		{0x80, "VACUUM_REDIRECT", func() Payload { return new(SPGistVacuumRedirect) }},
	}
}

// SPGistState is spgxlogState: what redo needs for tuples that it puts in the place of removed ones.
//
//	redirectXid (myXid up to 16) u32, isBuild u8, pad 3
type SPGistState struct {
	RedirectXid uint32
	IsBuild     bool
}

func (in *input) spgistState() (s SPGistState) {
	in.align(4)
	s.RedirectXid, s.IsBuild = in.u32(), in.bool()
	in.align(4)
	return s
}

// SPGistLeafTuples is a number of leaf tuples one behind another.
type SPGistLeafTuples []byte

const (
	spgistLeafHeader  = 12 // SpGistLeafTupleData: tupstate and size u32, nextOffset u16, heapPtr 6
	spgistInnerHeader = 6  // SpGistInnerTupleData: tupstate, allTheSame, nNodes and prefixSize u32, size u16
)

// Next cuts the first tuple off. There must be one.
func (t SPGistLeafTuples) Next() (tuple []byte, rest SPGistLeafTuples) {
	n := spgistLeafSize(t)
	return t[:n:n], t[n:]
}

// spgistLeafSize is the upper 30 bits of the first word.
func spgistLeafSize(tuple []byte) int { return int(binary.LittleEndian.Uint32(tuple) >> 2) }

// spgistLeaf reads a leaf tuple.
func (in *input) spgistLeaf() []byte {
	if in.left() < spgistLeafHeader {
		return in.bytes(spgistLeafHeader)
	}
	n := spgistLeafSize(in.main[in.off:])
	if n < spgistLeafHeader {
		in.fail("leaf tuple without header")
		return nil
	}
	return in.bytes(n)
}

// spgistLeafs reads n leaf tuples.
func (in *input) spgistLeafs(n int) SPGistLeafTuples {
	start := in.off
	for ; n > 0 && in.err == ""; n-- {
		in.spgistLeaf()
	}
	if in.err != "" {
		return nil
	}
	return in.main[start:in.off]
}

// spgistInner reads an inner tuple.
func (in *input) spgistInner() []byte {
	if in.left() < spgistInnerHeader {
		return in.bytes(spgistInnerHeader)
	}
	n := int(binary.LittleEndian.Uint16(in.main[in.off+4:]))
	if n < spgistInnerHeader {
		in.fail("inner tuple without header")
		return nil
	}
	return in.bytes(n)
}

// SPGistAddLeaf is spgxlogAddLeaf: a leaf tuple was added. Block 0 is its page, block 1 the parent's, whose link
// changes.
//
//	newPage u8, storesNulls u8, offnumLeaf u16, offnumHeadLeaf u16, offnumParent u16, nodeI u16, leaf tuple
type SPGistAddLeaf struct {
	NewPage      bool // the page is made anew
	StoresNulls  bool // it is in the tree for nulls
	Offset       uint16
	HeadOffset   uint16 // first tuple of the chain, 0 for none
	ParentOffset uint16 // 0 for no change of a parent
	Node         uint16 // the link in the parent
	Leaf         []byte
}

func (p *SPGistAddLeaf) decode(in *input) {
	*p = SPGistAddLeaf{NewPage: in.bool(), StoresNulls: in.bool(), Offset: in.u16(), HeadOffset: in.u16(),
		ParentOffset: in.u16(), Node: in.u16(), Leaf: in.spgistLeaf()}
}

// Describe implements Payload.
func (p *SPGistAddLeaf) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.SPGistTextFull() {
		dst = appendUint(dst, "off: ", p.Offset)
		dst = appendUint(dst, ", headoff: ", p.HeadOffset)
		dst = appendUint(dst, ", parentoff: ", p.ParentOffset)
		dst = appendUint(dst, ", nodeI: ", p.Node)
	} else {
		dst = appendUint(dst, "add leaf to page; off ", p.Offset)
		dst = appendUint(dst, "; headoff ", p.HeadOffset)
		dst = appendUint(dst, "; parentoff ", p.ParentOffset)
	}
	dst = appendFlag(dst, p.NewPage, " (newpage)")
	return appendFlag(dst, p.StoresNulls, " (nulls)")
}

// SPGistMoveLeafs is spgxlogMoveLeafs: a chain of leaf tuples, with a new one, moved to another page. Block 0 is the
// page that they left, block 1 the one that they went to, block 2 the parent's.
//
//	nMoves u16, newPage u8, replaceDead u8, storesNulls u8, pad 1, offnumParent u16, nodeI u16, pad 2, spgxlogState,
//	deleted u16 * nMoves, inserted u16 * n, leaf tuples * n, where n is 1 with replaceDead and nMoves+1 otherwise
type SPGistMoveLeafs struct {
	NewPage      bool // block 1 is made anew
	ReplaceDead  bool // the chain was a dead tuple, which does not move
	StoresNulls  bool // the pages are in the tree for nulls
	ParentOffset uint16
	Node         uint16 // the link in the parent
	State        SPGistState
	Deleted      Uint16s
	Inserted     Uint16s // offsets on the new page
	Leafs        SPGistLeafTuples
}

func (p *SPGistMoveLeafs) decode(in *input) {
	moves := in.u16()
	*p = SPGistMoveLeafs{NewPage: in.bool(), ReplaceDead: in.bool(), StoresNulls: in.bool()}
	in.align(2)
	p.ParentOffset, p.Node, p.State = in.u16(), in.u16(), in.spgistState()
	inserted := int(moves) + 1
	if p.ReplaceDead {
		inserted = 1
	}
	p.Deleted, p.Inserted = in.u16s(int64(moves)), in.u16s(int64(inserted))
	p.Leafs = in.spgistLeafs(inserted)
}

// Describe implements Payload.
func (p *SPGistMoveLeafs) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.SPGistTextFull() {
		return append(appendInt(dst, "", p.Deleted.Len()), " leafs"...)
	}
	dst = appendInt(dst, "nmoves: ", p.Deleted.Len())
	dst = appendUint(dst, ", parentoff: ", p.ParentOffset)
	dst = appendUint(dst, ", nodeI: ", p.Node)
	dst = appendFlag(dst, p.NewPage, " (newpage)")
	dst = appendFlag(dst, p.ReplaceDead, " (replacedead)")
	return appendFlag(dst, p.StoresNulls, " (nulls)")
}
