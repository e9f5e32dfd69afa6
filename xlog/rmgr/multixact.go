// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Records of MultiXact (src/include/access/multixact.h, src/backend/access/rmgrdesc/mxactdesc.c).
func multiXactOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "ZERO_OFF_PAGE", func() Payload { return new(MultiXactZeroPage) }},
		{0x10, "ZERO_MEM_PAGE", func() Payload { return new(MultiXactZeroPage) }},
		{0x20, "CREATE_ID", func() Payload { return new(MultiXactCreate) }},
		{0x30, "TRUNCATE_ID", func() Payload { return new(MultiXactTruncate) }},
	}
}

// MultiXactZeroPage says that a page of zeros was added to pg_multixact/offsets, or to pg_multixact/members.
//
//	pageno, see pageNumber
type MultiXactZeroPage struct {
	Members bool // the record is ZERO_MEM_PAGE
	Page    int64
}

func (p *MultiXactZeroPage) decode(in *input) {
	p.Members, p.Page = in.rec.RmgrInfo() == 0x10, in.pageNumber()
}

// Describe implements Payload.
func (p *MultiXactZeroPage) Describe(dst []byte, _ *Printing) []byte {
	return appendInt(dst, "", p.Page)
}

// MultiXactStatus is what a member of a multixact does with the row.
type MultiXactStatus uint32

// What members do.
const (
	MultiXactForKeyShare MultiXactStatus = iota
	MultiXactForShare
	MultiXactForNoKeyUpdate
	MultiXactForUpdate
	MultiXactNoKeyUpdate
	MultiXactUpdate
)

// String is the status as descriptions give it.
func (s MultiXactStatus) String() string {
	if names := [...]string{"keysh", "sh", "fornokeyupd", "forupd", "nokeyupd", "upd"}; int(s) < len(names) {
		return names[s]
	}
	return "unk"
}

// MultiXactMember is a member of a multixact (MultiXactMember).
type MultiXactMember struct {
	XID    uint32
	Status MultiXactStatus
}

// MultiXactMembers is an array of members in a record.
type MultiXactMembers []byte

const multiXactMemberSize = 8

// Len is the number of members.
func (a MultiXactMembers) Len() int { return len(a) / multiXactMemberSize }

// At is member i.
func (a MultiXactMembers) At(i int) MultiXactMember {
	b := a[i*multiXactMemberSize:]
	return MultiXactMember{
		XID: binary.LittleEndian.Uint32(b), Status: MultiXactStatus(binary.LittleEndian.Uint32(b[4:])),
	}
}

// MultiXactCreate is xl_multixact_create: a new multixact and its members.
//
//	mid u32, moff u32, nmembers i32, {xid u32, status u32} * nmembers
type MultiXactCreate struct {
	MultiXact uint32
	Offset    uint32 // of its first member in pg_multixact/members
	Members   MultiXactMembers
}

func (p *MultiXactCreate) decode(in *input) {
	p.MultiXact, p.Offset = in.u32(), in.u32()
	p.Members = in.array(int64(in.i32()), multiXactMemberSize)
}

// Describe implements Payload.
func (p *MultiXactCreate) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "", p.MultiXact)
	dst = appendUint(dst, " offset ", p.Offset)
	dst = appendInt(dst, " nmembers ", p.Members.Len())
	dst = append(dst, ": "...)
	for i := range p.Members.Len() {
		m := p.Members.At(i)
		dst = appendUint(dst, "", m.XID)
		dst = append(append(dst, " ("...), m.Status.String()...)
		dst = append(dst, ") "...)
	}
	return dst
}

// MultiXactTruncate is xl_multixact_truncate: old segments of pg_multixact were removed.
//
//	oldestMultiDB u32, startTruncOff u32, endTruncOff u32, startTruncMemb u32, endTruncMemb u32
type MultiXactTruncate struct {
	OldestDB     uint32 // a database that has the oldest multixact that is left
	StartMulti   uint32
	EndMulti     uint32 // the oldest that is left
	StartMembers uint32
	EndMembers   uint32
}

func (p *MultiXactTruncate) decode(in *input) {
	p.OldestDB = in.u32()
	p.StartMulti, p.EndMulti, p.StartMembers, p.EndMembers = in.u32(), in.u32(), in.u32(), in.u32()
}

// Describe implements Payload.
func (p *MultiXactTruncate) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "offsets [", p.StartMulti)
	dst = appendUint(dst, ", ", p.EndMulti)
	dst = appendUint(dst, "), members [", p.StartMembers)
	dst = appendUint(dst, ", ", p.EndMembers)
	return append(dst, ')')
}
