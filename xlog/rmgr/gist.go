// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of GiST (src/include/access/gistxlog.h, src/backend/access/rmgrdesc/gistdesc.c).
func gistOps(d *xlog.Dialect) []op {
	ops := []op{
		{0x00, "PAGE_UPDATE", func() Payload { return new(GistPageUpdate) }},
		{0x10, "DELETE", func() Payload { return new(GistDelete) }},
		{0x20, "PAGE_REUSE", func() Payload { return new(GistPageReuse) }},
		{0x30, "PAGE_SPLIT", func() Payload { return new(GistPageSplit) }},
		{0x60, "PAGE_DELETE", func() Payload { return new(GistPageDelete) }},
	}
	if d.GistAssignsLSN() {
		ops = append(ops, op{0x70, "ASSIGN_LSN", func() Payload { return new(GistAssignLSN) }})
	}
	return ops
}

// GistPageUpdate is gistxlogPageUpdate: tuples of a page, block 0, were removed, others added. Block 1 is the left
// half of a split that this completes.
//
//	ntodelete u16, ntoinsert u16
//	block 0: deleted u16 * ntodelete, tuples
type GistPageUpdate struct {
	noText
	NDeleted, NInserted uint16
	HasData             bool // what follows is there; otherwise the page's image shows it
	Deleted             Uint16s
	Inserted            IndexTuples
}

func (p *GistPageUpdate) decode(in *input) {
	*p = GistPageUpdate{NDeleted: in.u16(), NInserted: in.u16()}
	data := in.block(0)
	if p.HasData = data.left() > 0; !p.HasData {
		return
	}
	p.Deleted = data.u16s(int64(p.NDeleted))
	p.Inserted = data.countedTuples(int64(p.NInserted))
	in.check(&data)
}

// GistDelete is gistxlogDelete: dead tuples of a leaf page, block 0, were removed to make room.
//
//	latestRemovedXid u32, ntodelete u16, offsets u16 * ntodelete                                 up to 15
//	snapshotConflictHorizon u32, ntodelete u16, isCatalogRel u8, pad 1, offsets u16 * ntodelete  from 16 on
type GistDelete struct {
	Horizon      uint32 // newest transaction of which something was removed
	IsCatalogRel bool
	Offsets      Uint16s
}

func (p *GistDelete) decode(in *input) {
	*p = GistDelete{Horizon: in.u32()}
	n := in.u16()
	if in.IndexCatalogFlag() {
		p.IsCatalogRel = in.bool()
		in.align(2)
	}
	p.Offsets = in.u16s(int64(n))
}

// Describe implements Payload.
func (p *GistDelete) Describe(dst []byte, pr *Printing) []byte {
	label := "delete: latestRemovedXid "
	if pr.Dialect.IndexTextHorizon() {
		label = "delete: snapshotConflictHorizon "
	}
	dst = appendInt(appendUint(dst, label, p.Horizon), ", nitems: ", p.Offsets.Len())
	return pr.appendCatalog(dst, ", isCatalogRel ", p.IsCatalogRel)
}

// fullXid reads a transaction id with its epoch, which behind more bytes follow. GiST records from before the release of
// PostgreSQL 12, as in the development build of Greenplum 7, have ids without an epoch: they are shorter.
func (in *input) fullXid(behind int) (xid uint64, full bool) {
	if in.left() < 8+behind {
		return uint64(in.u32()), false
	}
	return in.u64(), true
}

func appendXid(dst []byte, label string, xid uint64, full bool) []byte {
	if full {
		return appendFullXid(dst, label, xid)
	}
	return appendUint(dst, label, xid)
}

// GistPageReuse is gistxlogPageReuse: a deleted page will be used again, so that a standby ends queries which could
// still come to it.
//
//	relation, block u32, pad to 8, snapshotConflictHorizon u64 [, isCatalogRel u8 from 16 on]
type GistPageReuse struct {
	Relation     xlog.RelFileLocator
	Block        uint32
	Horizon      uint64
	HasEpoch     bool // Horizon is with its epoch
	IsCatalogRel bool
}

func (p *GistPageReuse) decode(in *input) {
	*p = GistPageReuse{Relation: in.relation(), Block: in.u32()}
	if in.left() >= 8 {
		in.align(8)
	}
	p.Horizon, p.HasEpoch = in.fullXid(0)
	if in.IndexCatalogFlag() {
		p.IsCatalogRel = in.bool()
	}
}

// Describe implements Payload.
func (p *GistPageReuse) Describe(dst []byte, pr *Printing) []byte {
	dst = appendUint(appendRelation(dst, "rel ", p.Relation), "; blk ", p.Block)
	label := "; latestRemovedXid "
	if pr.Dialect.IndexTextHorizon() {
		label = "; snapshotConflictHorizon "
	}
	dst = appendXid(dst, label, p.Horizon, p.HasEpoch)
	return pr.appendCatalog(dst, ", isCatalogRel ", p.IsCatalogRel)
}

// GistPageSplit is gistxlogPageSplit: a page was split in several. Blocks 1 to npage are those, the first the page
// itself or, for the root, the root with a tuple for each other; block 0 is the left half of a split that this
// completes.
//
//	origrlink u32, pad 4, orignsn u64, origleaf u8, pad 1, npage u16, markfollowright u8, pad 3
//	blocks from 1 on: count i32, tuples
type GistPageSplit struct {
	RightLink       uint32   // of the page before the split
	NSN             xlog.LSN // of the page before the split
	Leaf            bool     // the page was a leaf
	MarkFollowRight bool
	Pages           []IndexTuples // Pages[i] is what block i+1 gets

	pages [xlog.MaxBlockID]IndexTuples
}

func (p *GistPageSplit) decode(in *input) {
	p.RightLink = in.u32()
	in.align(8)
	p.NSN, p.Leaf = in.lsn(), in.bool()
	in.align(2)
	n := in.u16()
	p.MarkFollowRight = in.bool()
	in.align(8)
	if int(n) > len(p.pages) {
		in.fail("more pages than a record can have")
		n = 0
	}
	p.Pages = p.pages[:n]
	for i := range p.Pages {
		data := in.block(uint8(i + 1))
		p.Pages[i] = data.countedTuples(int64(data.i32()))
		in.check(&data)
	}
}

// Describe implements Payload.
func (p *GistPageSplit) Describe(dst []byte, _ *Printing) []byte {
	return append(appendInt(dst, "page_split: splits to ", len(p.Pages)), " pages"...)
}

// GistPageDelete is gistxlogPageDelete: an empty page, block 0, was deleted, and its tuple in its parent, block 1.
//
//	deleteXid u64, downlinkOffset u16
type GistPageDelete struct {
	Xid            uint64 // newest that could still come to the page
	HasEpoch       bool   // Xid is with its epoch
	DownlinkOffset uint16 // of the tuple in the parent
}

func (p *GistPageDelete) decode(in *input) {
	p.Xid, p.HasEpoch = in.fullXid(2)
	p.DownlinkOffset = in.u16()
}

// Describe implements Payload.
func (p *GistPageDelete) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(appendXid(dst, "deleteXid ", p.Xid, p.HasEpoch), "; downlink ", p.DownlinkOffset)
}

// GistAssignLSN is the record ASSIGN_LSN: nothing, but its position, which a new index without log of its own takes.
//
//	dummy i32
type GistAssignLSN struct{ noText }

func (p *GistAssignLSN) decode(in *input) { in.i32() }
