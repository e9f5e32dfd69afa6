// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Bits of xinfo (XACT_XINFO_HAS_* and XACT_COMPLETION_*): what a commit or abort carries, and what redo must do.
const (
	XactHasDatabase      uint32 = 1 << 0 // XACT_XINFO_HAS_DBINFO
	XactHasSubxacts      uint32 = 1 << 1
	XactHasRelations     uint32 = 1 << 2 // XACT_XINFO_HAS_RELFILELOCATORS
	XactHasInvalidations uint32 = 1 << 3
	XactHasTwoPhase      uint32 = 1 << 4
	XactHasOrigin        uint32 = 1 << 5
	XactHasAELocks       uint32 = 1 << 6 // the transaction took AccessExclusive locks
	XactHasGID           uint32 = 1 << 7
	XactHasDroppedStats  uint32 = 1 << 8 // from 15 on
	XactHasDistributed   uint32 = 1 << 8 // Greenplum
	XactHasDatabases     uint32 = 1 << 9 // Greenplum: XACT_XINFO_HAS_DELDBS

	XactApplyFeedback      uint32 = 1 << 29
	XactUpdateRelcacheFile uint32 = 1 << 30
	XactForceSyncCommit    uint32 = 1 << 31
)

// XactEnd is what the end of a transaction carries: xl_xact_commit and xl_xact_abort with the parts that follow.
//
//	xact_time i64
//	[tablespace u32, pad 4]                Greenplum
//	[xinfo u32]                            if the record's info says so; always in Cloudberry
//	then by the bits of xinfo:
//	dbId u32, tsId u32
//	nsubxacts i32, subxacts u32 * n
//	nrels i32, relations * n               see PendingDeletes
//	nitems i32, items * n                  from 15 on, see DroppedStats
//	nmsgs i32, msgs * n                    not in an abort
//	ndeldbs i32, {tsId u32, dbId u32} * n  Greenplum
//	xid u32 [, gid with a zero byte]
//	origin_lsn u64, origin_timestamp i64
//	gxid u64                               Greenplum, not in an abort
//	timestamp i64, gxid u32, pad 4         the same in the development build
type XactEnd struct {
	Time     int64 // TimestampTz
	Info     uint32
	Database uint32
	// Tablespace is that of the database, for the relation cache's file.
	Tablespace    uint32
	Subxacts      Uint32s
	Relations     PendingDeletes // whose files to remove
	DroppedStats  DroppedStats
	Invalidations Invalidations
	XID           uint32 // of the prepared transaction that ends; 0 for the record's own
	GID           []byte // name of the prepared transaction
	Origin        uint16 // replication origin, 0 for none
	OriginLSN     xlog.LSN
	OriginTime    int64

	// Greenplum's.
	RemoveTablespace uint32 // whose directory to remove, 0 for none
	Databases        DatabaseDirs
	Distributed      DistributedXID
}

func (p *XactEnd) decode(in *input, commit bool) {
	*p = XactEnd{Time: in.i64(), Origin: in.body.Origin}
	if in.XactTablespace() {
		p.RemoveTablespace = in.u32()
		in.skip(4)
	}
	if !in.XactHasInfoBit() || in.rec.Info&xactHasInfo != 0 {
		p.Info = in.u32()
	}
	if p.Info&XactHasDatabase != 0 {
		p.Database, p.Tablespace = in.u32(), in.u32()
	}
	if p.Info&XactHasSubxacts != 0 {
		p.Subxacts = in.u32s(int64(in.i32()))
	}
	p.decodeDropped(in)
	if commit && p.Info&XactHasInvalidations != 0 {
		p.Invalidations = in.countedInvalidations()
	}
	if in.XactDistributed() && p.Info&XactHasDatabases != 0 {
		p.Databases = in.array(int64(in.i32()), 8)
	}
	p.decodeWhose(in)
	if commit && in.XactDistributed() && p.Info&XactHasDistributed != 0 {
		p.Distributed = in.distributedXID()
	}
}

// decodeDropped reads what goes with the transaction's end: files and statistics.
func (p *XactEnd) decodeDropped(in *input) {
	if p.Info&XactHasRelations != 0 {
		n := in.i32()
		if in.RelNodeSize() == 16 {
			in.skip(4)
		}
		p.Relations = in.pendingDeletes(n)
	}
	if in.XactDroppedStatsSize() > 0 && p.Info&XactHasDroppedStats != 0 {
		p.DroppedStats = in.droppedStats(in.i32())
	}
}

