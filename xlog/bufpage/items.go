// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// Page is the bytes of a block, BLCKSZ of them. The methods read and write them in place; they do not check what
// they are not said to check, and never reach outside the page.
type Page []byte

// ErrItem says that a page cannot hold or does not have an item as it was asked for. It is an ErrPage too.
var ErrItem = fmt.Errorf("%w: item", ErrPage)

// LSN is pd_lsn.
func (p Page) LSN() xlog.LSN { return LSN(p) }

// SetLSN writes pd_lsn.
func (p Page) SetLSN(lsn xlog.LSN) { SetLSN(p, lsn) }

func (p Page) u16(at int) int         { return int(binary.LittleEndian.Uint16(p[at:])) }
func (p Page) setU16(at int, v int)   { binary.LittleEndian.PutUint16(p[at:], uint16(v)) }
func (p Page) Flags() uint16          { return uint16(p.u16(10)) }
func (p Page) SetFlags(v uint16)      { p.setU16(10, int(v)) }
func (p Page) Lower() int             { return p.u16(12) }
func (p Page) SetLower(v int)         { p.setU16(12, v) }
func (p Page) Upper() int             { return p.u16(14) }
func (p Page) SetUpper(v int)         { p.setU16(14, v) }
func (p Page) SpecialOffset() int     { return p.u16(16) }
func (p Page) PruneXID() uint32       { return binary.LittleEndian.Uint32(p[20:]) }
func (p Page) SetPruneXID(xid uint32) { binary.LittleEndian.PutUint32(p[20:], xid) }

// IsNew tells whether the page was never initialized (PageIsNew).
func (p Page) IsNew() bool { return p.Upper() == 0 }

// Special is the index's own space at the page's end; nil when the header's offset makes no sense.
func (p Page) Special() []byte {
	off := p.SpecialOffset()
	if off < HeaderSize || off > len(p) {
		return nil
	}
	return p[off:]
}

// Init makes the page empty, with special bytes at its end (PageInit). version is the dialect's PageLayoutVersion.
func (p Page) Init(special int, version uint8) {
	clear(p)
	special = (special + 7) &^ 7
	p.SetLower(HeaderSize)
	p.SetUpper(len(p) - special)
	p.setU16(16, len(p)-special)
	p.setU16(18, len(p)|int(version))
}

// ItemID is a line pointer (ItemIdData): lp_off 15 bits, lp_flags 2, lp_len 15.
type ItemID uint32

// ItemFlags is lp_flags.
type ItemFlags uint8

// The states of a line pointer.
const (
	Unused   ItemFlags = 0 // LP_UNUSED
	Normal   ItemFlags = 1 // LP_NORMAL
	Redirect ItemFlags = 2 // LP_REDIRECT: Offset is the number of another line pointer
	Dead     ItemFlags = 3 // LP_DEAD
)

// MakeItemID puts a line pointer together.
func MakeItemID(off int, flags ItemFlags, length int) ItemID {
	return ItemID(uint32(off)&0x7FFF | uint32(flags)<<15 | uint32(length)<<17)
}

func (i ItemID) Offset() int      { return int(i & 0x7FFF) }
func (i ItemID) Flags() ItemFlags { return ItemFlags(i >> 15 & 3) }
func (i ItemID) Len() int         { return int(i >> 17) }

// MaxOffset is the number of line pointers, which are counted from 1 (PageGetMaxOffsetNumber).
func (p Page) MaxOffset() int {
	n := p.Lower()
	if n <= HeaderSize || n > len(p) {
		return 0
	}
	return (n - HeaderSize) / 4
}

// ItemID is line pointer number off, 1 to MaxOffset; zero for any other number.
func (p Page) ItemID(off int) ItemID {
	if off < 1 || off > p.MaxOffset() {
		return 0
	}
	return ItemID(binary.LittleEndian.Uint32(p[HeaderSize+4*(off-1):]))
}

// SetItemID writes line pointer number off, which must be one of the page's.
func (p Page) SetItemID(off int, id ItemID) {
	if off >= 1 && off <= p.MaxOffset() {
		binary.LittleEndian.PutUint32(p[HeaderSize+4*(off-1):], uint32(id))
	}
}

// Item is what line pointer off points to: nil when it has no storage or reaches outside the page.
func (p Page) Item(off int) []byte {
	id := p.ItemID(off)
	at, n := id.Offset(), id.Len()
	if n == 0 || id.Flags() == Redirect || at < HeaderSize || at+n > len(p) {
		return nil
	}
	return p[at : at+n : at+n]
}
