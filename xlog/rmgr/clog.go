// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of CLOG (src/include/access/clog.h, src/backend/access/rmgrdesc/clogdesc.c).
func clogOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "ZEROPAGE", func() Payload { return new(CLOGZeroPage) }},
		{0x10, "TRUNCATE", func() Payload { return new(CLOGTruncate) }},
	}
}

// pageNumber reads the number of a page of pg_xact, pg_multixact or pg_commit_ts.
//
//	i32, or i64 from 17 on
func (in *input) pageNumber() int64 {
	if in.WidePageNumbers() {
		return in.i64()
	}
	return int64(in.i32())
}

// CLOGZeroPage says that a page of zeros was added to pg_xact.
//
//	pageno, see pageNumber
type CLOGZeroPage struct {
	Page int64
}

func (p *CLOGZeroPage) decode(in *input) { p.Page = in.pageNumber() }

// Describe implements Payload.
func (p *CLOGZeroPage) Describe(dst []byte, _ *Printing) []byte {
	return appendInt(dst, "page ", p.Page)
}

// CLOGTruncate is xl_clog_truncate: old segments of pg_xact were removed.
//
//	pageno, see pageNumber, oldestXact u32, oldestXactDb u32
type CLOGTruncate struct {
	Page      int64  // the first that is needed
	OldestXID uint32 // oldest transaction that is not frozen
	OldestDB  uint32 // and a database that has it
}

func (p *CLOGTruncate) decode(in *input) {
	p.Page = in.pageNumber()
	p.OldestXID, p.OldestDB = in.u32(), in.u32()
}

// Describe implements Payload.
func (p *CLOGTruncate) Describe(dst []byte, _ *Printing) []byte {
	dst = appendInt(dst, "page ", p.Page)
	return appendUint(dst, "; oldestXact ", p.OldestXID)
}
