// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Bitmap, Greenplum's bitmap indexes (src/include/access/bitmap_xlog.h,
// src/backend/access/rmgrdesc/bitmapdesc.c). A LOV page is a list of values, with a bitmap vector for each; the
// vector's words are on bitmap pages, its last two in the LOV item.
func bitmapOps(*xlog.Dialect) []op {
	return []op{
		{0x20, "BITMAP_INSERT_LOVITEM", func() Payload { return new(BitmapInsertLOVItem) }},
		{0x30, "BITMAP_INSERT_META", func() Payload { return new(BitmapInsertMeta) }},
		{0x40, "BITMAP_INSERT_BITMAP_LASTWORDS", func() Payload { return new(BitmapInsertLastWords) }},
		{0x50, "BITMAP_INSERT_WORDS", func() Payload { return new(BitmapInsertWords) }},
		{0x70, "BITMAP_UPDATEWORD", func() Payload { return new(BitmapUpdateWord) }},
		{0x80, "BITMAP_UPDATEWORDS", func() Payload { return new(BitmapUpdateWords) }},
	}
}

// bitmapText is the short description, which names the relation only.
func bitmapText(dst []byte, label string, rel xlog.RelFileLocator) []byte {
	return appendRelation(append(dst, label...), ": rel ", rel)
}

// appendBool is %s of "true" or "false".
func appendBool(dst []byte, label string, v bool) []byte {
	if v {
		return append(append(dst, label...), "true"...)
	}
	return append(append(dst, label...), "false"...)
}

// appendBlock is %d of a BlockNumber: the invalid one is -1.
func appendBlock(dst []byte, label string, block uint32) []byte {
	return appendInt(dst, label, int32(block))
}

// BitmapLOVItem is BMLOVItemData, a value in a bitmap index.
//
//	lov_head u32, lov_tail u32, last_compword u64, last_word u64, last_tid_location u64, last_setbit u64,
//	lov_words_header u8, pad 7
type BitmapLOVItem struct {
	Head, Tail      uint32 // first and last bitmap page
	LastCompWord    uint64 // last complete word
	LastWord        uint64
	LastTidLocation uint64 // of the last bit in LastCompWord
	LastSetBit      uint64 // tid location of the last bit that is set
	WordsHeader     uint8  // which are fill words: 1 LastWord, 2 LastCompWord
}

const bitmapLOVSize = 48

func (in *input) bitmapLOVItem() BitmapLOVItem {
	in.align(8)
	item := BitmapLOVItem{Head: in.u32(), Tail: in.u32(), LastCompWord: in.u64(), LastWord: in.u64(),
		LastTidLocation: in.u64(), LastSetBit: in.u64(), WordsHeader: in.u8()}
	in.skip(7)
	return item
}

// BitmapInsertLOVItem is xl_bm_lovitem: a value came to a LOV page, block 0. Block 1 is the metapage, when the page is
// new.
//
//	relation, fork i32, lov_blkno u32, lov_offset u16, pad to 8, item, is_new_lov_blkno u8, pad 7
type BitmapInsertLOVItem struct {
	Relation xlog.RelFileLocator
	Fork     int32
	Block    uint32 // the LOV page
	Offset   uint16
	Item     BitmapLOVItem
	Raw      []byte // Item as it stands in the page
	NewPage  bool
}

func (p *BitmapInsertLOVItem) decode(in *input) {
	*p = BitmapInsertLOVItem{Relation: in.relation(), Fork: in.i32(), Block: in.u32(), Offset: in.u16()}
	in.align(8)
	raw := *in
	p.Item, p.NewPage = in.bitmapLOVItem(), in.bool()
	p.Raw = raw.bytes(bitmapLOVSize)
}

