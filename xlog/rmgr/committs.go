// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of CommitTs (src/include/access/commit_ts.h, src/backend/access/rmgrdesc/committsdesc.c).
func commitTsOps(d *xlog.Dialect) []op {
	ops := []op{
		{0x00, "ZEROPAGE", func() Payload { return new(CommitTsZeroPage) }},
		{0x10, "TRUNCATE", func() Payload { return new(CommitTsTruncate) }},
	}
	if d.CommitTsSets() {
		ops = append(ops, op{0x20, "SETTS", func() Payload { return new(CommitTsSet) }})
	}
	return ops
}

// CommitTsZeroPage says that a page of zeros was added to pg_commit_ts.
//
//	pageno, see pageNumber
type CommitTsZeroPage struct {
	Page int64
}

func (p *CommitTsZeroPage) decode(in *input) { p.Page = in.pageNumber() }

// Describe implements Payload.
func (p *CommitTsZeroPage) Describe(dst []byte, _ *Printing) []byte {
	return appendInt(dst, "", p.Page)
}

// CommitTsTruncate is xl_commit_ts_truncate: old segments of pg_commit_ts were removed.
//
//	pageno, see pageNumber, oldestXid u32
type CommitTsTruncate struct {
	Page      int64 // the first that is needed
	OldestXID uint32
}

func (p *CommitTsTruncate) decode(in *input) { p.Page, p.OldestXID = in.pageNumber(), in.u32() }

// Describe implements Payload.
func (p *CommitTsTruncate) Describe(dst []byte, _ *Printing) []byte {
	dst = appendInt(dst, "pageno ", p.Page)
	return appendUint(dst, ", oldestXid ", p.OldestXID)
}

// CommitTsSet is xl_commit_ts_set, of PostgreSQL up to 13: the time of a transaction and its subtransactions.
//
//	timestamp i64, nodeid u16, pad 2, mainxid u32, subxact u32 * as many as there are
type CommitTsSet struct {
	Time     int64 // TimestampTz, microseconds since 2000
	Origin   uint16
	XID      uint32
	Subxacts Uint32s
}

func (p *CommitTsSet) decode(in *input) {
	p.Time, p.Origin = in.i64(), in.u16()
	in.align(4)
	p.XID = in.u32()
	p.Subxacts = in.u32s(int64(in.left() / 4))
}

// Describe implements Payload.
func (p *CommitTsSet) Describe(dst []byte, pr *Printing) []byte {
	dst = pr.appendTimestamp(append(dst, "set "...), p.Time)
	dst = appendUint(dst, "/", p.Origin)
	dst = appendUint(dst, " for: ", p.XID)
	for i := range p.Subxacts.Len() {
		dst = appendUint(dst, ", ", p.Subxacts.At(i))
	}
	return dst
}
