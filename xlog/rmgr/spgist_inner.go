// SPDX-License-Identifier: Apache-2.0

package rmgr

// SPGistAddNode is spgxlogAddNode: an inner tuple got a node. Block 0 is its page, block 1 the page that it moved to,
// if it did, block 2 the parent's, if that changes and is another.
//
//	offnum u16, offnumNew u16, newPage u8, parentBlk i8, offnumParent u16, nodeI u16, pad 2, spgxlogState, inner tuple
type SPGistAddNode struct {
	Offset       uint16
	NewOffset    uint16 // on block 1; 0 when the tuple stays
	NewPage      bool   // block 1 is made anew
	ParentBlock  int8   // id of the parent's block reference; -1 when it does not change
	ParentOffset uint16
	Node         uint16 // the link in the parent
	State        SPGistState
	Inner        []byte
}

func (p *SPGistAddNode) decode(in *input) {
	*p = SPGistAddNode{Offset: in.u16(), NewOffset: in.u16(), NewPage: in.bool(), ParentBlock: int8(in.u8()),
		ParentOffset: in.u16(), Node: in.u16(), State: in.spgistState(), Inner: in.spgistInner()}
}

// Describe implements Payload.
func (p *SPGistAddNode) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.SPGistTextFull() {
		return appendUint(dst, "off ", p.Offset)
	}
	dst = appendUint(dst, "off: ", p.Offset)
	dst = appendUint(dst, ", newoff: ", p.NewOffset)
	dst = appendInt(dst, ", parentBlk: ", p.ParentBlock)
	dst = appendUint(dst, ", parentoff: ", p.ParentOffset)
	dst = appendUint(dst, ", nodeI: ", p.Node)
	return appendFlag(dst, p.NewPage, " (newpage)")
}

// SPGistSplitTuple is spgxlogSplitTuple: an inner tuple became two, one below the other. Block 0 is the page of the
// upper one, block 1 that of the lower one, if it is another.
//
//	offnumPrefix u16, offnumPostfix u16, newPage u8, postfixBlkSame u8, upper inner tuple, lower inner tuple
type SPGistSplitTuple struct {
	PrefixOffset  uint16
	PostfixOffset uint16
	NewPage       bool // block 1 is made anew
	SamePage      bool // both are on block 0
	Prefix        []byte
	Postfix       []byte
}

func (p *SPGistSplitTuple) decode(in *input) {
	*p = SPGistSplitTuple{PrefixOffset: in.u16(), PostfixOffset: in.u16(), NewPage: in.bool(), SamePage: in.bool(),
		Prefix: in.spgistInner(), Postfix: in.spgistInner()}
}

// Describe implements Payload.
func (p *SPGistSplitTuple) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.SPGistTextFull() {
		dst = appendUint(dst, "prefixoff: ", p.PrefixOffset)
		dst = appendUint(dst, ", postfixoff: ", p.PostfixOffset)
		dst = appendFlag(dst, p.NewPage, " (newpage)")
		return appendFlag(dst, p.SamePage, " (same)")
	}
	dst = appendUint(dst, "prefix off: ", p.PrefixOffset)
	dst = appendUint(dst, ", postfix off: ", p.PostfixOffset)
	dst = appendDigit(dst, " (same ", p.SamePage)
	return append(appendDigit(dst, ", new ", p.NewPage), ')')
}

// appendDigit appends the label and 0 or 1.
func appendDigit(dst []byte, label string, v bool) []byte {
	if v {
		return append(append(dst, label...), '1')
	}
	return append(append(dst, label...), '0')
}

// SPGistPickSplit is spgxlogPickSplit: leaf tuples got an inner tuple above them. Block 0 is the page where they were,
// block 1 a second page for them, block 2 that of the inner tuple, block 3 the parent's, if it is another.
//
//	isRootSplit u8, pad 1, nDelete u16, nInsert u16, initSrc u8, initDest u8, offnumInner u16, initInner u8,
//	storesNulls u8, innerIsParent u8, pad 1, offnumParent u16, nodeI u16, pad 2, spgxlogState, deleted u16 * nDelete,
//	inserted u16 * nInsert, page selector u8 * nInsert, inner tuple, leaf tuples * nInsert
type SPGistPickSplit struct {
	IsRootSplit   bool // the leaf page was the root: there is no block 0
	InitSource    bool // block 0 is made anew
	InitDest      bool // block 1 is
	InitInner     bool // block 2 is
	StoresNulls   bool // the pages are in the tree for nulls
	InnerIsParent bool // the parent is on block 2 too
	InnerOffset   uint16
	ParentOffset  uint16
	Node          uint16 // the link in the parent
	State         SPGistState
	Deleted       Uint16s
	Inserted      Uint16s
	InsertedDest  []byte // for each of Inserted: 0 for block 0, 1 for block 1
	Inner         []byte
	Leafs         SPGistLeafTuples
}

func (p *SPGistPickSplit) decode(in *input) {
	*p = SPGistPickSplit{IsRootSplit: in.bool()}
	in.align(2)
	deleted, inserted := in.u16(), in.u16()
	p.InitSource, p.InitDest, p.InnerOffset = in.bool(), in.bool(), in.u16()
	p.InitInner, p.StoresNulls, p.InnerIsParent = in.bool(), in.bool(), in.bool()
	in.align(2)
	p.ParentOffset, p.Node, p.State = in.u16(), in.u16(), in.spgistState()
	p.Deleted, p.Inserted = in.u16s(int64(deleted)), in.u16s(int64(inserted))
	p.InsertedDest = in.bytes(int(inserted))
	p.Inner = in.spgistInner()
	p.Leafs = in.spgistLeafs(int(inserted))
}

// Describe implements Payload.
func (p *SPGistPickSplit) Describe(dst []byte, pr *Printing) []byte {
	full := pr.Dialect.SPGistTextFull()
	if full {
		dst = appendInt(dst, "ndelete: ", p.Deleted.Len())
		dst = appendInt(dst, ", ninsert: ", p.Inserted.Len())
		dst = appendUint(dst, ", inneroff: ", p.InnerOffset)
		dst = appendUint(dst, ", parentoff: ", p.ParentOffset)
		dst = appendUint(dst, ", nodeI: ", p.Node)
	} else {
		dst = appendInt(appendInt(dst, "ndel ", p.Deleted.Len()), "; nins ", p.Inserted.Len())
	}
	dst = appendFlag(dst, p.InnerIsParent, " (innerIsParent)")
	dst = appendFlag(dst, full && p.StoresNulls, " (nulls)")
	return appendFlag(dst, p.IsRootSplit, " (isRootSplit)")
}
