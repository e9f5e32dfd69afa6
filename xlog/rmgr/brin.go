// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// brinInitPage is XLOG_BRIN_INIT_PAGE: the tuple is the first on its page, which redo makes anew.
const brinInitPage uint8 = 0x80

// Records of BRIN (src/include/access/brin_xlog.h, src/backend/access/rmgrdesc/brindesc.c).
func brinOps(d *xlog.Dialect) []op {
	insert := func() Payload { return new(BrinInsert) }
	update := func() Payload { return new(BrinUpdate) }
	ops := []op{
		{0x00, "CREATE_INDEX", func() Payload { return new(BrinCreateIndex) }},
		{0x10, "INSERT", insert},
		{0x10 | brinInitPage, "INSERT+INIT", insert},
		{0x20, "UPDATE", update},
		{0x20 | brinInitPage, "UPDATE+INIT", update},
		{0x30, "SAMEPAGE_UPDATE", func() Payload { return new(BrinSamepageUpdate) }},
		{0x40, "REVMAP_EXTEND", func() Payload { return new(BrinRevmapExtend) }},
		{0x50, "DESUMMARIZE", func() Payload { return new(BrinDesummarize) }},
	}
	if d.BRINAppendOptimized() { // of Cloudberry 1, and of Greenplum 7 before its release
		ops = append(ops, op{0x60, "", func() Payload { return new(BrinRevmapInitUpper) }},
			op{0x70, "", func() Payload { return new(BrinRevmapExtendUpper) }})
	}
	return ops
}

// BrinCreateIndex is xl_brin_createidx: an index begins. Block 0 is its metapage.
//
//	pagesPerRange u32, version u16 [, isAo u8 in Greenplum]
type BrinCreateIndex struct {
	PagesPerRange   uint32
	Version         uint16
	AppendOptimized bool // the table is
}

func (p *BrinCreateIndex) decode(in *input) {
	*p = BrinCreateIndex{PagesPerRange: in.u32(), Version: in.u16()}
	if in.BRINAppendOptimized() {
		p.AppendOptimized = in.bool()
	}
}

// Describe implements Payload.
func (p *BrinCreateIndex) Describe(dst []byte, pr *Printing) []byte {
	dst = appendUint(appendUint(dst, "v", p.Version), " pagesPerRange ", p.PagesPerRange)
	if pr.Dialect.BRINTextAppendOptimized() {
		return appendAppendOptimized(dst, p.AppendOptimized)
	}
	return dst
}

func appendAppendOptimized(dst []byte, ao bool) []byte {
	if ao {
		return append(dst, " isAO true"...)
	}
	return append(dst, " isAO false"...)
}

// BrinInsert is xl_brin_insert: a range got a summary. Block 0 is its page, block 1 the page of the range map that
// points to it.
//
//	heapBlk u32, pagesPerRange u32, offnum u16
//	block 0: BrinTuple
type BrinInsert struct {
	HeapBlock     uint32 // first of the range
	PagesPerRange uint32
	Offset        uint16
	Init          bool   // the page is made anew
	Tuple         []byte // nil when the page's image shows it
}

func (p *BrinInsert) decode(in *input) {
	p.HeapBlock, p.PagesPerRange, p.Offset = in.u32(), in.u32(), in.u16()
	p.Init = in.rec.Info&brinInitPage != 0
	p.Tuple = in.blockData(0)
}

// blockData is the data of a block reference.
func (in *input) blockData(id uint8) []byte {
	if b := in.body.Block(id); b != nil {
		return b.Data
	}
	return nil
}

// Describe implements Payload.
func (p *BrinInsert) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "heapBlk ", p.HeapBlock)
	dst = appendUint(dst, " pagesPerRange ", p.PagesPerRange)
	return appendUint(dst, " offnum ", p.Offset)
}

// BrinUpdate is xl_brin_update: a range's summary moved to another page. Blocks 0 and 1 are those of BrinInsert;
// block 2 is the old summary's page.
//
//	oldOffnum u16, pad 2, xl_brin_insert
//	block 0: BrinTuple
type BrinUpdate struct {
	OldOffset uint16
	BrinInsert
}