// Describe implements Payload.
func (p *BitmapInsertLOVItem) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.BitmapTextFull() {
		return bitmapText(dst, "insert a new LOV item", p.Relation)
	}
	dst = appendBlock(dst, "bm_lov_blkno ", p.Block)
	dst = appendUint(dst, ", bm_lov_offset ", p.Offset)
	dst = appendBlock(dst, ", bm_lovItem: {bm_lov_head ", p.Item.Head)
	dst = appendBlock(dst, ", bm_lov_tail ", p.Item.Tail)
	dst = appendUint(dst, ", bm_last_compword ", p.Item.LastCompWord)
	dst = appendUint(dst, ", bm_last_word ", p.Item.LastWord)
	dst = appendUint(dst, ", bm_last_tid_location ", p.Item.LastTidLocation)
	dst = appendUint(dst, ", bm_last_setbit ", p.Item.LastSetBit)
	dst = appendUint(dst, ", lov_words_header ", p.Item.WordsHeader)
	dst = appendBool(dst, "}, bm_is_new_lov_blkno ", p.NewPage)
	return appendRelation(dst, ", rel ", p.Relation)
}

// BitmapInsertMeta is xl_bm_metapage: the metapage of an index was written. The record has no block reference.
//
//	relation, fork i32, lov_heapId u32, lov_indexId u32, lov_lastpage u32, padded to 8
type BitmapInsertMeta struct {
	Relation    xlog.RelFileLocator
	Fork        int32
	LOVHeap     uint32 // object ids of the table of values and its index
	LOVIndex    uint32
	LOVLastPage uint32
}

func (p *BitmapInsertMeta) decode(in *input) {
	*p = BitmapInsertMeta{Relation: in.relation(), Fork: in.i32(), LOVHeap: in.u32(), LOVIndex: in.u32(),
		LOVLastPage: in.u32()}
}

// Describe implements Payload.
func (p *BitmapInsertMeta) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.BitmapTextFull() {
		return bitmapText(dst, "update the metapage", p.Relation)
	}
	dst = appendUint(dst, "bm_lov_heapId ", p.LOVHeap)
	dst = appendUint(dst, ", bm_lov_indexId ", p.LOVIndex)
	dst = appendBlock(dst, ", bm_lov_lastpage ", p.LOVLastPage)
	return appendRelation(dst, ", rel ", p.Relation)
}

// BitmapInsertLastWords is xl_bm_bitmap_lastwords: the last two words of a vector changed, in the LOV page, block 0.
//
//	relation, pad to 8, last_compword u64, last_word u64, lov_words_header u8, pad 7, last_setbit u64,
//	last_tid_location u64, lov_blkno u32, lov_offset u16, pad 2
type BitmapInsertLastWords struct {
	Relation xlog.RelFileLocator
	Item     BitmapLOVItem // but for Head and Tail
	Block    uint32        // the LOV page
	Offset   uint16
}

func (p *BitmapInsertLastWords) decode(in *input) {
	*p = BitmapInsertLastWords{Relation: in.relation()}
	in.align(8)
	p.Item = BitmapLOVItem{LastCompWord: in.u64(), LastWord: in.u64(), WordsHeader: in.u8()}
	in.align(8)
	p.Item.LastSetBit, p.Item.LastTidLocation = in.u64(), in.u64()
	p.Block, p.Offset = in.u32(), in.u16()
}

// Describe implements Payload.
func (p *BitmapInsertLastWords) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.BitmapTextFull() {
		return bitmapText(dst, "update the last two words in a bitmap", p.Relation)
	}
	dst = appendUint(dst, "bm_last_compword ", p.Item.LastCompWord)
	dst = appendUint(dst, ", bm_last_word ", p.Item.LastWord)
	dst = appendUint(dst, ", lov_words_header ", p.Item.WordsHeader)
	dst = appendUint(dst, ", bm_last_setbit ", p.Item.LastSetBit)
	dst = appendUint(dst, ", bm_last_tid_location ", p.Item.LastTidLocation)
	dst = appendBlock(dst, ", bm_lov_blkno ", p.Block)
	dst = appendUint(dst, ", bm_lov_offset ", p.Offset)
	return appendRelation(dst, ", rel ", p.Relation)
}
