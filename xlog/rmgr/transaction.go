// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// xactHasInfo is XLOG_XACT_HAS_INFO.
const xactHasInfo uint8 = 0x80

// Records of Transaction (src/include/access/xact.h, src/backend/access/rmgrdesc/xactdesc.c).
func transactionOps(d *xlog.Dialect) []op {
	ops := []op{
		{0x00, "COMMIT", func() Payload { return new(XactCommit) }},
		{0x10, "PREPARE", func() Payload { return new(XactPrepare) }},
		{0x20, "ABORT", func() Payload { return new(XactAbort) }},
		{0x30, "COMMIT_PREPARED", func() Payload { return new(XactCommit) }},
		{0x40, "ABORT_PREPARED", func() Payload { return new(XactAbort) }},
		{0x50, "ASSIGNMENT", func() Payload { return new(XactAssignment) }},
	}
	next := uint8(0x60)
	if d.XactInvalidations() {
		ops = append(ops, op{next, "INVALIDATION", func() Payload { return new(XactInvalidations) }})
		next += 0x10
	}
	if d.XactDistributed() {
		ops = append(ops,
			op{next, "DISTRIBUTED_COMMIT", func() Payload { return new(XactDistributedCommit) }},
			op{next + 0x10, "DISTRIBUTED_FORGET", func() Payload { return new(XactDistributedForget) }})
	}
	if d.XactHasInfoBit() {
		for _, o := range ops {
			o.info |= xactHasInfo
			ops = append(ops, o)
		}
	}
	return ops
}

// XactAssignment is xl_xact_assignment: subtransactions of a transaction that has many of them.
//
//	xtop u32, nsubxacts i32, xsub u32 * nsubxacts
type XactAssignment struct {
	TopXID   uint32
	Subxacts Uint32s
}

func (p *XactAssignment) decode(in *input) {
	p.TopXID = in.u32()
	p.Subxacts = in.u32s(int64(in.i32()))
}

// Describe implements Payload.
func (p *XactAssignment) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "xtop ", p.TopXID)
	dst = append(dst, ": subxacts:"...)
	return appendList(dst, "", p.Subxacts)
}

// XactInvalidations is xl_xact_invals as a record: what a transaction that goes on has made invalid so far, for logical
// decoding.
//
//	nmsgs i32, msgs * nmsgs
type XactInvalidations struct {
	Invalidations Invalidations
}

func (p *XactInvalidations) decode(in *input) { p.Invalidations = in.countedInvalidations() }

// Describe implements Payload.
func (p *XactInvalidations) Describe(dst []byte, pr *Printing) []byte {
	return pr.appendInvalidations(dst, p.Invalidations, 0, 0, false)
}

// DistributedXID is the number of a transaction across a Greenplum cluster (DistributedTransactionId).
type DistributedXID struct {
	ID   uint64 // 0 for none; of 32 bits in the development build
	Time int64  // when the coordinator started, in seconds since 1970; the development build only
}

// appendGID appends the transaction's name, from which the segments know it.
func (x DistributedXID) appendGID(dst []byte, p *Printing) []byte {
	if !p.Dialect.XactDistributedTime() {
		return appendUint(dst, "", x.ID)
	}
	dst = append(appendInt(dst, "", x.Time), '-')
	return appendZeros(dst, x.ID, 10)
}

// XactDistributedCommit is the commit of a transaction across a Greenplum cluster, as its coordinator writes it: the
// local commit with all that belongs to it, and at the same time the word that all segments must commit.
type XactDistributedCommit struct {
	XactEnd
}

func (p *XactDistributedCommit) decode(in *input) { p.XactEnd.decode(in, true) }

// Describe implements Payload.
func (p *XactDistributedCommit) Describe(dst []byte, pr *Printing) []byte {
	dst = pr.appendTimestamp(append(dst, "distributed commit "...), p.Time)
	if !pr.Dialect.XactTextGreenplum() {
		dst = p.Distributed.appendGID(append(dst, " gid = "...), pr)
		dst = append(dst, ',')
	}
	return appendUint(dst, " gxid = ", p.Distributed.ID)
}

// XactDistributedForget is xl_xact_distributed_forget: all segments have committed a distributed transaction.
//
//	gxid u64
//	gid char * 22, pad 2, gxid u32    in the development build
type XactDistributedForget struct {
	GID []byte // nil but in the development build
	ID  uint64
}

func (p *XactDistributedForget) decode(in *input) {
	if in.XactDistributedTime() {
		p.GID = cutZero(in.bytes(22))
		in.skip(2)
		p.ID = uint64(in.u32())
		return
	}
	p.ID = in.u64()
}

// Describe implements Payload.
func (p *XactDistributedForget) Describe(dst []byte, pr *Printing) []byte {
	dst = append(dst, "distributed forget "...)
	if !pr.Dialect.XactTextGreenplum() {
		dst = append(dst, ' ')
	}
	if pr.Dialect.XactDistributedTime() {
		dst = append(append(append(dst, "gid = "...), p.GID...), ", "...)
	}
	return appendUint(dst, "gxid = ", p.ID)
}
