// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Btree (src/include/access/nbtxlog.h, src/backend/access/rmgrdesc/nbtdesc.c).
func btreeOps(d *xlog.Dialect) []op {
	ops := []op{
		{0x00, "INSERT_LEAF", func() Payload { return &BtreeInsert{Leaf: true} }},
		{0x10, "INSERT_UPPER", func() Payload { return new(BtreeInsert) }},
		{0x20, "INSERT_META", func() Payload { return &BtreeInsert{HasMeta: true} }},
		{0x30, "SPLIT_L", func() Payload { return &BtreeSplit{NewItemLeft: true} }},
		{0x40, "SPLIT_R", func() Payload { return new(BtreeSplit) }},
		{0x70, "DELETE", func() Payload { return new(BtreeDelete) }},
		{0x80, "UNLINK_PAGE", func() Payload { return new(BtreeUnlinkPage) }},
		{0x90, "UNLINK_PAGE_META", func() Payload { return &BtreeUnlinkPage{HasMeta: true} }},
		{0xA0, "NEWROOT", func() Payload { return new(BtreeNewRoot) }},
		{0xB0, "MARK_PAGE_HALFDEAD", func() Payload { return new(BtreeMarkPageHalfDead) }},
		{0xC0, "VACUUM", func() Payload { return new(BtreeVacuum) }},
		{0xD0, "REUSE_PAGE", func() Payload { return new(BtreeReusePage) }},
		{0xE0, "META_CLEANUP", func() Payload { return new(BtreeMetaCleanup) }},
	}
	if d.BtreePostings() {
		ops = append(ops, op{0x50, "INSERT_POST", func() Payload { return &BtreeInsert{Post: true} }},
			op{0x60, "DEDUP", func() Payload { return new(BtreeDedup) }})
	}
	return ops
}

// BtreeMetadata is xl_btree_metadata: what the metapage of an index gets.
//
//	version u32, root u32, level u32, fastroot u32, fastlevel u32, then
//	oldest_btpo_xact u32, last_cleanup_num_heap_tuples f64 [, allequalimage u8 in 13]    up to 13
//	last_cleanup_num_delpages u32, allequalimage u8                                      from 14 on
type BtreeMetadata struct {
	Version             uint32
	Root, Level         uint32
	FastRoot, FastLevel uint32
	OldestXid           uint32  // up to 13
	CleanupHeapTuples   float64 // up to 13
	CleanupDeletedPages uint32  // from 14 on
	AllEqualImage       bool    // from 13 on
}

// btreeMetadata reads the data of a block reference to the metapage.
func (in *input) btreeMetadata(block uint8) (m BtreeMetadata) {
	data := in.block(block)
	m.Version, m.Root, m.Level, m.FastRoot, m.FastLevel = data.u32(), data.u32(), data.u32(), data.u32(), data.u32()
	if in.BtreeFullXids() {
		m.CleanupDeletedPages = data.u32()
	} else {
		m.OldestXid, m.CleanupHeapTuples = data.u32(), data.f64()
	}
	if in.BtreePostings() {
		m.AllEqualImage = data.bool()
	}
	in.check(&data)
	return m
}

// BtreeInsert is xl_btree_insert: an index tuple was added. Block 0 is its page; block 1, unless the page is a leaf,
// the child whose split it completes; block 2 the metapage for INSERT_META.
//
//	offnum u16
//	block 0: [postingoff u16 for INSERT_POST] tuple
//	block 2: BtreeMetadata
type BtreeInsert struct {
	Offset  uint16
	Leaf    bool
	Post    bool // a posting list at Offset-1 is split
	HasMeta bool
	HasData bool   // the tuple is there; otherwise the page's image shows it
	Posting uint16 // where in the posting list the tuple belongs, with Post
	Tuple   []byte
	Meta    BtreeMetadata

	page *xlog.BlockRef
}

func (p *BtreeInsert) decode(in *input) {
	*p = BtreeInsert{Offset: in.u16(), Leaf: p.Leaf, Post: p.Post, HasMeta: p.HasMeta, page: in.body.Block(0)}
	data := in.block(0)
	if p.HasData = data.left() > 0; p.HasData {
		if p.Post {
			p.Posting = data.u16()
		}
		p.Tuple = data.indexTuple()
		in.check(&data)
	}
	if p.HasMeta {
		p.Meta = in.btreeMetadata(2)
	}
}

// Describe implements Payload.
func (p *BtreeInsert) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.BtreeTextFull() {
		return appendUint(dst, "off: ", p.Offset)
	}
	dst = appendUint(dst, "off ", p.Offset)
	if pr.Dialect.BtreeTextItems() && p.page != nil {
		return p.describeItem(dst)
	}
	return dst
}

