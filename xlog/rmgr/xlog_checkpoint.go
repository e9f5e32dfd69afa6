// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// CheckPoint is a checkpoint, of a server that shuts down or of one that goes on (struct CheckPoint in
// src/include/catalog/pg_control.h).
//
//	redo u64, ThisTimeLineID u32, PrevTimeLineID u32, fullPageWrites bool, [pad 3, wal_level i32 from 17 on,]
//	align 8, nextXid u64, [nextGxid u64 in Greenplum,] nextOid u32, [nextRelfilenode u32 or u64 in Greenplum,]
//	nextMulti u32, nextMultiOffset u32, oldestXid u32, oldestXidDB u32, oldestMulti u32, oldestMultiDB u32,
//	align 8, time i64, oldestCommitTsXid u32, newestCommitTsXid u32, oldestActiveXid u32, align 8,
//	[DistributedCommits in Greenplum]
type CheckPoint struct {
	Shutdown          bool // the record is CHECKPOINT_SHUTDOWN
	Redo              xlog.LSN
	ThisTimeLineID    xlog.TimelineID
	PrevTimeLineID    xlog.TimelineID // differs when this record begins the timeline
	FullPageWrites    bool
	WALLevel          int32
	NextXID           uint64 // epoch and transaction id
	NextGxid          uint64
	NextOID           uint32
	NextRelfilenode   uint64
	NextMulti         uint32
	NextMultiOffset   uint32
	OldestXID         uint32
	OldestXIDDB       uint32
	OldestMulti       uint32
	OldestMultiDB     uint32
	Time              int64 // seconds since 1970
	OldestCommitTsXID uint32
	NewestCommitTsXID uint32
	OldestActiveXID   uint32 // 0 for a shutdown checkpoint
	Distributed       DistributedCommits
}

func (p *CheckPoint) decode(in *input) {
	p.Shutdown = in.rec.RmgrInfo() == 0
	p.Redo = in.lsn()
	p.ThisTimeLineID, p.PrevTimeLineID = xlog.TimelineID(in.u32()), xlog.TimelineID(in.u32())
	p.FullPageWrites = in.bool()
	if in.LogsWALLevel() {
		in.align(4)
		p.WALLevel = in.i32()
	}
	in.align(8)
	p.NextXID = in.u64()
	if in.WideGxid() {
		p.NextGxid = in.u64()
	}
	p.NextOID = in.u32()
	if in.CountsRelNumbers() {
		p.NextRelfilenode = in.relNumber()
	}
	p.NextMulti, p.NextMultiOffset = in.u32(), in.u32()
	p.OldestXID, p.OldestXIDDB, p.OldestMulti, p.OldestMultiDB = in.u32(), in.u32(), in.u32(), in.u32()
	in.align(8)
	p.Time = in.i64()
	p.OldestCommitTsXID, p.NewestCommitTsXID, p.OldestActiveXID = in.u32(), in.u32(), in.u32()
	in.align(8)
	p.Distributed.decode(in)
}

// Describe implements Payload.
func (p *CheckPoint) Describe(dst []byte, pr *Printing) []byte {
	dst = appendLSN(dst, "redo ", p.Redo)
	dst = appendUint(dst, "; tli ", p.ThisTimeLineID)
	dst = appendUint(dst, "; prev tli ", p.PrevTimeLineID)
	dst = appendTrueFalse(dst, "; fpw ", p.FullPageWrites)
	if pr.Dialect.LogsWALLevel() {
		dst = appendWALLevel(dst, "; wal_level ", p.WALLevel)
	}
	dst = p.appendCounters(dst, pr.Dialect)
	dst = appendUint(dst, "; oldest xid ", p.OldestXID)
	dst = appendUint(dst, " in DB ", p.OldestXIDDB)
	dst = appendUint(dst, "; oldest multi ", p.OldestMulti)
	dst = appendUint(dst, " in DB ", p.OldestMultiDB)
	dst = appendUint(dst, "; oldest/newest commit timestamp xid: ", p.OldestCommitTsXID)
	dst = appendUint(dst, "/", p.NewestCommitTsXID)
	dst = appendUint(dst, "; oldest running xid ", p.OldestActiveXID)
	if p.Shutdown {
		dst = append(dst, "; shutdown"...)
	} else {
		dst = append(dst, "; online"...)
	}
	return p.Distributed.describe(dst)
}

// appendCounters appends what will be given away next.
func (p *CheckPoint) appendCounters(dst []byte, d *xlog.Dialect) []byte {
	dst = appendUint(dst, "; xid ", p.NextXID>>32)
	dst = appendUint(dst, ":", uint32(p.NextXID))
	if d.CheckpointTextGxid() {
		dst = appendUint(dst, "; gxid ", p.NextGxid)
	}
	dst = appendUint(dst, "; oid ", p.NextOID)
	if d.CountsRelNumbers() {
		dst = appendUint(dst, "; relfilenode ", p.NextRelfilenode)
	}
	dst = appendUint(dst, "; multi ", p.NextMulti)
	return appendUint(dst, "; offset ", p.NextMultiOffset)
}

// DistributedCommits is TMGXACT_CHECKPOINT of Greenplum (src/include/cdb/cdbtm.h): the distributed transactions that
// are committed, but of which not all segments have said so.
//
//	committedCount i32, pad 4, gxid u64 * committedCount
//	committedCount i32, {gid char * 22, pad 2, gxid u32} * committedCount    in the development build
type DistributedCommits struct {
	raw  []byte
	size int // of an item, 0 when the checkpoint has no such part
	main int // length of the record's main data, which the description gives
}

