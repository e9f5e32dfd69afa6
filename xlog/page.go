// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bits of xlp_info.
const (
	XLPFirstIsContrecord          uint16 = 0x0001 // the page begins with the rest of a record from the page before
	XLPLongHeader                 uint16 = 0x0002 // first page of a segment: the header says whose log it is
	XLPBkpRemovable               uint16 = 0x0004 // its full-page images may be dropped by an archiver
	XLPFirstIsOverwriteContrecord uint16 = 0x0008 // the record that should go on here was lost; another begins
)

// Sizes in bytes of the two page headers, alignment included.
const (
	ShortPageHeaderSize = 24
	LongPageHeaderSize  = 40
)

// PageHeader is the head of a WAL page (XLogPageHeaderData and XLogLongPageHeaderData in
// src/include/access/xlog_internal.h). The bytes, all little-endian:
//
//	 0  magic    u16
//	 2  info     u16   XLP bits
//	 4  timeline u32
//	 8  address  u64   LSN of the page's first byte
//	16  rem_len  u32   bytes of the record from before that are still to come, in this and later pages
//	20  padding
//	24  sysid    u64   only with XLPLongHeader, as are the next two
//	32  seg_size u32
//	36  blcksz   u32   XLOG_BLCKSZ
type PageHeader struct {
	Magic     uint16
	Info      uint16
	Timeline  TimelineID
	Address   LSN
	Remaining uint32 // xlp_rem_len

	SystemID    uint64
	SegmentSize SegmentSize
	BlockSize   uint32
}

// ErrShort says that the bytes end before what they should hold.
var ErrShort = errors.New("too few bytes")

// Long tells whether the header has the fields of a segment's first page.
func (h *PageHeader) Long() bool { return h.Info&XLPLongHeader != 0 }

// Size is the header's length in bytes, 24 or 40.
func (h *PageHeader) Size() int {
	if h.Long() {
		return LongPageHeaderSize
	}
	return ShortPageHeaderSize
}

// Decode reads a header from the beginning of src, and checks nothing but that src is long enough.
func (h *PageHeader) Decode(src []byte) error {
	if len(src) < ShortPageHeaderSize {
		return ErrShort
	}
	*h = PageHeader{
		Magic:     binary.LittleEndian.Uint16(src),
		Info:      binary.LittleEndian.Uint16(src[2:]),
		Timeline:  TimelineID(binary.LittleEndian.Uint32(src[4:])),
		Address:   LSN(binary.LittleEndian.Uint64(src[8:])),
		Remaining: binary.LittleEndian.Uint32(src[16:]),
	}
	if !h.Long() {
		return nil
	}
	if len(src) < LongPageHeaderSize {
		return ErrShort
	}
	h.SystemID = binary.LittleEndian.Uint64(src[24:])
	h.SegmentSize = SegmentSize(binary.LittleEndian.Uint32(src[32:]))
	h.BlockSize = binary.LittleEndian.Uint32(src[36:])
	return nil
}

// Append writes the header's bytes to dst.
func (h *PageHeader) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, h.Magic)
	dst = binary.LittleEndian.AppendUint16(dst, h.Info)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Timeline))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Address))
	dst = binary.LittleEndian.AppendUint32(dst, h.Remaining)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	if !h.Long() {
		return dst
	}
	dst = binary.LittleEndian.AppendUint64(dst, h.SystemID)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.SegmentSize))
	return binary.LittleEndian.AppendUint32(dst, h.BlockSize)
}

// Validate makes the checks of XLogReaderValidatePageHeader for the page at lsn of a log in dialect d with segments
// of size seg, all but the one that compares with earlier pages. systemID 0 accepts every cluster.
func (h *PageHeader) Validate(d *Dialect, seg SegmentSize, systemID uint64, lsn LSN) error {
	if h.Magic != d.pageMagic {
		return fmt.Errorf("invalid magic number %04X, %s has %04X", h.Magic, d.name, d.pageMagic)
	}
	if h.Info&^d.pageFlags != 0 {
		return fmt.Errorf("invalid info bits %04X", h.Info)
	}
	if h.Long() {
		if err := h.validateLong(d, seg, systemID); err != nil {
			return err
		}
	} else if seg.Offset(lsn) == 0 {
		return fmt.Errorf("invalid info bits %04X: the first page of a segment must have a long header", h.Info)
	}
	if h.Address != lsn {
		return fmt.Errorf("unexpected pageaddr %s", h.Address)
	}
	return nil
}

func (h *PageHeader) validateLong(d *Dialect, seg SegmentSize, systemID uint64) error {
	if systemID != 0 && h.SystemID != systemID {
		return fmt.Errorf("WAL is from a different database system: %d instead of %d", h.SystemID, systemID)
	}
	if h.SegmentSize != seg {
		return fmt.Errorf("incorrect segment size %d in page header, expected %d", uint32(h.SegmentSize), uint32(seg))
	}
	if h.BlockSize != d.walBlockSize {
		return fmt.Errorf("incorrect XLOG_BLCKSZ %d in page header, expected %d", h.BlockSize, d.walBlockSize)
	}
	return nil
}
