// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"bytes"
	"encoding/binary"
)

// RecordHeaderSize is the length in bytes of a record's header (SizeOfXLogRecord).
const RecordHeaderSize = 24

// Bits of xl_info that do not belong to the resource manager (XLR_INFO_MASK).
const (
	XLRSpecialRelUpdate uint8 = 0x01 // the record changes relation files in a way its block references do not show
	XLRCheckConsistency uint8 = 0x02 // the images are for comparison after redo
	XLRInfoMask         uint8 = 0x0F
)

// Info of the records of RmXLOG that the framing needs.
const xlogSwitch uint8 = 0x40

// RecordHeader is the fixed head of every record (XLogRecord in src/include/access/xlogrecord.h). The bytes:
//
//	 0  tot_len u32   of the record, this header included
//	 4  xid     u32
//	 8  prev    u64   LSN of the record before
//	16  info    u8
//	17  rmid    u8
//	18  padding
//	20  crc     u32   CRC-32C of the bytes from 24 on, then of 0 to 19
type RecordHeader struct {
	TotalLen uint32
	XID      uint32
	Prev     LSN
	Info     uint8
	Rmgr     RmgrID
	CRC      uint32
}

// Decode reads a header from the beginning of src, and checks nothing but that src is long enough.
func (h *RecordHeader) Decode(src []byte) error {
	if len(src) < RecordHeaderSize {
		return ErrShort
	}
	h.TotalLen = binary.LittleEndian.Uint32(src)
	h.XID = binary.LittleEndian.Uint32(src[4:])
	h.Prev = LSN(binary.LittleEndian.Uint64(src[8:]))
	h.Info = src[16]
	h.Rmgr = RmgrID(src[17])
	h.CRC = binary.LittleEndian.Uint32(src[20:])
	return nil
}

// Append writes the header's bytes to dst.
func (h *RecordHeader) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, h.TotalLen)
	dst = binary.LittleEndian.AppendUint32(dst, h.XID)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Prev))
	dst = append(dst, h.Info, byte(h.Rmgr), 0, 0)
	return binary.LittleEndian.AppendUint32(dst, h.CRC)
}

// RmgrInfo is the part of Info that the resource manager defines.
func (h *RecordHeader) RmgrInfo() uint8 { return h.Info &^ XLRInfoMask }

// IsSwitch tells whether the rest of the segment after this record is empty (XLOG_SWITCH).
func (h *RecordHeader) IsSwitch() bool { return h.Rmgr == RmXLOG && h.RmgrInfo() == xlogSwitch }

// Record is one record of the log, framed and checked, its payload not yet taken apart: see Decode.
type Record struct {
	RecordHeader

	LSN      LSN        // first byte of the record
	End      LSN        // where the next one begins, page header aside; for a switch, the end of the segment
	Timeline TimelineID // of the page the record begins on

	// Raw is the whole record, header included and page headers taken out. It belongs to the Reader and is valid
	// until its next Next or Feed.
	Raw []byte

	dialect *Dialect
}

// Dialect is the dialect that the record is written in.
func (r *Record) Dialect() *Dialect { return r.dialect }

// Clone copies the record and its bytes, to keep them.
func (r *Record) Clone() *Record {
	c := *r
	c.Raw = bytes.Clone(r.Raw)
	return &c
}

// Decode takes the payload apart into b, which then holds slices of r.Raw. It allocates only when b has never held
// as many blocks. The error is an *EndError of ErrCorrupt.
func (r *Record) Decode(b *Body) error {
	if err := b.Decode(r.dialect, r.Raw); err != nil {
		return &EndError{Kind: ErrCorrupt, LSN: r.LSN, At: r.LSN, Timeline: r.Timeline, Err: err}
	}
	return nil
}
