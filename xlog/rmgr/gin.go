// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of GIN (src/include/access/ginxlog.h, src/backend/access/rmgrdesc/gindesc.c).
func ginOps(*xlog.Dialect) []op {
	return []op{
		{0x10, "CREATE_PTREE", func() Payload { return new(GinCreatePostingTree) }},
		{0x20, "INSERT", func() Payload { return new(GinInsert) }},
		{0x30, "SPLIT", func() Payload { return new(GinSplit) }},
		{0x40, "VACUUM_PAGE", func() Payload { return new(GinVacuumPage) }},
		{0x50, "DELETE_PAGE", func() Payload { return new(GinDeletePage) }},
		{0x60, "UPDATE_META_PAGE", func() Payload { return new(GinUpdateMeta) }},
		{0x70, "INSERT_LISTPAGE", func() Payload { return new(GinInsertListPage) }},
		{0x80, "DELETE_LISTPAGE", func() Payload { return new(GinDeleteListPages) }},
		{0x90, "VACUUM_DATA_LEAF_PAGE", func() Payload { return new(GinVacuumDataLeafPage) }},
	}
}

// GinCreatePostingTree is ginxlogCreatePostingTree: a posting tree begins. Block 0 is its root, a leaf so far.
//
//	size u32, segments
type GinCreatePostingTree struct {
	noText
	Segments GinPostings
}

func (p *GinCreatePostingTree) decode(in *input) {
	p.Segments = GinPostings(in.array(int64(in.u32()), 1))
	in.checkPostings(p.Segments)
}

// Bits of GinInsert.Flags and GinSplit.Flags.
const (
	GinInsertIsData uint16 = 0x01 // GIN_INSERT_ISDATA: in a posting tree, not the entry tree
	GinInsertIsLeaf uint16 = 0x02 // GIN_INSERT_ISLEAF
	GinSplitRoot    uint16 = 0x04 // GIN_SPLIT_ROOT
)

// GinInsert is ginxlogInsert: something was added to a page, block 0. Block 1, unless the page is a leaf, is the left
// of two pages whose split this completes.
//
//	flags u16 [, left child, right child, each a BlockIdData, unless GIN_INSERT_ISLEAF]
//	block 0, an entry: offset u16, isDelete u8, pad 1, tuple
//	block 0, a posting tree's inner page: offset u16, child BlockIdData, key ItemPointerData
//	block 0, a posting tree's leaf: see GinRecompress
type GinInsert struct {
	Flags                 uint16
	LeftChild, RightChild uint32
	HasData               bool // what follows is there; otherwise the page's image shows it

	Offset     uint16 // of an entry, or on an inner page
	IsDelete   bool   // the entry at Offset goes first
	Tuple      []byte // the entry
	Child      uint32 // the posting item for an inner page
	Key        ItemPointer
	Recompress GinRecompress // for a leaf

	page *xlog.BlockRef
}

func (p *GinInsert) decode(in *input) {
	*p = GinInsert{Flags: in.u16(), page: in.body.Block(0)}
	if p.Flags&GinInsertIsLeaf == 0 {
		p.LeftChild, p.RightChild = in.blockID(), in.blockID()
	}
	data := in.block(0)
	if p.HasData = data.left() > 0; p.HasData {
		p.decodeData(&data)
		in.check(&data)
	}
}

func (p *GinInsert) decodeData(data *input) {
	switch {
	case p.Flags&GinInsertIsData == 0:
		p.Offset, p.IsDelete = data.u16(), data.bool()
		data.align(2)
		p.Tuple = data.indexTuple()
	case p.Flags&GinInsertIsLeaf != 0:
		p.Recompress = data.ginRecompress()
	default:
		p.Offset, p.Child, p.Key = data.u16(), data.blockID(), data.itemPointer()
	}
}

