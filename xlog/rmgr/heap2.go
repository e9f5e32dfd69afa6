// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Records of Heap2, which has what Heap's info byte has no room for (src/include/access/heapam_xlog.h).
func heap2Ops(d *xlog.Dialect) []op {
	multi := func() Payload { return new(HeapMultiInsert) }
	ops := []op{
		{0x00, "REWRITE", func() Payload { return new(HeapRewrite) }},
		{0x40, "VISIBLE", func() Payload { return new(HeapVisible) }},
		{0x50, "MULTI_INSERT", multi},
		{0x50 | InfoHeapInitPage, "MULTI_INSERT+INIT", multi},
		{0x60, "LOCK_UPDATED", func() Payload { return new(HeapLockUpdated) }},
		{0x70, "NEW_CID", func() Payload { return new(HeapNewCid) }},
	}
	return append(ops, pruneOps(d)...)
}

// pruneOps are the records of pruning and vacuum.
func pruneOps(d *xlog.Dialect) []op {
	prune := func() Payload { return new(HeapPrune) }
	freeze := func() Payload { return new(HeapFreezePage) }
	both := func() Payload { return new(HeapPruneFreeze) }
	switch {
	case d.HeapPrunesAndFreezes():
		return []op{
			{0x10, "PRUNE_ON_ACCESS", both},
			{0x20, "PRUNE_VACUUM_SCAN", both},
			{0x30, "PRUNE_VACUUM_CLEANUP", both},
		}
	case d.HeapCleans():
		return []op{
			{0x10, "CLEAN", prune},
			{0x20, "FREEZE_PAGE", freeze},
			{0x30, "CLEANUP_INFO", func() Payload { return new(HeapCleanupInfo) }},
		}
	}
	return []op{
		{0x10, "PRUNE", prune},
		{0x20, "VACUUM", func() Payload { return new(HeapVacuum) }},
		{0x30, "FREEZE_PAGE", freeze},
	}
}

// HeapVisible is xl_heap_visible: all tuples of a page are visible to everybody. Block 0 is the page of the visibility
// map, block 1 the heap's.
//
//	cutoff_xid u32, flags u8
type HeapVisible struct {
	Horizon uint32 // queries on a standby that are older must not believe it
	Flags   uint8  // VISIBILITYMAP_ALL_VISIBLE 1, _ALL_FROZEN 2, _XLOG_CATALOG_REL 4
}

func (p *HeapVisible) decode(in *input) { p.Horizon, p.Flags = in.u32(), in.u8() }

// Describe implements Payload.
func (p *HeapVisible) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.HeapTextFull() {
		return appendHex2(appendUint(dst, "snapshotConflictHorizon: ", p.Horizon), ", flags: ", p.Flags)
	}
	return appendHex2(appendUint(dst, "cutoff xid ", p.Horizon), " flags ", p.Flags)
}

// HeapMultiInsert is xl_heap_multi_insert: tuples were inserted on one page, block 0.
//
//	flags u8, pad, ntuples u16, [offsets u16 * ntuples]    no offsets on a new page: they count from 1
//	block 0: tuples, see MultiInsertTuples
type HeapMultiInsert struct {
	Flags   uint8 // XLH_INSERT_*
	N       uint16
	Init    bool // the page is made anew
	Offsets Uint16s
	HasData bool // the tuples are there; otherwise the page's image has them
	Tuples  MultiInsertTuples
}

func (p *HeapMultiInsert) decode(in *input) {
	*p = HeapMultiInsert{Flags: in.u8(), Init: in.rec.Info&InfoHeapInitPage != 0}
	in.align(2)
	p.N = in.u16()
	if !p.Init {
		p.Offsets = in.u16s(int64(p.N))
	}
	data := in.block(0)
	p.HasData = data.left() > 0
	p.Tuples = MultiInsertTuples{raw: data.main}
}

// Describe implements Payload.
func (p *HeapMultiInsert) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.HeapTextFull() {
		return appendHex2(append(appendUint(dst, "", p.N), " tuples"...), " flags ", p.Flags)
	}
	dst = appendHex2(appendUint(dst, "ntuples: ", p.N), ", flags: ", p.Flags)
	if p.HasData && !p.Init {
		dst = appendOffsets(dst, ", offsets:", p.Offsets)
	}
	return dst
}

