// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
)

// PendingDelete is a relation whose files go with the end of a transaction.
//
//	relation
//	relation, smgr_which i32, isTempRelation u8, pad 3    RelFileNodePendingDelete of Greenplum
type PendingDelete struct {
	Relation xlog.RelFileLocator

	// Greenplum's.
	Smgr int32 // 0 heap, 1 append-optimized
	Temp bool
}

// PendingDeletes is an array of relations in a record.
type PendingDeletes struct {
	raw        []byte
	size, node int
}

// Len is the number of relations.
func (a PendingDeletes) Len() int { return itemCount(a.raw, a.size) }

// At is relation i.
func (a PendingDeletes) At(i int) PendingDelete {
	b := a.raw[i*a.size : (i+1)*a.size]
	del := PendingDelete{Relation: relationAt(b[:a.node])}
	if rest := b[a.node:]; len(rest) == 8 {
		del.Smgr, del.Temp = int32(binary.LittleEndian.Uint32(rest)), rest[4] != 0
	}
	return del
}

// pendingDeletes reads n relations.
func (in *input) pendingDeletes(n int32) PendingDeletes {
	size := in.XactPendingDeleteSize()
	return PendingDeletes{raw: in.array(int64(n), size), size: size, node: in.RelNodeSize()}
}

// appendPendingDeletes appends the label and the files' paths, when there are any.
func (p *Printing) appendPendingDeletes(dst []byte, label string, rels PendingDeletes) []byte {
	if rels.Len() > 0 {
		dst = append(dst, label...)
	}
	for i := range rels.Len() {
		dst = append(dst, ' ')
		if del := rels.At(i); del.Temp {
			dst = p.appendTempRelPath(dst, del.Relation)
		} else {
			dst = p.appendRelPath(dst, del.Relation, xlog.MainFork)
		}
	}
	return dst
}

// StatsItem is xl_xact_stats_item: statistics that go with the end of a transaction.
//
//	kind i32, dboid u32, objoid u32
//	kind i32, dboid u32, objid_lo u32, objid_hi u32    from 18 on
type StatsItem struct {
	Kind     int32
	Database uint32
	Object   uint64
}

// DroppedStats is an array of statistics entries in a record.
type DroppedStats struct {
	raw  []byte
	size int
}

// Len is the number of entries.
func (a DroppedStats) Len() int { return itemCount(a.raw, a.size) }

// At is entry i.
func (a DroppedStats) At(i int) StatsItem {
	b := a.raw[i*a.size : (i+1)*a.size]
	item := StatsItem{Kind: int32(binary.LittleEndian.Uint32(b)), Database: binary.LittleEndian.Uint32(b[4:])}
	if a.size == 16 {
		item.Object = binary.LittleEndian.Uint64(b[8:])
	} else {
		item.Object = uint64(binary.LittleEndian.Uint32(b[8:]))
	}
	return item
}

// droppedStats reads n entries.
func (in *input) droppedStats(n int32) DroppedStats {
	size := in.XactDroppedStatsSize()
	return DroppedStats{raw: in.array(int64(n), size), size: size}
}

// appendDroppedStats appends the label and the entries, when there are any.
func appendDroppedStats(dst []byte, label string, stats DroppedStats) []byte {
	if stats.Len() > 0 {
		dst = append(dst, label...)
	}
	for i := range stats.Len() {
		item := stats.At(i)
		dst = appendInt(dst, " ", item.Kind)
		dst = appendUint(dst, "/", item.Database)
		dst = appendUint(dst, "/", item.Object)
	}
	return dst
}

// DatabaseDir is Greenplum's DbDirNode: a database's directory in a tablespace.
type DatabaseDir struct {
	Tablespace, Database uint32
}

// DatabaseDirs is an array of directories in a record.
type DatabaseDirs []byte

// Len is the number of directories.
func (a DatabaseDirs) Len() int { return len(a) / 8 }

// At is directory i.
func (a DatabaseDirs) At(i int) DatabaseDir {
	return DatabaseDir{binary.LittleEndian.Uint32(a[8*i:]), binary.LittleEndian.Uint32(a[8*i+4:])}
}

// cutZero is b up to its first zero byte.
func cutZero(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// appendZeros is %0*u.
func appendZeros(dst []byte, v uint64, width int) []byte {
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], v, 10)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
