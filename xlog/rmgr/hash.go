// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Hash (src/include/access/hash_xlog.h, src/backend/access/rmgrdesc/hashdesc.c).
func hashOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "INIT_META_PAGE", func() Payload { return new(HashInitMetaPage) }},
		{0x10, "INIT_BITMAP_PAGE", func() Payload { return new(HashInitBitmapPage) }},
		{0x20, "INSERT", func() Payload { return new(HashInsert) }},
		{0x30, "ADD_OVFL_PAGE", func() Payload { return new(HashAddOvflPage) }},
		{0x40, "SPLIT_ALLOCATE_PAGE", func() Payload { return new(HashSplitAllocatePage) }},
		{0x50, "SPLIT_PAGE", func() Payload { return new(HashSplitPage) }},
		{0x60, "SPLIT_COMPLETE", func() Payload { return new(HashSplitComplete) }},
		{0x70, "MOVE_PAGE_CONTENTS", func() Payload { return new(HashMovePageContents) }},
		{0x80, "SQUEEZE_PAGE", func() Payload { return new(HashSqueezePage) }},
		{0x90, "DELETE", func() Payload { return new(HashDelete) }},
		{0xA0, "SPLIT_CLEANUP", func() Payload { return new(HashSplitCleanup) }},
		{0xB0, "UPDATE_META_PAGE", func() Payload { return new(HashUpdateMetaPage) }},
		{0xC0, "VACUUM_ONE_PAGE", func() Payload { return new(HashVacuumOnePage) }},
	}
}

// HashInitMetaPage is xl_hash_init_meta_page: an index begins. Block 0 is its metapage.
//
//	num_tuples f64, procid u32, ffactor u16
type HashInitMetaPage struct {
	Tuples     float64 // how many are expected
	Proc       uint32  // object id of the hash function
	FillFactor uint16  // tuples of a bucket
}

func (p *HashInitMetaPage) decode(in *input) {
	p.Tuples, p.Proc, p.FillFactor = in.f64(), in.u32(), in.u16()
}

// Describe implements Payload.
func (p *HashInitMetaPage) Describe(dst []byte, _ *Printing) []byte {
	dst = appendFloat(dst, "num_tuples ", p.Tuples, 'g')
	return appendUint(dst, ", fillfactor ", p.FillFactor)
}

// HashInitBitmapPage is xl_hash_init_bitmap_page: block 0 is the first bitmap of overflow pages, block 1 the metapage.
//
//	bmsize u16
type HashInitBitmapPage struct {
	BitmapSize uint16 // in bytes
}

func (p *HashInitBitmapPage) decode(in *input) { p.BitmapSize = in.u16() }

// Describe implements Payload.
func (p *HashInitBitmapPage) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(dst, "bmsize ", p.BitmapSize)
}

// HashInsert is xl_hash_insert: an index tuple was added. Block 0 is its page, block 1 the metapage, which counts it.
//
//	offnum u16
//	block 0: tuple
type HashInsert struct {
	Offset uint16
	Tuple  []byte // nil when the page's image shows it
}

func (p *HashInsert) decode(in *input) {
	*p = HashInsert{Offset: in.u16()}
	data := in.block(0)
	if data.left() > 0 {
		p.Tuple = data.indexTuple()
		in.check(&data)
	}
}

// Describe implements Payload.
func (p *HashInsert) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(dst, "off ", p.Offset)
}

// HashAddOvflPage is xl_hash_add_ovfl_page: a bucket got another page. Block 0 is that page, block 1 the one before
// it in the bucket, block 2 the bitmap page in which it was found, block 3 a new bitmap page, block 4 the metapage.
//
//	bmsize u16, bmpage_found u8
//	block 0: bucket u32
//	block 2: bit u32
//	block 4: firstfree u32
type HashAddOvflPage struct {
	BitmapSize  uint16 // in bytes
	BitmapFound bool   // the page is one that was free
	Bucket      uint32
	HasBit      bool   // Bit is there; otherwise there is no block 2, or its image shows it
	Bit         uint32 // of the page in the bitmap
	HasFree     bool   // FirstFree is there; otherwise the metapage's image shows it
	FirstFree   uint32 // hashm_firstfree
}

