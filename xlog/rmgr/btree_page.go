// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// BtreeMarkPageHalfDead is xl_btree_mark_page_halfdead: an empty leaf page, block 0, was taken out of its parent,
// block 1. Redo makes the leaf page anew.
//
//	poffset u16, pad 2, leafblk u32, leftblk u32, rightblk u32, topparent u32
type BtreeMarkPageHalfDead struct {
	ParentOffset      uint16 // of the tuple that leaves the parent
	Leaf, Left, Right uint32
	TopParent         uint32 // topmost page of the branch that goes; none for the leaf alone
}

func (p *BtreeMarkPageHalfDead) decode(in *input) {
	p.ParentOffset = in.u16()
	in.align(4)
	p.Leaf, p.Left, p.Right, p.TopParent = in.u32(), in.u32(), in.u32(), in.u32()
}

// Describe implements Payload.
func (p *BtreeMarkPageHalfDead) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.BtreeTextFull() {
		dst = appendUint(dst, "topparent: ", p.TopParent)
		dst = appendUint(dst, ", leaf: ", p.Leaf)
		dst = appendUint(dst, ", left: ", p.Left)
		return appendUint(dst, ", right: ", p.Right)
	}
	dst = appendUint(dst, "topparent ", p.TopParent)
	dst = appendUint(dst, "; leaf ", p.Leaf)
	dst = appendUint(dst, "; left ", p.Left)
	return appendUint(dst, "; right ", p.Right)
}

// BtreeUnlinkPage is xl_btree_unlink_page: a page, block 0, left the chain of its siblings, block 1 to its left, where
// there is one, and block 2 to its right. Block 3 is the half-dead leaf page below, where it is another; block 4 the
// metapage for UNLINK_PAGE_META.
//
//	leftsib u32, rightsib u32, leafleftsib u32, leafrightsib u32, topparent u32, btpo_xact u32            up to 13
//	leftsib u32, rightsib u32, level u32, pad 4, safexid u64, leafleftsib u32, leafrightsib u32,
//	leaftopparent u32                                                                                     from 14 on
//	block 4: BtreeMetadata
type BtreeUnlinkPage struct {
	Left, Right         uint32
	Level               uint32 // from 14 on
	SafeXid             uint64 // when the page may be used again; with epoch from 14 on
	LeafLeft, LeafRight uint32
	LeafTopParent       uint32
	HasMeta             bool
	Meta                BtreeMetadata
}

func (p *BtreeUnlinkPage) decode(in *input) {
	*p = BtreeUnlinkPage{Left: in.u32(), Right: in.u32(), HasMeta: p.HasMeta}
	if in.BtreeFullXids() {
		p.Level = in.u32()
		in.align(8)
		p.SafeXid = in.u64()
	}
	p.LeafLeft, p.LeafRight, p.LeafTopParent = in.u32(), in.u32(), in.u32()
	if !in.BtreeFullXids() {
		p.SafeXid = uint64(in.u32())
	}
	if p.HasMeta {
		p.Meta = in.btreeMetadata(4)
	}
}

// Describe implements Payload.
func (p *BtreeUnlinkPage) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.BtreeTextFull() {
		dst = appendUint(dst, "left: ", p.Left)
		dst = appendUint(dst, ", right: ", p.Right)
		dst = appendUint(dst, ", level: ", p.Level)
		dst = appendFullXid(dst, ", safexid: ", p.SafeXid)
		dst = appendUint(dst, ", leafleft: ", p.LeafLeft)
		dst = appendUint(dst, ", leafright: ", p.LeafRight)
		return appendUint(dst, ", leaftopparent: ", p.LeafTopParent)
	}
	dst = appendUint(dst, "left ", p.Left)
	dst = appendUint(dst, "; right ", p.Right)
	if pr.Dialect.BtreeFullXids() {
		dst = appendUint(dst, "; level ", p.Level)
		dst = appendFullXid(dst, "; safexid ", p.SafeXid)
	} else {
		dst = appendUint(dst, "; btpo_xact ", p.SafeXid)
	}
	dst = appendUint(dst, "; leafleft ", p.LeafLeft)
	dst = appendUint(dst, "; leafright ", p.LeafRight)
	if pr.Dialect.BtreeFullXids() {
		return appendUint(dst, "; leaftopparent ", p.LeafTopParent)
	}
	return appendUint(dst, "; topparent ", p.LeafTopParent)
}