const (
	gxidSize    = 8
	gidSize     = 22 // TMGIDSIZE of the development build
	gxidAt      = 24
	gidGxidSize = 28
)

func (a *DistributedCommits) decode(in *input) {
	*a = DistributedCommits{}
	if !in.CheckpointDistributed() || in.left() == 0 { // a bootstrap's checkpoint ends before
		return
	}
	a.main, a.size = len(in.main), gidGxidSize
	n := in.i32()
	if in.WideGxid() {
		in.skip(4)
		a.size = gxidSize
	}
	a.raw = in.array(int64(n), a.size)
}

// Len is the number of transactions.
func (a DistributedCommits) Len() int { return itemCount(a.raw, a.size) }

// At is transaction i: its number, and in the development build its name, a text.
func (a DistributedCommits) At(i int) (gxid uint64, gid []byte) {
	b := a.raw[i*a.size : (i+1)*a.size]
	if a.size == gxidSize {
		return binary.LittleEndian.Uint64(b), nil
	}
	return uint64(binary.LittleEndian.Uint32(b[gxidAt:])), cutZero(b[:gidSize])
}

func (a DistributedCommits) describe(dst []byte) []byte {
	if a.size == 0 {
		return dst
	}
	head := 4
	if a.size == gxidSize {
		head = 8
	}
	dst = appendInt(dst, ", checkpoint record data length = ", a.main)
	dst = appendInt(dst, ", DTX committed count ", a.Len())
	return appendInt(dst, ", DTX data length ", head+len(a.raw))
}

// CheckPointRedo is where the redo of an online checkpoint begins, from PostgreSQL 17 on.
//
//	wal_level i32
type CheckPointRedo struct {
	WALLevel int32
}

func (p *CheckPointRedo) decode(in *input) { p.WALLevel = in.i32() }

// Describe implements Payload.
func (p *CheckPointRedo) Describe(dst []byte, _ *Printing) []byte {
	return appendWALLevel(dst, "wal_level ", p.WALLevel)
}

// EndOfRecovery is xl_end_of_recovery: a promoted standby begins a timeline without a checkpoint.
//
//	end_time i64, ThisTimeLineID u32, PrevTimeLineID u32, [wal_level i32 from 17 on]
type EndOfRecovery struct {
	Time           int64 // TimestampTz, microseconds since 2000
	ThisTimeLineID xlog.TimelineID
	PrevTimeLineID xlog.TimelineID
	WALLevel       int32
}

func (p *EndOfRecovery) decode(in *input) {
	p.Time = in.i64()
	p.ThisTimeLineID, p.PrevTimeLineID = xlog.TimelineID(in.u32()), xlog.TimelineID(in.u32())
	if in.LogsWALLevel() {
		p.WALLevel = in.i32()
	}
}

// Describe implements Payload.
func (p *EndOfRecovery) Describe(dst []byte, pr *Printing) []byte {
	dst = appendUint(dst, "tli ", p.ThisTimeLineID)
	dst = appendUint(dst, "; prev tli ", p.PrevTimeLineID)
	dst = pr.appendTimestamp(append(dst, "; time "...), p.Time)
	if pr.Dialect.LogsWALLevel() {
		dst = appendWALLevel(dst, "; wal_level ", p.WALLevel)
	}
	return dst
}

// ParameterChange is xl_parameter_change: settings that a standby must know were changed.
//
//	MaxConnections i32, max_worker_processes i32, max_wal_senders i32, max_prepared_xacts i32, max_locks_per_xact i32,
//	wal_level i32, wal_log_hints bool, track_commit_timestamp bool
type ParameterChange struct {
	MaxConnections       int32
	MaxWorkerProcesses   int32
	MaxWALSenders        int32
	MaxPreparedXacts     int32
	MaxLocksPerXact      int32
	WALLevel             int32
	WALLogHints          bool
	TrackCommitTimestamp bool
}

func (p *ParameterChange) decode(in *input) {
	p.MaxConnections, p.MaxWorkerProcesses, p.MaxWALSenders = in.i32(), in.i32(), in.i32()
	p.MaxPreparedXacts, p.MaxLocksPerXact, p.WALLevel = in.i32(), in.i32(), in.i32()
	p.WALLogHints, p.TrackCommitTimestamp = in.bool(), in.bool()
}

// Describe implements Payload.
func (p *ParameterChange) Describe(dst []byte, _ *Printing) []byte {
	dst = appendInt(dst, "max_connections=", p.MaxConnections)
	dst = appendInt(dst, " max_worker_processes=", p.MaxWorkerProcesses)
	dst = appendInt(dst, " max_wal_senders=", p.MaxWALSenders)
	dst = appendInt(dst, " max_prepared_xacts=", p.MaxPreparedXacts)
	dst = appendInt(dst, " max_locks_per_xact=", p.MaxLocksPerXact)
	dst = appendWALLevel(dst, " wal_level=", p.WALLevel)
	dst = appendOnOff(dst, " wal_log_hints=", p.WALLogHints)
	return appendOnOff(dst, " track_commit_timestamp=", p.TrackCommitTimestamp)
}

func appendOnOff(dst []byte, label string, v bool) []byte {
	if v {
		return append(append(dst, label...), "on"...)
	}
	return append(append(dst, label...), "off"...)
}

// appendWALLevel appends the setting wal_level (wal_level_options).
func appendWALLevel(dst []byte, label string, level int32) []byte {
	names := [...]string{"minimal", "replica", "logical"}
	dst = append(dst, label...)
	if level >= 0 && int(level) < len(names) {
		return append(dst, names[level]...)
	}
	return append(dst, '?')
}
