// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Appendonly, Greenplum's append-optimized tables (src/include/cdb/cdbappendonlyxlog.h,
// src/backend/access/rmgrdesc/appendonlydesc.c). Their files have no pages.
func appendonlyOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "APPENDONLY_INSERT", func() Payload { return new(AppendonlyInsert) }},
		{0x10, "APPENDONLY_TRUNCATE", func() Payload { return new(AppendonlyTruncate) }},
	}
}

// AppendonlyTarget is xl_ao_target: a place in a file.
//
//	relation, segment_filenum u32, [pad 4 behind a relation of 16 bytes,] file_offset i64
type AppendonlyTarget struct {
	Relation xlog.RelFileLocator
	Segment  uint32 // which of the relation's files: RELATION for 0, RELATION.n for others
	Offset   int64  // in bytes
}

func (in *input) appendonlyTarget() (t AppendonlyTarget) {
	t.Relation, t.Segment = in.relation(), in.u32()
	in.align(8)
	t.Offset = in.i64()
	return t
}

func (t *AppendonlyTarget) describe(dst []byte, label string) []byte {
	dst = appendRelation(dst, label, t.Relation)
	dst = appendUint(dst, " seg/offset:", t.Segment)
	return appendInt(dst, "/", t.Offset)
}

// AppendonlyInsert is xl_ao_insert: bytes were written to a file.
//
//	target, data
type AppendonlyInsert struct {
	AppendonlyTarget
	Data []byte
}

func (p *AppendonlyInsert) decode(in *input) {
	p.AppendonlyTarget, p.Data = in.appendonlyTarget(), in.rest()
}

// Describe implements Payload.
func (p *AppendonlyInsert) Describe(dst []byte, _ *Printing) []byte {
	return appendInt(p.describe(dst, "insert: rel "), " len:", len(p.Data))
}

// AppendonlyTruncate is xl_ao_truncate: a file was cut at Offset.
//
//	target
type AppendonlyTruncate struct {
	AppendonlyTarget
}

func (p *AppendonlyTruncate) decode(in *input) { p.AppendonlyTarget = in.appendonlyTarget() }

// Describe implements Payload.
func (p *AppendonlyTruncate) Describe(dst []byte, _ *Printing) []byte {
	return p.describe(dst, "truncate: rel ")
}