// BtreeNewRoot is xl_btree_newroot: block 0 became the root. Block 1 is its left child, if the old root was split;
// block 2 the metapage.
//
//	rootblk u32, level u32
//	block 0: its two tuples, the last one first; none for an empty root
//	block 2: BtreeMetadata
type BtreeNewRoot struct {
	Root, Level uint32
	Tuples      IndexTuples
	Meta        BtreeMetadata
}

func (p *BtreeNewRoot) decode(in *input) {
	p.Root, p.Level = in.u32(), in.u32()
	data := in.block(0)
	p.Tuples = data.indexTuples()
	in.check(&data)
	p.Meta = in.btreeMetadata(2)
}

// Describe implements Payload.
func (p *BtreeNewRoot) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.BtreeTextFull() {
		return appendUint(dst, "level: ", p.Level)
	}
	return appendUint(dst, "lev ", p.Level)
}

// BtreeReusePage is xl_btree_reuse_page: a deleted page will be used again, so that a standby ends queries which could
// still come to it.
//
//	relation, block u32, latestRemovedXid u32                                        up to 13
//	relation, block u32, pad to 8, snapshotConflictHorizon u64 [, isCatalogRel u8]   from 14, the last from 16 on
type BtreeReusePage struct {
	Relation     xlog.RelFileLocator
	Block        uint32
	Horizon      uint64 // with epoch from 14 on
	IsCatalogRel bool
}

func (p *BtreeReusePage) decode(in *input) {
	*p = BtreeReusePage{Relation: in.relation(), Block: in.u32()}
	if !in.BtreeFullXids() {
		p.Horizon = uint64(in.u32())
		return
	}
	in.align(8)
	p.Horizon = in.u64()
	if in.IndexCatalogFlag() {
		p.IsCatalogRel = in.bool()
	}
}

// Describe implements Payload.
func (p *BtreeReusePage) Describe(dst []byte, pr *Printing) []byte {
	switch d := pr.Dialect; {
	case d.BtreeTextFull():
		dst = appendFullXid(appendRelation(dst, "rel: ", p.Relation), ", snapshotConflictHorizon: ", p.Horizon)
		return pr.appendCatalog(dst, ", isCatalogRel: ", p.IsCatalogRel)
	case d.BtreeFullXids():
		return appendFullXid(appendRelation(dst, "rel ", p.Relation), "; latestRemovedXid ", p.Horizon)
	}
	return appendUint(appendRelation(dst, "rel ", p.Relation), "; latestRemovedXid ", p.Horizon)
}

// BtreeMetaCleanup is the record META_CLEANUP: vacuum noted in the metapage, block 0, what it saw.
//
//	block 0: BtreeMetadata
type BtreeMetaCleanup struct {
	Meta BtreeMetadata
}

func (p *BtreeMetaCleanup) decode(in *input) { p.Meta = in.btreeMetadata(0) }

// Describe implements Payload.
func (p *BtreeMetaCleanup) Describe(dst []byte, pr *Printing) []byte {
	switch d := pr.Dialect; {
	case d.BtreeTextFull():
		return appendUint(dst, "last_cleanup_num_delpages: ", p.Meta.CleanupDeletedPages)
	case d.BtreeFullXids():
		return appendUint(dst, "last_cleanup_num_delpages ", p.Meta.CleanupDeletedPages)
	}
	dst = appendUint(dst, "oldest_btpo_xact ", p.Meta.OldestXid)
	return appendFloat(dst, "; last_cleanup_num_heap_tuples: ", p.Meta.CleanupHeapTuples, 'f')
}
