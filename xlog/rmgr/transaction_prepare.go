// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// XactPrepare is xl_xact_prepare (TwoPhaseFileHeader): all that a prepared transaction needs to be committed or aborted
// later. It is the content of the file in pg_twophase too, which has a checksum behind it.
//
//	magic u32, total_len u32, xid u32, database u32, prepared_at i64, owner u32,
//	nsubxacts i32, ncommitrels i32, nabortrels i32,
//	[ncommitdbs i32, nabortdbs i32]        Greenplum
//	[ncommitstats i32, nabortstats i32]    from 15 on
//	ninvalmsgs i32, initfileinval u8,
//	[pad, abort tablespace u32, commit tablespace u32]    Greenplum
//	pad, gidlen u16, pad, origin_lsn u64, origin_timestamp i64
//	then each padded to 8 bytes: gid, subxacts, the relations, the databases or statistics, msgs, and the states of
//	the resource managers
type XactPrepare struct {
	Magic         uint32
	TotalLen      uint32 // of the file
	XID           uint32
	Database      uint32
	Time          int64 // TimestampTz
	Owner         uint32
	InitFileInval bool // whether the relation cache's file must go
	Origin        uint16
	OriginLSN     xlog.LSN
	OriginTime    int64
	GID           []byte
	Subxacts      Uint32s

	// What to remove, and to forget, when it commits or aborts.
	CommitRelations, AbortRelations PendingDeletes
	CommitStats, AbortStats         DroppedStats
	Invalidations                   Invalidations // when it commits
	CommitDatabases, AbortDatabases DatabaseDirs  // Greenplum, as the two below
	CommitTablespace                uint32        // 0 for none
	AbortTablespace                 uint32

	States TwoPhaseStates
}

// prepareCounts are the numbers of items in a prepare record.
type prepareCounts struct {
	subxacts, commitRels, abortRels, commitDBs, abortDBs, commitStats, abortStats, msgs int32
	gid                                                                                 uint16
}

func (p *XactPrepare) decode(in *input) {
	n := p.decodeHead(in)
	in.align(8)
	p.GID = cutZero(in.bytes(int(n.gid)))
	in.align(8)
	p.Subxacts = in.u32s(int64(n.subxacts))
	in.align(8)
	p.CommitRelations = in.pendingDeletes(n.commitRels)
	in.align(8)
	p.AbortRelations = in.pendingDeletes(n.abortRels)
	in.align(8)
	p.CommitDatabases = in.array(int64(n.commitDBs), 8)
	p.AbortDatabases = in.array(int64(n.abortDBs), 8)
	if in.XactDroppedStatsSize() > 0 {
		p.CommitStats = in.droppedStats(n.commitStats)
		in.align(8)
		p.AbortStats = in.droppedStats(n.abortStats)
		in.align(8)
	}
	p.Invalidations = in.invalidations(n.msgs)
	in.align(8)
	p.States = in.rest()
}

func (p *XactPrepare) decodeHead(in *input) (n prepareCounts) {
	*p = XactPrepare{Magic: in.u32(), TotalLen: in.u32(), XID: in.u32(), Database: in.u32(), Time: in.i64(),
		Owner: in.u32(), Origin: in.body.Origin}
	n.subxacts, n.commitRels, n.abortRels = in.i32(), in.i32(), in.i32()
	if in.XactDistributed() {
		n.commitDBs, n.abortDBs = in.i32(), in.i32()
	}
	if in.XactDroppedStatsSize() > 0 {
		n.commitStats, n.abortStats = in.i32(), in.i32()
	}
	n.msgs = in.i32()
	p.InitFileInval = in.bool()
	if in.XactTablespace() {
		in.align(4)
		p.AbortTablespace, p.CommitTablespace = in.u32(), in.u32()
	}
	in.align(2)
	n.gid = in.u16()
	in.align(8)
	p.OriginLSN, p.OriginTime = in.lsn(), in.i64()
	return n
}

// Describe implements Payload.
func (p *XactPrepare) Describe(dst []byte, pr *Printing) []byte {
	switch pr.Dialect.XactPrepareText() {
	case xlog.PrepareTextGreenplum:
		return p.describeGreenplum(dst, pr)
	case xlog.PrepareTextFull:
		return p.describe(dst, pr)
	}
	return dst
}

func (p *XactPrepare) describe(dst []byte, pr *Printing) []byte {
	dst = append(append(append(dst, "gid "...), p.GID...), ": "...)
	dst = pr.appendTimestamp(dst, p.Time)
	dst = pr.appendPendingDeletes(dst, "; rels(commit):", p.CommitRelations)
	dst = pr.appendPendingDeletes(dst, "; rels(abort):", p.AbortRelations)
	dst = appendDroppedStats(dst, "; commit dropped stats:", p.CommitStats)
	dst = appendDroppedStats(dst, "; abort dropped stats:", p.AbortStats)
	dst = appendList(dst, "; subxacts:", p.Subxacts)
	dst = pr.appendInvalidations(dst, p.Invalidations, p.Database, 0, p.InitFileInval)
	if pr.Dialect.XactTextEverything() && p.Origin != 0 {
		dst = pr.appendOrigin(dst, p.Origin, p.OriginLSN, p.OriginTime)
	}
	return dst
}

func (p *XactPrepare) describeGreenplum(dst []byte, pr *Printing) []byte {
	dst = pr.appendTimestamp(append(dst, "at = "...), p.Time)
	if len(p.GID) > 0 {
		dst = append(append(dst, "; gid = "...), p.GID...)
	}
	if p.CommitTablespace != 0 {
		dst = appendUint(dst, "; tablespace_oid_to_delete_on_commit = ", p.CommitTablespace)
	}
	if p.AbortTablespace != 0 {
		dst = appendUint(dst, "; tablespace_oid_to_delete_on_abort = ", p.AbortTablespace)
	}
	return dst
}

// TwoPhaseState is what one of the server's parts wants to know when a prepared transaction ends
// (TwoPhaseRecordOnDisk).
//
//	len u32, rmid u8, pad, info u16, data padded to 8 bytes
type TwoPhaseState struct {
	ID   uint8 // TwoPhaseRmgrId: locks 1, statistics 2, multixact 3, predicate locks 4
	Info uint16
	Data []byte
}

// TwoPhaseStates is a sequence of states with one of ID 0 at its end.
type TwoPhaseStates []byte

// Next takes the first state off. It is false at the end, and where the bytes are no such sequence.
func (s TwoPhaseStates) Next() (state TwoPhaseState, rest TwoPhaseStates, ok bool) {
	if len(s) < 8 || s[4] == 0 {
		return state, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(s))
	if n > uint64(len(s)-8) {
		return state, nil, false
	}
	state = TwoPhaseState{ID: s[4], Info: binary.LittleEndian.Uint16(s[6:]), Data: s[8 : 8+n]}
	return state, s[min(8+(n+7)&^7, uint64(len(s))):], true
}
