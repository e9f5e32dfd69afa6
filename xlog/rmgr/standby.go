// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Records of Standby (src/include/storage/standbydefs.h, src/backend/access/rmgrdesc/standbydesc.c).
func standbyOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "LOCK", func() Payload { return new(StandbyLock) }},
		{0x10, "RUNNING_XACTS", func() Payload { return new(RunningXacts) }},
		{0x20, "INVALIDATIONS", func() Payload { return new(StandbyInvalidations) }},
	}
}

// StandbyLock is xl_standby_locks: access exclusive locks that transactions hold.
//
//	nlocks i32, {xid u32, dbOid u32, relOid u32} * nlocks
type StandbyLock struct {
	Locks RelationLocks
}

func (p *StandbyLock) decode(in *input) { p.Locks = in.array(int64(in.i32()), relationLockSize) }

// Describe implements Payload.
func (p *StandbyLock) Describe(dst []byte, _ *Printing) []byte {
	for i := range p.Locks.Len() {
		lock := p.Locks.At(i)
		dst = appendUint(dst, "xid ", lock.XID)
		dst = appendUint(dst, " db ", lock.Database)
		dst = appendUint(dst, " rel ", lock.Relation)
		dst = append(dst, ' ')
	}
	return dst
}

// RelationLock is xl_standby_lock: a transaction holds an access exclusive lock on a relation.
type RelationLock struct {
	XID      uint32
	Database uint32 // 0 for a shared relation
	Relation uint32 // its object id
}

// RelationLocks is an array of locks in a record.
type RelationLocks []byte

const relationLockSize = 12

// Len is the number of locks.
func (a RelationLocks) Len() int { return len(a) / relationLockSize }

// At is lock i.
func (a RelationLocks) At(i int) RelationLock {
	b := a[i*relationLockSize:]
	return RelationLock{
		XID: binary.LittleEndian.Uint32(b), Database: binary.LittleEndian.Uint32(b[4:]),
		Relation: binary.LittleEndian.Uint32(b[8:]),
	}
}

// RunningXacts is xl_running_xacts: which transactions are in progress, for hot standbys and logical decoding.
//
//	xcnt i32, subxcnt i32, subxid_overflow bool, pad 3, nextXid u32, oldestRunningXid u32, latestCompletedXid u32,
//	xid u32 * xcnt, subxid u32 * subxcnt
type RunningXacts struct {
	SubxidOverflow     bool // some subtransactions are missing
	NextXID            uint32
	OldestRunningXID   uint32
	LatestCompletedXID uint32
	XIDs               Uint32s
	SubXIDs            Uint32s
}

func (p *RunningXacts) decode(in *input) {
	n, subs := in.i32(), in.i32()
	p.SubxidOverflow = in.bool()
	in.align(4)
	p.NextXID, p.OldestRunningXID, p.LatestCompletedXID = in.u32(), in.u32(), in.u32()
	p.XIDs, p.SubXIDs = in.u32s(int64(n)), in.u32s(int64(subs))
}

// Append writes the record's main data, which is the same in every dialect.
func (p *RunningXacts) Append(dst []byte) []byte {
	o := output{dst: dst, start: len(dst)}
	o.u32(uint32(p.XIDs.Len()), uint32(p.SubXIDs.Len()))
	o.bool(p.SubxidOverflow)
	o.u32(p.NextXID, p.OldestRunningXID, p.LatestCompletedXID)
	return append(append(o.dst, p.XIDs...), p.SubXIDs...)
}

// Describe implements Payload.
func (p *RunningXacts) Describe(dst []byte, pr *Printing) []byte {
	dst = appendUint(dst, "nextXid ", p.NextXID)
	dst = appendUint(dst, " latestCompletedXid ", p.LatestCompletedXID)
	dst = appendUint(dst, " oldestRunningXid ", p.OldestRunningXID)
	dst = appendCounted(dst, " xacts:", p.XIDs)
	if !pr.Dialect.RunningXactsTextFull() {
		return appendFlag(dst, p.SubxidOverflow, "; subxid ovf")
	}
	dst = appendFlag(dst, p.SubxidOverflow, "; subxid overflowed")
	return appendCounted(dst, " subxacts:", p.SubXIDs)
}

// appendCounted appends how many numbers there are, and the numbers; nothing when there are none.
func appendCounted(dst []byte, label string, numbers Uint32s) []byte {
	if numbers.Len() == 0 {
		return dst
	}
	dst = appendInt(dst, "; ", numbers.Len())
	return appendList(dst, label, numbers)
}

// StandbyInvalidations is xl_invalidations: what other sessions must forget after a transaction that has no id.
//
//	dbId u32, tsId u32, relcacheInitFileInval bool, pad 3, nmsgs i32, messages
type StandbyInvalidations struct {
	Database      uint32
	Tablespace    uint32
	RelcacheInit  bool // the database's relation cache file must be removed
	Invalidations Invalidations
}

func (p *StandbyInvalidations) decode(in *input) {
	p.Database, p.Tablespace, p.RelcacheInit = in.u32(), in.u32(), in.bool()
	in.align(4)
	p.Invalidations = in.invalidations(in.i32())
}

// Describe implements Payload.
func (p *StandbyInvalidations) Describe(dst []byte, pr *Printing) []byte {
	return pr.appendInvalidations(dst, p.Invalidations, p.Database, p.Tablespace, p.RelcacheInit)
}