func (p *HashAddOvflPage) decode(in *input) {
	*p = HashAddOvflPage{BitmapSize: in.u16(), BitmapFound: in.bool()}
	p.Bucket, _ = in.blockU32(0)
	p.Bit, p.HasBit = in.blockU32(2)
	p.FirstFree, p.HasFree = in.blockU32(4)
}

// blockU32 reads a number that is all of a block reference's data, and tells whether there is data.
func (in *input) blockU32(id uint8) (v uint32, has bool) {
	data := in.block(id)
	if data.left() == 0 {
		return 0, false
	}
	v = data.u32()
	in.check(&data)
	return v, true
}

// Describe implements Payload.
func (p *HashAddOvflPage) Describe(dst []byte, _ *Printing) []byte {
	return appendTrue(appendUint(dst, "bmsize ", p.BitmapSize), ", bmpage_found ", p.BitmapFound)
}

// HashUpdateMetaPage is xl_hash_update_meta_page: vacuum counted. Block 0 is the metapage.
//
//	ntuples f64
type HashUpdateMetaPage struct {
	Tuples float64
}

func (p *HashUpdateMetaPage) decode(in *input) { p.Tuples = in.f64() }

// Describe implements Payload.
func (p *HashUpdateMetaPage) Describe(dst []byte, _ *Printing) []byte {
	return appendFloat(dst, "ntuples ", p.Tuples, 'g')
}

// HashDelete is xl_hash_delete: tuples were removed. Block 0 is the bucket's first page, block 1 theirs, when it is
// another.
//
//	clear_dead_marking u8, is_primary_bucket_page u8
//	block 1: offsets u16 * the rest
type HashDelete struct {
	ClearDeadMarking bool
	PrimaryPage      bool
	Offsets          Uint16s // empty when the page's image shows it
}

func (p *HashDelete) decode(in *input) {
	p.ClearDeadMarking, p.PrimaryPage = in.bool(), in.bool()
	data := in.block(1)
	p.Offsets = data.u16s(int64(data.left() / 2))
}

// Describe implements Payload.
func (p *HashDelete) Describe(dst []byte, _ *Printing) []byte {
	return appendTrue(appendTrue(dst, "clear_dead_marking ", p.ClearDeadMarking), ", is_primary ", p.PrimaryPage)
}

// HashVacuumOnePage is xl_hash_vacuum_one_page: dead tuples were removed to make room. Block 0 is their page, block 1
// the metapage, which counts them.
//
//	latestRemovedXid u32, ntuples i32, offsets u16 * ntuples                                   up to 15
//	snapshotConflictHorizon u32, ntuples u16, isCatalogRel u8, pad 1, offsets u16 * ntuples    from 16 on
type HashVacuumOnePage struct {
	Horizon      uint32 // newest transaction of which something was removed
	IsCatalogRel bool
	Offsets      Uint16s
}

func (p *HashVacuumOnePage) decode(in *input) {
	*p = HashVacuumOnePage{Horizon: in.u32()}
	if !in.IndexCatalogFlag() {
		p.Offsets = in.u16s(int64(in.i32()))
		return
	}
	n := in.u16()
	p.IsCatalogRel = in.bool()
	in.align(2)
	p.Offsets = in.u16s(int64(n))
}

// Describe implements Payload.
func (p *HashVacuumOnePage) Describe(dst []byte, pr *Printing) []byte {
	dst = appendInt(dst, "ntuples ", p.Offsets.Len())
	switch d := pr.Dialect; {
	case d.HashTextWords():
		return appendUint(dst, ", latest removed xid ", p.Horizon)
	case !d.IndexTextHorizon():
		return appendUint(dst, ", latestRemovedXid ", p.Horizon)
	}
	dst = appendUint(dst, ", snapshotConflictHorizon ", p.Horizon)
	return pr.appendCatalog(dst, ", isCatalogRel ", p.IsCatalogRel)
}