// Describe implements Payload.
func (p *GinInsert) Describe(dst []byte, _ *Printing) []byte {
	dst = appendTrue(dst, "isdata: ", p.Flags&GinInsertIsData != 0)
	dst = appendTrue(dst, " isleaf: ", p.Flags&GinInsertIsLeaf != 0)
	if p.Flags&GinInsertIsLeaf == 0 {
		dst = appendUint(appendUint(dst, " children: ", p.LeftChild), "/", p.RightChild)
	}
	switch {
	case p.page != nil && p.page.HasImage():
		return appendImageNote(dst, p.page)
	case p.Flags&GinInsertIsData == 0:
		return appendTrue(dst, " isdelete: ", p.IsDelete)
	case p.Flags&GinInsertIsLeaf != 0:
		return p.Recompress.describe(dst)
	}
	dst = appendUint(appendUint(dst, " pitem: ", p.Child), "-", p.Key.Block)
	return appendUint(dst, "/", p.Key.Offset)
}

// appendImageNote says that a page's image takes the place of details.
func appendImageNote(dst []byte, page *xlog.BlockRef) []byte {
	dst = append(dst, " (full page image"...)
	return append(appendFlag(dst, !page.Image.Apply, ", for WAL verification"), ')')
}

// GinSplit is ginxlogSplit: a page was split. Blocks 0 and 1 are the left and right page, block 2 the root, if that was
// split, all with their images; block 3, unless they are leaves, the left of two pages whose split this completes.
//
//	relation, rrlink u32, leftChildBlkno u32, rightChildBlkno u32, flags u16, pad 2
type GinSplit struct {
	Relation              xlog.RelFileLocator
	RightLink             uint32 // of the right page; the root's number, if that was split
	LeftChild, RightChild uint32 // unless the pages are leaves
	Flags                 uint16
}

func (p *GinSplit) decode(in *input) {
	p.Relation, p.RightLink = in.relation(), in.u32()
	p.LeftChild, p.RightChild, p.Flags = in.u32(), in.u32(), in.u16()
	in.align(4)
}

// Describe implements Payload.
func (p *GinSplit) Describe(dst []byte, _ *Printing) []byte {
	dst = appendTrue(dst, "isrootsplit: ", p.Flags&GinSplitRoot != 0)
	dst = appendTrue(dst, " isdata: ", p.Flags&GinInsertIsData != 0)
	return appendTrue(dst, " isleaf: ", p.Flags&GinInsertIsLeaf != 0)
}

// GinVacuumPage is the record VACUUM_PAGE: vacuum changed a leaf of the entry tree, block 0, whose image is here.
type GinVacuumPage struct {
	noData
	noText
}

// GinVacuumDataLeafPage is ginxlogVacuumDataLeafPage: vacuum changed a leaf of a posting tree, block 0.
//
//	block 0: see GinRecompress
type GinVacuumDataLeafPage struct {
	HasData    bool // Recompress is there; otherwise the page's image shows it
	Recompress GinRecompress

	page *xlog.BlockRef
}

func (p *GinVacuumDataLeafPage) decode(in *input) {
	*p = GinVacuumDataLeafPage{page: in.body.Block(0)}
	data := in.block(0)
	if p.HasData = data.left() > 0; p.HasData {
		p.Recompress = data.ginRecompress()
		in.check(&data)
	}
}

// Describe implements Payload.
func (p *GinVacuumDataLeafPage) Describe(dst []byte, _ *Printing) []byte {
	if p.page != nil && p.page.HasImage() {
		return appendImageNote(dst, p.page)
	}
	return p.Recompress.describe(dst)
}

// GinDeletePage is ginxlogDeletePage: an empty page of a posting tree, block 0, was deleted, with its item in its
// parent, block 1. Block 2 is the page to its left.
//
//	parentOffset u16, pad 2, rightLink u32, deleteXid u32
type GinDeletePage struct {
	noText
	ParentOffset uint16
	RightLink    uint32 // of the page to the left now
	Xid          uint32 // newest that could still come to the page
}

func (p *GinDeletePage) decode(in *input) {
	p.ParentOffset = in.u16()
	in.align(4)
	p.RightLink, p.Xid = in.u32(), in.u32()
}