// MultiInsertTuples are the tuples of a HeapMultiInsert.
//
//	pad to 2 bytes, datalen u16, t_infomask2 u16, t_infomask u16, t_hoff u8, data    xl_multi_insert_tuple
type MultiInsertTuples struct {
	raw []byte
	off int
}

// Next is the next tuple. It is false at the end, and where the bytes are not those of a tuple.
func (t *MultiInsertTuples) Next() (tuple HeapTuple, ok bool) {
	start := t.off + t.off&1
	if start+7 > len(t.raw) {
		return tuple, false
	}
	b := t.raw[start:]
	n := int(binary.LittleEndian.Uint16(b))
	if 7+n > len(b) {
		return tuple, false
	}
	t.off = start + 7 + n
	return HeapTuple{
		Infomask2: binary.LittleEndian.Uint16(b[2:]), Infomask: binary.LittleEndian.Uint16(b[4:]), Hoff: b[6],
		Data: b[7 : 7+n],
	}, true
}

// Left is the number of bytes behind the tuple that Next gave last.
func (t *MultiInsertTuples) Left() int { return len(t.raw) - t.off }

// HeapNewCid is xl_heap_new_cid: the command ids of a catalog tuple, for logical decoding.
//
//	top_xid u32, cmin u32, cmax u32, combocid u32, relation, tid
type HeapNewCid struct {
	TopXID, Cmin, Cmax, ComboCid uint32
	Relation                     xlog.RelFileLocator
	Tuple                        ItemPointer
}

func (p *HeapNewCid) decode(in *input) {
	p.TopXID, p.Cmin, p.Cmax, p.ComboCid = in.u32(), in.u32(), in.u32(), in.u32()
	p.Relation = in.relation()
	p.Tuple = in.itemPointer()
}

// Describe implements Payload.
func (p *HeapNewCid) Describe(dst []byte, pr *Printing) []byte {
	rel, tid, cmin := "rel ", "; tid ", "; cmin: "
	if pr.Dialect.HeapTextFull() {
		rel, tid, cmin = "rel: ", ", tid: ", ", cmin: "
	}
	dst = appendRelation(dst, rel, p.Relation)
	dst = appendUint(dst, tid, p.Tuple.Block)
	dst = appendUint(dst, "/", p.Tuple.Offset)
	dst = appendUint(dst, cmin, p.Cmin)
	dst = appendUint(dst, ", cmax: ", p.Cmax)
	return appendUint(dst, ", combo: ", p.ComboCid)
}

// ItemPointer is ItemPointerData, the place of a tuple.
//
//	block's upper half u16, lower half u16, offset u16
type ItemPointer struct {
	Block  uint32
	Offset uint16
}

func (in *input) itemPointer() ItemPointer {
	hi, lo := in.u16(), in.u16()
	return ItemPointer{Block: uint32(hi)<<16 | uint32(lo), Offset: in.u16()}
}

// HeapRewrite is xl_heap_rewrite_mapping: where tuples of the catalog went when their table was rewritten, for logical
// decoding. PostgreSQL has no description of it.
//
//	mapped_xid u32, mapped_db u32, mapped_rel u32, pad, offset i64, num_mappings u32, pad, start_lsn u64,
//	mappings * num_mappings, each a LogicalRewriteMappingData
type HeapRewrite struct {
	MappedXID      uint32
	MappedDatabase uint32 // 0 for a shared relation
	MappedRelation uint32 // object id
	Offset         int64  // in the file of mappings
	StartLSN       xlog.LSN
	Mappings       []byte
}

func (p *HeapRewrite) decode(in *input) {
	p.MappedXID, p.MappedDatabase, p.MappedRelation = in.u32(), in.u32(), in.u32()
	in.align(8)
	p.Offset = in.i64()
	n := in.u32()
	in.align(8)
	p.StartLSN = in.lsn()
	p.Mappings = in.array(int64(n), rewriteMappingSize(in.RelNodeSize()))
}

// rewriteMappingSize is the size of two relations and two item pointers, padded as the relations are.
func rewriteMappingSize(relation int) int {
	if relation == 16 {
		return 48
	}
	return 36
}

// Describe implements Payload.
func (p *HeapRewrite) Describe(dst []byte, _ *Printing) []byte { return dst }
