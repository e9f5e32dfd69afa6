// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Records of Heap as they are written (heap_insert, heap_delete and log_heap_update in src/backend/access/heap/heapam.c):
// what decode reads, which is the same in every dialect.

// HeapTupleOf is a whole tuple as records have it. Its Data is t's memory.
func HeapTupleOf(t bufpage.HeapTuple) HeapTuple {
	return HeapTuple{
		Infomask2: t.Infomask2(), Infomask: t.Infomask(), Hoff: uint8(t.Hoff()), Data: t[bufpage.HeapHeaderSize:],
	}
}

// append writes the tuple, if there is one.
func (t *HeapTuple) append(dst []byte) []byte {
	if t.Hoff == 0 {
		return dst
	}
	dst = binary.LittleEndian.AppendUint16(dst, t.Infomask2)
	dst = append(binary.LittleEndian.AppendUint16(dst, t.Infomask), t.Hoff)
	return append(dst, t.Data...)
}

// Build makes rec this record of transaction xid, about a block of rel.
func (p *HeapInsert) Build(rec *xlog.RecordBuilder, xid uint32, rel xlog.RelFileLocator, block uint32) {
	beginHeap(rec, InfoHeapInsert, p.Init, xid)
	rec.Data(p.appendMain(nil))
	rec.Block(0, rel, xlog.MainFork, block, initFlag(p.Init))
	rec.BlockData(0, p.Tuple.append(nil))
}

func (p *HeapInsert) appendMain(dst []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(dst, p.Offset), p.Flags)
}

// Build makes rec this record of transaction xid, about a block of rel.
func (p *HeapDelete) Build(rec *xlog.RecordBuilder, xid uint32, rel xlog.RelFileLocator, block uint32) {
	beginHeap(rec, InfoHeapDelete, false, xid)
	rec.Data(p.appendMain(nil))
	rec.Block(0, rel, xlog.MainFork, block, 0)
}

func (p *HeapDelete) appendMain(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, p.Xmax)
	dst = binary.LittleEndian.AppendUint16(dst, p.Offset)
	return p.Old.append(append(dst, uint8(p.Infobits), p.Flags))
}

// Build makes rec this record of transaction xid, about blocks of rel: the new tuple's, and the old one's, which may be the
// same.
func (p *HeapUpdate) Build(rec *xlog.RecordBuilder, xid uint32, rel xlog.RelFileLocator, block, oldBlock uint32) {
	info := InfoHeapUpdate
	if p.Hot {
		info = InfoHeapHotUpdate
	}
	beginHeap(rec, info, p.Init, xid)
	rec.Data(p.appendMain(nil))
	rec.Block(0, rel, xlog.MainFork, block, initFlag(p.Init))
	rec.BlockData(0, p.appendNew(nil))
	if oldBlock != block {
		rec.Block(1, rel, xlog.MainFork, oldBlock, 0)
	}
}

func (p *HeapUpdate) appendMain(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, p.OldXmax)
	dst = binary.LittleEndian.AppendUint16(dst, p.OldOffset)
	dst = append(dst, uint8(p.OldInfobits), p.Flags)
	dst = binary.LittleEndian.AppendUint32(dst, p.NewXmax)
	return p.Old.append(binary.LittleEndian.AppendUint16(dst, p.NewOffset))
}

// appendNew writes the data of block 0.
func (p *HeapUpdate) appendNew(dst []byte) []byte {
	if p.New.Hoff == 0 {
		return dst
	}
	if p.Flags&updatePrefix != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, p.Prefix)
	}
	if p.Flags&updateSuffix != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, p.Suffix)
	}
	return p.New.append(dst)
}

func beginHeap(rec *xlog.RecordBuilder, info uint8, init bool, xid uint32) {
	if init {
		info |= InfoHeapInitPage
	}
	rec.Begin(Heap, info, xid)
}

// initFlag is what a record says of a block that it makes anew.
func initFlag(init bool) uint8 {
	if init {
		return xlog.BlockWillInit
	}
	return 0
}