// describeItem is what Greenplum adds.
func (p *BtreeInsert) describeItem(dst []byte) []byte {
	switch {
	case p.page.HasImage() && p.Leaf:
		return appendUint(dst, "; page ", p.page.Block)
	case !p.page.HasImage():
		dst = appendInt(dst, "; add length ", len(p.page.Data))
		dst = appendUint(dst, " item at offset ", p.Offset)
		dst = appendUint(dst, " in page ", p.page.Block)
	}
	if p.HasMeta {
		dst = appendUint(dst, "; restore metadata page 0 (root page value ", p.Meta.Root)
		dst = appendInt(dst, ", level ", int32(p.Meta.Level))
		dst = appendUint(dst, ", fastroot page value ", p.Meta.FastRoot)
		dst = append(appendInt(dst, ", fastlevel ", int32(p.Meta.FastLevel)), ')')
	}
	return dst
}

// BtreeSplit is xl_btree_split: a page was split in two. Block 0 is the page, block 1 the new one to its right, block 2
// the one that was to its right, block 3, unless the page is a leaf, the child whose split the new item completes.
//
//	level u32, firstrightoff u16, newitemoff u16 [, postingoff u16 from 13 on]
//	block 0: [new item, when it goes to the left or a posting list is split] high key of the left page
//	block 1: all tuples of the right page, the last one first
type BtreeSplit struct {
	Level         uint32
	FirstRight    uint16 // first offset, on the page before the split, that moves to the right
	NewItemOffset uint16
	NewItemLeft   bool
	Posting       uint16 // where in the posting list at NewItemOffset-1 the new item belongs; 0 for nowhere
	HasData       bool   // NewItem and HighKey are there; otherwise the page's image shows the left page
	NewItem       []byte // nil when the left page does not need it
	HighKey       []byte
	Right         IndexTuples
}

func (p *BtreeSplit) decode(in *input) {
	*p = BtreeSplit{Level: in.u32(), FirstRight: in.u16(), NewItemOffset: in.u16(), NewItemLeft: p.NewItemLeft}
	if in.BtreePostings() {
		p.Posting = in.u16()
	}
	left, right := in.block(0), in.block(1)
	if p.HasData = left.left() > 0; p.HasData {
		if p.NewItemLeft || p.Posting != 0 {
			p.NewItem = left.indexTuple()
		}
		p.HighKey = left.indexTuple()
	}
	p.Right = right.indexTuples()
	in.check(&left)
	in.check(&right)
}

// Describe implements Payload.
func (p *BtreeSplit) Describe(dst []byte, pr *Printing) []byte {
	d := pr.Dialect
	if d.BtreeTextFull() {
		dst = appendUint(dst, "level: ", p.Level)
		dst = appendUint(dst, ", firstrightoff: ", p.FirstRight)
		dst = appendUint(dst, ", newitemoff: ", p.NewItemOffset)
		return appendUint(dst, ", postingoff: ", p.Posting)
	}
	dst = appendUint(dst, "level ", p.Level)
	if d.BtreePostings() {
		dst = appendUint(dst, ", firstrightoff ", p.FirstRight)
		dst = appendUint(dst, ", newitemoff ", p.NewItemOffset)
		return appendUint(dst, ", postingoff ", p.Posting)
	}
	dst = appendUint(dst, ", firstright ", p.FirstRight)
	if d.BtreeTextSplitItem() {
		dst = appendUint(dst, ", newitemoff ", p.NewItemOffset)
	}
	return dst
}

// DedupInterval is BTDedupInterval: tuples that become one with a posting list.
type DedupInterval struct {
	Base  uint16 // offset of the first
	Items uint16 // how many
}

// DedupIntervals is an array of them in a record.
type DedupIntervals []byte

// Len is the number of items.
func (a DedupIntervals) Len() int { return len(a) / 4 }

// At is item i.
func (a DedupIntervals) At(i int) DedupInterval {
	pair := Uint16s(a[4*i : 4*i+4])
	return DedupInterval{pair.At(0), pair.At(1)}
}

// BtreeDedup is xl_btree_dedup: equal tuples of a leaf page, block 0, were merged.
//
//	nintervals u16
//	block 0: {baseoff u16, nitems u16} * nintervals
type BtreeDedup struct {
	NIntervals uint16
	HasData    bool // Intervals are there; otherwise the page's image shows them
	Intervals  DedupIntervals
}

func (p *BtreeDedup) decode(in *input) {
	*p = BtreeDedup{NIntervals: in.u16()}
	data := in.block(0)
	if p.HasData = data.left() > 0; p.HasData {
		p.Intervals = data.array(int64(p.NIntervals), 4)
		in.check(&data)
	}
}

// Describe implements Payload.
func (p *BtreeDedup) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.BtreeTextFull() {
		return appendUint(dst, "nintervals: ", p.NIntervals)
	}
	return appendUint(dst, "nintervals ", p.NIntervals)
}
