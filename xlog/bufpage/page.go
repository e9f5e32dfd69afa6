// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// Sizes in bytes.
const (
	HeaderSize  = 24       // SizeOfPageHeaderData
	MinPageSize = 1 << 10  // the least BLCKSZ
	MaxPageSize = 32 << 10 // the greatest
)

// Layout versions, PG_PAGE_LAYOUT_VERSION: that of PostgreSQL since 8.3, and Greenplum's. See also
// xlog.Dialect.PageLayoutVersion.
const (
	layoutVersion          = 4
	layoutVersionGreenplum = 14
)

// Bits of Header.Flags.
const (
	HasFreeLines uint16 = 0x0001 // PD_HAS_FREE_LINES: there are unused line pointers
	PageFull     uint16 = 0x0002 // PD_PAGE_FULL: not enough room for an updated tuple
	AllVisible   uint16 = 0x0004 // PD_ALL_VISIBLE: every tuple is visible to everyone

	validFlags = HasFreeLines | PageFull | AllVisible
)

// Header is the head of a page (PageHeaderData). The bytes, all little-endian:
//
//	 0  lsn       u32 u32   high half first: end of the record that changed the page last
//	 8  checksum  u16
//	10  flags     u16
//	12  lower     u16       end of the line pointers
//	14  upper     u16       begin of the tuples; 0 on a page that was never filled
//	16  special   u16       begin of the index's own space
//	18  size      u16       page size with the layout version in its low byte
//	20  prune_xid u32       oldest transaction whose tuples may be pruned, 0 for none
type Header struct {
	LSN      xlog.LSN
	Checksum uint16
	Flags    uint16
	Lower    uint16
	Upper    uint16
	Special  uint16
	Size     uint16 // bytes
	Version  uint8
	PruneXID uint32
}

// Decode reads the header of a page, and checks nothing but that there are bytes enough (xlog.ErrShort).
func (h *Header) Decode(page []byte) error {
	if len(page) < HeaderSize {
		return xlog.ErrShort
	}
	size := binary.LittleEndian.Uint16(page[18:])
	*h = Header{
		LSN:      LSN(page),
		Checksum: binary.LittleEndian.Uint16(page[8:]),
		Flags:    binary.LittleEndian.Uint16(page[10:]),
		Lower:    binary.LittleEndian.Uint16(page[12:]),
		Upper:    binary.LittleEndian.Uint16(page[14:]),
		Special:  binary.LittleEndian.Uint16(page[16:]),
		Size:     size &^ 0xFF,
		Version:  uint8(size),
		PruneXID: binary.LittleEndian.Uint32(page[20:]),
	}
	return nil
}

// IsNew tells whether the page was never filled (PageIsNew). A valid one has nothing but zeros.
func (h *Header) IsNew() bool { return h.Upper == 0 }

// LSN is pd_lsn of a page, which must have a header's length.
func LSN(page []byte) xlog.LSN {
	return xlog.LSN(binary.LittleEndian.Uint32(page))<<32 | xlog.LSN(binary.LittleEndian.Uint32(page[4:]))
}

// SetLSN writes pd_lsn.
func SetLSN(page []byte, lsn xlog.LSN) {
	binary.LittleEndian.PutUint32(page, uint32(lsn>>32))
	binary.LittleEndian.PutUint32(page[4:], uint32(lsn))
}

// ErrPage says that a page's header makes no sense. It is an xlog.ErrCorrupt too.
var ErrPage = fmt.Errorf("%w: page", xlog.ErrCorrupt)

// Check says whether a page looks like one: its header makes sense, or it is all zero. It makes the checks of a
// server that reads a page, but for the checksum, which images in the log do not have up to date; and it looks at
// the page size and the layout version, which the server compares when it starts. The error is an ErrPage.
func Check(page []byte) error {
	var h Header
	if err := h.Decode(page); err != nil {
		return fmt.Errorf("%w: %w", ErrPage, err)
	}
	if h.IsNew() {
		return checkNew(page)
	}
	return h.check(len(page))
}

func checkNew(page []byte) error {
	for _, b := range page {
		if b != 0 {
			return fmt.Errorf("%w: new, but not empty", ErrPage)
		}
	}
	return nil
}

func (h *Header) check(size int) error {
	switch {
	case h.Flags&^validFlags != 0:
		return fmt.Errorf("%w: invalid flags %04X", ErrPage, h.Flags)
	case h.Lower < HeaderSize || h.Lower > h.Upper || h.Upper > h.Special || int(h.Special) > size:
		return fmt.Errorf("%w: of %d bytes: lower %d, upper %d, special %d", ErrPage, size, h.Lower, h.Upper, h.Special)
	case h.Special%8 != 0:
		return fmt.Errorf("%w: special %d is not aligned", ErrPage, h.Special)
	case int(h.Size) != size || h.Version != layoutVersion && h.Version != layoutVersionGreenplum:
		return fmt.Errorf("%w: of %d bytes: size %d, layout version %d", ErrPage, size, h.Size, h.Version)
	}
	return nil
}
