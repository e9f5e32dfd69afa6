// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Heap (src/include/access/heapam_xlog.h, src/backend/access/rmgrdesc/heapdesc.c).
func heapOps(*xlog.Dialect) []op {
	insert := func() Payload { return new(HeapInsert) }
	update := func() Payload { return new(HeapUpdate) }
	hotUpdate := func() Payload { return &HeapUpdate{Hot: true} }
	return []op{
		{InfoHeapInsert, "INSERT", insert},
		{InfoHeapInsert | InfoHeapInitPage, "INSERT+INIT", insert},
		{InfoHeapDelete, "DELETE", func() Payload { return new(HeapDelete) }},
		{InfoHeapUpdate, "UPDATE", update},
		{InfoHeapUpdate | InfoHeapInitPage, "UPDATE+INIT", update},
		{0x30, "TRUNCATE", func() Payload { return new(HeapTruncate) }},
		{InfoHeapHotUpdate, "HOT_UPDATE", hotUpdate},
		{InfoHeapHotUpdate | InfoHeapInitPage, "HOT_UPDATE+INIT", hotUpdate},
		{0x50, "HEAP_CONFIRM", func() Payload { return new(HeapConfirm) }},
		{0x60, "LOCK", func() Payload { return new(HeapLock) }},
		{0x70, "INPLACE", func() Payload { return new(HeapInplace) }},
	}
}

// HeapInsert is xl_heap_insert: a tuple was inserted. Block 0 is its page.
//
//	offnum u16, flags u8
//	block 0: tuple                  see HeapTuple
type HeapInsert struct {
	Offset uint16 // OffsetNumber of the tuple
	Flags  uint8  // XLH_INSERT_*
	Init   bool   // the page is made anew
	Tuple  HeapTuple
}

func (p *HeapInsert) decode(in *input) {
	p.Offset, p.Flags, p.Init = in.u16(), in.u8(), in.rec.Info&InfoHeapInitPage != 0
	data := in.block(0)
	p.Tuple = data.heapTuple()
	in.check(&data)
}

// Describe implements Payload.
func (p *HeapInsert) Describe(dst []byte, pr *Printing) []byte {
	return pr.appendOffsetFlags(dst, p.Offset, p.Flags)
}

func (p *Printing) appendOffsetFlags(dst []byte, offset uint16, flags uint8) []byte {
	if p.Dialect.HeapTextFull() {
		return appendHex2(appendUint(dst, "off: ", offset), ", flags: ", flags)
	}
	return appendHex2(appendUint(dst, "off ", offset), " flags ", flags)
}

// Bits of Flags of HeapInsert and HeapMultiInsert, of HeapDelete and of HeapUpdate.
const (
	HeapInsertAllVisibleCleared    uint8 = 1 << 0 // XLH_INSERT_ALL_VISIBLE_CLEARED: the page was all-visible
	HeapDeleteAllVisibleCleared    uint8 = 1 << 0 // XLH_DELETE_ALL_VISIBLE_CLEARED
	HeapUpdateOldAllVisibleCleared uint8 = 1 << 0 // XLH_UPDATE_OLD_ALL_VISIBLE_CLEARED
	HeapUpdateNewAllVisibleCleared uint8 = 1 << 1 // XLH_UPDATE_NEW_ALL_VISIBLE_CLEARED, where that is another page

	// The old tuple, or its replica identity, is in the record.
	deleteContainsOld = 1<<1 | 1<<2 // XLH_DELETE_CONTAINS_OLD
	updateContainsOld = 1<<2 | 1<<3 // XLH_UPDATE_CONTAINS_OLD

	updatePrefix = 1 << 5 // XLH_UPDATE_PREFIX_FROM_OLD
	updateSuffix = 1 << 6 // XLH_UPDATE_SUFFIX_FROM_OLD
)

// HeapDelete is xl_heap_delete: a tuple was deleted. Block 0 is its page.
//
//	xmax u32, offnum u16, infobits u8, flags u8 [, tuple]
type HeapDelete struct {
	Xmax     uint32
	Offset   uint16
	Infobits Infobits
	Flags    uint8     // XLH_DELETE_*
	Old      HeapTuple // for logical decoding
}

func (p *HeapDelete) decode(in *input) {
	p.Xmax, p.Offset, p.Infobits, p.Flags = in.u32(), in.u16(), Infobits(in.u8()), in.u8()
	p.Old = HeapTuple{}
	if p.Flags&deleteContainsOld != 0 {
		p.Old = in.heapTuple()
	}
}

// Describe implements Payload.
func (p *HeapDelete) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.HeapTextFull() {
		return appendLock(dst, p.Xmax, p.Offset, p.Infobits, p.Flags)
	}
	dst = append(pr.appendOffsetFlags(dst, p.Offset, p.Flags), ' ')
	return p.Infobits.appendWords(dst, " ")
}

// HeapUpdate is xl_heap_update: a tuple was updated. Block 0 is the new tuple's page; block 1 the old one's, where that
// is another.
//
//	old_xmax u32, old_offnum u16, old_infobits u8, flags u8, new_xmax u32, new_offnum u16 [, old tuple]
//	block 0: [prefix u16] [suffix u16] new tuple
type HeapUpdate struct {
	OldXmax     uint32
	OldOffset   uint16
	OldInfobits Infobits
	Flags       uint8 // XLH_UPDATE_*
	NewXmax     uint32
	NewOffset   uint16
	Init        bool // the new tuple's page is made anew
	Hot         bool
	Old         HeapTuple // for logical decoding
	New         HeapTuple
	// Prefix and Suffix are how many bytes the new tuple has, before and behind its Data, from the old one.
	Prefix, Suffix uint16
}

