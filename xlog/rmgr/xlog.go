// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of XLOG (src/include/catalog/pg_control.h, src/include/access/xlog_internal.h,
// src/backend/access/rmgrdesc/xlogdesc.c).
func xlogOps(d *xlog.Dialect) []op {
	ops := []op{
		{0x00, "CHECKPOINT_SHUTDOWN", func() Payload { return new(CheckPoint) }},
		{0x10, "CHECKPOINT_ONLINE", func() Payload { return new(CheckPoint) }},
		{0x20, "NOOP", func() Payload { return new(Noop) }},
		{0x30, "NEXTOID", func() Payload { return new(NextOID) }},
		{0x40, "SWITCH", func() Payload { return new(Switch) }},
		{0x50, "BACKUP_END", func() Payload { return new(BackupEnd) }},
		{0x60, "PARAMETER_CHANGE", func() Payload { return new(ParameterChange) }},
		{0x70, "RESTORE_POINT", func() Payload { return new(RestorePoint) }},
		{0x80, "FPW_CHANGE", func() Payload { return new(FPWChange) }},
		{0x90, "END_OF_RECOVERY", func() Payload { return new(EndOfRecovery) }},
		{0xA0, "FPI_FOR_HINT", func() Payload { return new(FullPageImage) }},
		{0xB0, "FPI", func() Payload { return new(FullPageImage) }},
	}
	if d.CountsRelNumbers() {
		ops = append(ops, op{0xC0, "NEXTRELFILENODE", func() Payload { return new(NextRelfilenode) }})
	}
	if d.WideGxid() {
		ops = append(ops, op{0xD0, "NEXTGXID", func() Payload { return new(NextGxid) }})
	}
	if d.OverwritesContrecords() {
		ops = append(ops, op{d.OverwriteContrecordInfo(), "OVERWRITE_CONTRECORD",
			func() Payload { return new(OverwriteContrecord) }})
	}
	if d.LogsWALLevel() {
		ops = append(ops, op{0xE0, "CHECKPOINT_REDO", func() Payload { return new(CheckPointRedo) }})
	}
	return ops
}

// Noop is there to take room; its bytes mean nothing.
type Noop struct {
	Main []byte
}

func (p *Noop) decode(in *input) { p.Main = in.rest() }

// Describe implements Payload.
func (p *Noop) Describe(dst []byte, _ *Printing) []byte { return dst }

// NextOID says that object ids below it may be given away without further records.
//
//	nextOid u32
type NextOID struct {
	OID uint32
}

func (p *NextOID) decode(in *input) { p.OID = in.u32() }

// Describe implements Payload.
func (p *NextOID) Describe(dst []byte, _ *Printing) []byte { return appendUint(dst, "", p.OID) }

// NextRelfilenode says that file numbers of relations below it may be given away without further records. Greenplum's.
//
//	nextRelfilenode u32, or u64 in Cloudberry
type NextRelfilenode struct {
	RelNumber uint64
}

func (p *NextRelfilenode) decode(in *input) { p.RelNumber = in.relNumber() }

// relNumber reads a relation's file number, with the padding before it.
func (in *input) relNumber() uint64 {
	if in.RelNodeSize() == 16 {
		in.align(8)
		return in.u64()
	}
	return uint64(in.u32())
}

// Describe implements Payload.
func (p *NextRelfilenode) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(dst, "", p.RelNumber)
}

// NextGxid says that distributed transaction ids below it may be given away without further records. Greenplum's.
//
//	nextGxid u64
type NextGxid struct {
	ID uint64
}

func (p *NextGxid) decode(in *input) { p.ID = in.u64() }

// Describe implements Payload.
func (p *NextGxid) Describe(dst []byte, _ *Printing) []byte { return appendUint(dst, "", p.ID) }

// Switch says that the rest of the segment is empty.
type Switch struct{}

func (p *Switch) decode(*input) {}

// Describe implements Payload.
func (p *Switch) Describe(dst []byte, _ *Printing) []byte { return dst }

// BackupEnd is the end of a base backup: a server that recovers from it is consistent from here on.
//
//	startpoint u64
type BackupEnd struct {
	StartPoint xlog.LSN // where the backup's redo begins
}

func (p *BackupEnd) decode(in *input) { p.StartPoint = in.lsn() }

// Describe implements Payload.
func (p *BackupEnd) Describe(dst []byte, _ *Printing) []byte { return appendLSN(dst, "", p.StartPoint) }

// FPWChange says that full_page_writes was changed.
//
//	fpw bool
type FPWChange struct {
	FullPageWrites bool
}

func (p *FPWChange) decode(in *input) { p.FullPageWrites = in.bool() }

// Describe implements Payload.
func (p *FPWChange) Describe(dst []byte, _ *Printing) []byte {
	return appendTrueFalse(dst, "", p.FullPageWrites)
}

// FullPageImage is the images of pages, one for each block reference. Redo stores them.
type FullPageImage struct{}

func (p *FullPageImage) decode(*input) {}

// Describe implements Payload.
func (p *FullPageImage) Describe(dst []byte, _ *Printing) []byte { return dst }

// RestorePoint is xl_restore_point: a name that recovery can stop at.
//
//	rp_time i64, rp_name char * 64
type RestorePoint struct {
	Time int64 // TimestampTz, microseconds since 2000
	Name []byte
}

func (p *RestorePoint) decode(in *input) {
	p.Time = in.i64()
	p.Name = cutZero(in.bytes(64))
}

// Describe implements Payload.
func (p *RestorePoint) Describe(dst []byte, _ *Printing) []byte { return append(dst, p.Name...) }

// OverwriteContrecord is xl_overwrite_contrecord: the record before this one has no end, because the server crashed
// while it was written.
//
//	overwritten_lsn u64, overwrite_time i64
type OverwriteContrecord struct {
	Overwritten xlog.LSN // begin of the broken record
	Time        int64    // TimestampTz, microseconds since 2000
}

func (p *OverwriteContrecord) decode(in *input) { p.Overwritten, p.Time = in.lsn(), in.i64() }

// Describe implements Payload.
func (p *OverwriteContrecord) Describe(dst []byte, pr *Printing) []byte {
	dst = appendLSN(dst, "lsn ", p.Overwritten)
	return pr.appendTimestamp(append(dst, "; time "...), p.Time)
}

// appendTrueFalse is true or false behind the label.
func appendTrueFalse(dst []byte, label string, v bool) []byte {
	if v {
		return append(append(dst, label...), "true"...)
	}
	return append(append(dst, label...), "false"...)
}