// decodeWhose reads which transaction ends, and where it comes from.
func (p *XactEnd) decodeWhose(in *input) {
	if p.Info&XactHasTwoPhase != 0 {
		p.XID = in.u32()
		if p.Info&XactHasGID != 0 {
			p.GID = in.cstring()
		}
	}
	if p.Info&XactHasOrigin != 0 {
		p.OriginLSN, p.OriginTime = in.lsn(), in.i64()
	}
}

func (in *input) distributedXID() DistributedXID {
	if !in.XactDistributedTime() {
		return DistributedXID{ID: in.u64()}
	}
	x := DistributedXID{Time: in.i64(), ID: uint64(in.u32())}
	in.skip(4)
	return x
}

// XactCommit is a commit, of a transaction or of a prepared one.
type XactCommit struct {
	XactEnd
}

func (p *XactCommit) decode(in *input) { p.XactEnd.decode(in, true) }

// Describe implements Payload.
func (p *XactCommit) Describe(dst []byte, pr *Printing) []byte {
	dst = p.appendBegin(dst, pr)
	dst = appendDroppedStats(dst, "; dropped stats:", p.DroppedStats)
	dst = pr.appendInvalidations(dst, p.Invalidations, p.Database, p.Tablespace, p.Info&XactUpdateRelcacheFile != 0)
	dst = p.appendGreenplum(dst, pr, "; tablespace_oid_to_delete_on_commit: ")
	feedback := pr.Dialect.XactTextEverything() && p.Info&XactApplyFeedback != 0
	dst = appendFlag(dst, feedback, "; apply_feedback")
	dst = appendFlag(dst, p.Info&XactForceSyncCommit != 0, "; sync")
	if p.Info&XactHasOrigin != 0 {
		dst = pr.appendOrigin(dst, p.Origin, p.OriginLSN, p.OriginTime)
	}
	if pr.Dialect.XactTextGreenplum() && p.Distributed.ID != 0 {
		dst = appendUint(dst, " gxid = ", p.Distributed.ID)
	}
	return dst
}

// XactAbort is an abort, of a transaction or of a prepared one.
type XactAbort struct {
	XactEnd
}

func (p *XactAbort) decode(in *input) { p.XactEnd.decode(in, false) }

// Describe implements Payload.
func (p *XactAbort) Describe(dst []byte, pr *Printing) []byte {
	dst = p.appendBegin(dst, pr)
	dst = p.appendGreenplum(dst, pr, "; tablespace_oid_to_delete_on_abort: ")
	if pr.Dialect.XactTextEverything() && p.Info&XactHasOrigin != 0 {
		dst = pr.appendOrigin(dst, p.Origin, p.OriginLSN, p.OriginTime)
	}
	return appendDroppedStats(dst, "; dropped stats:", p.DroppedStats)
}

// appendBegin appends what descriptions of commit and abort begin with.
func (p *XactEnd) appendBegin(dst []byte, pr *Printing) []byte {
	if p.XID != 0 {
		dst = append(appendUint(dst, "", p.XID), ": "...)
	}
	dst = pr.appendTimestamp(dst, p.Time)
	dst = pr.appendPendingDeletes(dst, "; rels:", p.Relations)
	return appendList(dst, "; subxacts:", p.Subxacts)
}

func (p *XactEnd) appendGreenplum(dst []byte, pr *Printing, tablespace string) []byte {
	if !pr.Dialect.XactTextGreenplum() {
		return dst
	}
	if p.Databases.Len() > 0 {
		dst = append(dst, "; deldbs:"...)
	}
	for i := range p.Databases.Len() {
		dir := p.Databases.At(i)
		dst = pr.appendDatabasePath(append(dst, ' '), dir.Database, dir.Tablespace)
	}
	if p.RemoveTablespace != 0 {
		dst = appendUint(dst, tablespace, p.RemoveTablespace)
	}
	return dst
}

// appendOrigin appends where a replicated transaction comes from.
func (p *Printing) appendOrigin(dst []byte, node uint16, lsn xlog.LSN, us int64) []byte {
	dst = appendUint(dst, "; origin: node ", node)
	dst = appendLSN(dst, ", lsn ", lsn)
	return p.appendTimestamp(append(dst, ", at "...), us)
}