func (p *HeapUpdate) decode(in *input) {
	*p = HeapUpdate{OldXmax: in.u32(), OldOffset: in.u16(), OldInfobits: Infobits(in.u8()), Flags: in.u8(),
		NewXmax: in.u32(), NewOffset: in.u16(), Init: in.rec.Info&InfoHeapInitPage != 0, Hot: p.Hot}
	if p.Flags&updateContainsOld != 0 {
		p.Old = in.heapTuple()
	}
	data := in.block(0)
	if data.left() == 0 {
		return
	}
	if p.Flags&updatePrefix != 0 {
		p.Prefix = data.u16()
	}
	if p.Flags&updateSuffix != 0 {
		p.Suffix = data.u16()
	}
	p.New = data.heapTuple()
	in.check(&data)
}

// Describe implements Payload.
func (p *HeapUpdate) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.HeapTextFull() {
		dst = appendUint(dst, "old_xmax: ", p.OldXmax)
		dst = appendUint(dst, ", old_off: ", p.OldOffset)
		dst = p.OldInfobits.appendArray(dst, ", old_infobits: [")
		dst = appendHex2(dst, ", flags: ", p.Flags)
		dst = appendUint(dst, ", new_xmax: ", p.NewXmax)
		return appendUint(dst, ", new_off: ", p.NewOffset)
	}
	dst = appendUint(dst, "off ", p.OldOffset)
	dst = appendUint(dst, " xmax ", p.OldXmax)
	dst = append(appendHex2(dst, " flags ", p.Flags), ' ')
	dst = p.OldInfobits.appendWords(dst, " ")
	dst = appendUint(dst, "; new off ", p.NewOffset)
	return appendUint(dst, " xmax ", p.NewXmax)
}

// Bits of HeapTruncate.Flags.
const (
	HeapTruncateCascade     uint8 = 1 << 0 // XLH_TRUNCATE_CASCADE
	HeapTruncateRestartSeqs uint8 = 1 << 1 // XLH_TRUNCATE_RESTART_SEQS
)

// HeapTruncate is xl_heap_truncate: which tables a TRUNCATE named, for logical decoding.
//
//	dbId u32, nrelids u32, flags u8, pad 3, relids u32 * nrelids
type HeapTruncate struct {
	Database  uint32
	Flags     uint8
	Relations Uint32s // object ids
}

func (p *HeapTruncate) decode(in *input) {
	p.Database = in.u32()
	n := in.u32()
	p.Flags = in.u8()
	in.align(4)
	p.Relations = in.u32s(int64(n))
}

// Describe implements Payload.
func (p *HeapTruncate) Describe(dst []byte, pr *Printing) []byte {
	cascade, restart := p.Flags&HeapTruncateCascade != 0, p.Flags&HeapTruncateRestartSeqs != 0
	if pr.Dialect.HeapTextFull() {
		dst = append(dst, "flags: ["...)
		dst = appendFlag(dst, cascade, "CASCADE")
		dst = appendFlag(dst, cascade && restart, ", ")
		dst = appendFlag(dst, restart, "RESTART_SEQS")
		dst = appendInt(dst, "], nrelids: ", p.Relations.Len())
		return appendOids(dst, ", relids:", p.Relations)
	}
	dst = appendFlag(dst, cascade, "cascade ")
	dst = appendFlag(dst, restart, "restart_seqs ")
	dst = append(appendInt(dst, "nrelids ", p.Relations.Len()), " relids"...)
	return appendList(dst, "", p.Relations)
}

// HeapConfirm is xl_heap_confirm: a speculative insertion holds. Block 0 is the tuple's page.
//
//	offnum u16
type HeapConfirm struct {
	Offset uint16
}

func (p *HeapConfirm) decode(in *input) { p.Offset = in.u16() }

// Describe implements Payload.
func (p *HeapConfirm) Describe(dst []byte, pr *Printing) []byte {
	return pr.appendOffset(dst, p.Offset)
}

func (p *Printing) appendOffset(dst []byte, offset uint16) []byte {
	if p.Dialect.HeapTextFull() {
		return appendUint(dst, "off: ", offset)
	}
	return appendUint(dst, "off ", offset)
}

// HeapInplace is xl_heap_inplace: a tuple was overwritten where it is, without a new version. Block 0 is its page.
//
//	offnum u16
//	[pad, dbId u32, tsId u32, relcacheInitFileInval u8, pad, nmsgs i32, msgs * nmsgs]    from 18 on
//	block 0: the tuple's data, without its header
type HeapInplace struct {
	Offset        uint16
	Database      uint32
	Tablespace    uint32
	InitFileInval bool
	Invalidations Invalidations
	Data          []byte
}

func (p *HeapInplace) decode(in *input) {
	*p = HeapInplace{Offset: in.u16()}
	if in.HeapInplaceInvalidations() {
		in.align(4)
		p.Database, p.Tablespace, p.InitFileInval = in.u32(), in.u32(), in.bool()
		in.align(4)
		p.Invalidations = in.countedInvalidations()
	}
	data := in.block(0)
	p.Data = data.rest()
}

// Describe implements Payload.
func (p *HeapInplace) Describe(dst []byte, pr *Printing) []byte {
	dst = pr.appendOffset(dst, p.Offset)
	return pr.appendInvalidations(dst, p.Invalidations, p.Database, p.Tablespace, p.InitFileInval)
}