func (p *BrinUpdate) decode(in *input) {
	p.OldOffset = in.u16()
	in.align(4)
	p.BrinInsert.decode(in)
}

// Describe implements Payload.
func (p *BrinUpdate) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "heapBlk ", p.HeapBlock)
	dst = appendUint(dst, " pagesPerRange ", p.PagesPerRange)
	dst = appendUint(dst, " old offnum ", p.OldOffset)
	return appendUint(dst, ", new offnum ", p.Offset)
}

// BrinSamepageUpdate is xl_brin_samepage_update: a summary was replaced where it is. Block 0 is its page.
//
//	offnum u16
//	block 0: BrinTuple
type BrinSamepageUpdate struct {
	Offset uint16
	Tuple  []byte // nil when the page's image shows it
}

func (p *BrinSamepageUpdate) decode(in *input) { p.Offset, p.Tuple = in.u16(), in.blockData(0) }

// Describe implements Payload.
func (p *BrinSamepageUpdate) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(dst, "offnum ", p.Offset)
}

// BrinRevmapExtend is xl_brin_revmap_extend: the range map got another page, block 1. Block 0 is the metapage; block 2,
// for an append-optimized table, the page that was the last of its chain.
//
//	targetBlk u32 [, isAo u8, pad 3, blockSeq i32, targetPageNum u32 in Greenplum 7 and Cloudberry 2]
type BrinRevmapExtend struct {
	Block           uint32 // that of block 1
	HasChain        bool   // what follows is there
	AppendOptimized bool
	BlockSequence   int32
	LogicalPage     uint32
}

func (p *BrinRevmapExtend) decode(in *input) {
	*p = BrinRevmapExtend{Block: in.u32()}
	if p.HasChain = in.left() > 0; !p.HasChain {
		return
	}
	p.AppendOptimized = in.bool()
	in.align(4)
	p.BlockSequence, p.LogicalPage = in.i32(), in.u32()
}

// Describe implements Payload.
func (p *BrinRevmapExtend) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "targetBlk ", p.Block)
	if p.HasChain {
		return appendAppendOptimized(dst, p.AppendOptimized)
	}
	return dst
}

// BrinDesummarize is xl_brin_desummarize: a range's summary was removed. Block 0 is the page of the range map, block 1
// the summary's.
//
//	pagesPerRange u32, heapBlk u32, regOffset u16 [, pad 2, revmapTidIdx i32 in late releases of Greenplum 7]
type BrinDesummarize struct {
	PagesPerRange uint32
	HeapBlock     uint32
	Offset        uint16
	MapIndex      int32 // place on the page of the range map, instead of HeapBlock's; -1 for none
}

func (p *BrinDesummarize) decode(in *input) {
	*p = BrinDesummarize{PagesPerRange: in.u32(), HeapBlock: in.u32(), Offset: in.u16(), MapIndex: -1}
	if in.left() >= 2+4 {
		in.align(4)
		p.MapIndex = in.i32()
	}
}

// Describe implements Payload.
func (p *BrinDesummarize) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "pagesPerRange ", p.PagesPerRange)
	dst = appendUint(dst, ", heapBlk ", p.HeapBlock)
	return appendUint(dst, ", page offset ", p.Offset)
}

// BrinRevmapInitUpper is xl_brin_createupperblk: a page of the upper level that range maps of append-optimized tables
// had. Its description is empty, and it has no name.
//
//	targetBlk u32
type BrinRevmapInitUpper struct {
	noText
	Block uint32
}

func (p *BrinRevmapInitUpper) decode(in *input) { p.Block = in.u32() }

// BrinRevmapExtendUpper is xl_brin_revmap_extend_upper, of the same level. The server leaves out the struct's last
// field.
//
//	heapBlk u32, pagesPerRange u32
type BrinRevmapExtendUpper struct {
	noText
	HeapBlock     uint32
	PagesPerRange uint32
}

func (p *BrinRevmapExtendUpper) decode(in *input) { p.HeapBlock, p.PagesPerRange = in.u32(), in.u32() }
