// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Info of records that a promotion writes.
const (
	InfoCheckPointShutdown uint8 = 0x00 // XLOG_CHECKPOINT_SHUTDOWN
	InfoEndOfRecovery      uint8 = 0x90 // XLOG_END_OF_RECOVERY
	InfoBtreeInsertLeaf    uint8 = 0x00 // XLOG_BTREE_INSERT_LEAF
)

// output writes a struct of C behind what is in dst.
type output struct {
	*xlog.Dialect
	dst   []byte
	start int
}

func (o *output) align(n int) {
	for (len(o.dst)-o.start)%n != 0 {
		o.dst = append(o.dst, 0)
	}
}

func (o *output) u32(v ...uint32) {
	for _, v := range v {
		o.align(4)
		o.dst = binary.LittleEndian.AppendUint32(o.dst, v)
	}
}

func (o *output) u64(v uint64) {
	o.align(8)
	o.dst = binary.LittleEndian.AppendUint64(o.dst, v)
}

func (o *output) bool(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	o.dst = append(o.dst, b)
}

// Append writes the record's main data, in the layout of the dialect.
func (p *CheckPoint) Append(d *xlog.Dialect, dst []byte) []byte {
	o := output{Dialect: d, dst: dst, start: len(dst)}
	o.u64(uint64(p.Redo))
	o.u32(uint32(p.ThisTimeLineID), uint32(p.PrevTimeLineID))
	o.bool(p.FullPageWrites)
	if d.LogsWALLevel() {
		o.u32(uint32(p.WALLevel))
	}
	o.u64(p.NextXID)
	if d.WideGxid() {
		o.u64(p.NextGxid)
	}
	o.u32(p.NextOID)
	if d.CountsRelNumbers() {
		o.relNumber(p.NextRelfilenode)
	}
	o.u32(p.NextMulti, p.NextMultiOffset, p.OldestXID, p.OldestXIDDB, p.OldestMulti, p.OldestMultiDB)
	o.u64(uint64(p.Time))
	o.u32(p.OldestCommitTsXID, p.NewestCommitTsXID, p.OldestActiveXID)
	o.align(8)
	if d.CheckpointDistributed() {
		p.Distributed.append(&o)
	}
	return o.dst
}

func (o *output) relNumber(v uint64) {
	if o.RelNodeSize() == 16 {
		o.u64(v)
	} else {
		o.u32(uint32(v))
	}
}

func (a *DistributedCommits) append(o *output) {
	o.u32(uint32(a.Len()))
	if o.WideGxid() {
		o.align(8)
	}
	o.dst = append(o.dst, a.raw...)
}

// Append writes the record's main data, in the layout of the dialect.
func (p *EndOfRecovery) Append(d *xlog.Dialect, dst []byte) []byte {
	o := output{Dialect: d, dst: dst, start: len(dst)}
	o.u64(uint64(p.Time))
	o.u32(uint32(p.ThisTimeLineID), uint32(p.PrevTimeLineID))
	if d.LogsWALLevel() {
		o.u32(uint32(p.WALLevel))
		o.align(8) // sizeof(xl_end_of_recovery)
	}
	return o.dst
}

// Add adds a transaction: its number, and in the development build its name.
func (a *DistributedCommits) Add(d *xlog.Dialect, gxid uint64, gid []byte) {
	if d.WideGxid() {
		a.size, a.raw = gxidSize, binary.LittleEndian.AppendUint64(a.raw, gxid)
		return
	}
	item := make([]byte, gidGxidSize)
	copy(item[:gidSize], gid)
	binary.LittleEndian.PutUint32(item[gxidAt:], uint32(gxid))
	a.size, a.raw = gidGxidSize, append(a.raw, item...)
}

// AppendGID appends the transaction's name, from which the segments of the development build know it.
func (x DistributedXID) AppendGID(d *xlog.Dialect, dst []byte) []byte {
	return x.appendGID(dst, &Printing{Dialect: d})
}
