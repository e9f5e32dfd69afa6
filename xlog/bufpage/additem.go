// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"encoding/binary"
	"fmt"
)

const (
	itemIDSize    = 4      // sizeof(ItemIdData)
	maxLineOffset = 0x7FFF // what lp_off and lp_len can say
)

// MaxAlign rounds up to a multiple of 8 (MAXALIGN).
func MaxAlign(n int) int { return (n + 7) &^ 7 }

// errItem is an ErrItem.
func errItem(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrItem, fmt.Sprintf(format, args...))
}

// checkPointers says whether the header's offsets make sense.
func (p Page) checkPointers() error {
	lower, upper, special := p.Lower(), p.Upper(), p.SpecialOffset()
	if lower < HeaderSize || lower > upper || upper > special || special > len(p) {
		return fmt.Errorf("%w: corrupted page pointers: lower = %d, upper = %d, special = %d", ErrPage, lower, upper, special)
	}
	return nil
}

// checkAligned is checkPointers, and the special space begins where it may.
func (p Page) checkAligned() error {
	if special := p.SpecialOffset(); special != MaxAlign(special) {
		return fmt.Errorf("%w: corrupted page pointers: special = %d", ErrPage, special)
	}
	return p.checkPointers()
}

// MaxHeapTuples is the number of line pointers that a heap page of the size may have (MaxHeapTuplesPerPage).
func MaxHeapTuples(pageSize int) int {
	return (pageSize - HeaderSize) / (MaxAlign(HeapHeaderSize) + itemIDSize)
}

// AddItem puts an item on the page and returns its offset number (PageAddItemExtended in
// src/backend/storage/page/bufpage.c). off says where: 0 for the first line pointer that is free; else, with overwrite,
// this line pointer, which must be unused; without it, before the line pointer of this number. heap is for pages of
// tables, which have a limit of line pointers. The error is an ErrItem, or ErrPage, and then the page is as before.
func (p Page) AddItem(item []byte, off int, overwrite, heap bool) (int, error) {
	if err := p.checkPointers(); err != nil {
		return 0, err
	}
	limit := p.MaxOffset() + 1
	shuffle := off > 0 && off < limit && !overwrite
	if off == 0 {
		off = p.freeLine(limit)
	} else if err := p.checkPlace(off, limit, overwrite); err != nil {
		return 0, err
	}
	if heap && off > MaxHeapTuples(len(p)) {
		return 0, errItem("no more than %d on a heap page", MaxHeapTuples(len(p)))
	}
	lower, upper := p.Lower(), p.Upper()-MaxAlign(len(item))
	if off == limit || shuffle {
		lower += itemIDSize
	}
	if lower > upper || len(item) > maxLineOffset {
		return 0, errItem("no room for %d bytes", len(item))
	}
	p.SetLower(lower)
	if shuffle {
		copy(p[lineAt(off+1):lineAt(limit+1)], p[lineAt(off):lineAt(limit)])
	}
	p.setLine(off, MakeItemID(upper, Normal, len(item)))
	copy(p[upper:], item)
	p.SetUpper(upper)
	return off, nil
}

// freeLine finds the first line pointer that is free, else limit. Like the server it looks only where the page's flag
// says that there is one, and clears a wrong flag.
func (p Page) freeLine(limit int) int {
	if p.Flags()&HasFreeLines == 0 {
		return limit
	}
	for off := 1; off < limit; off++ {
		if id := p.line(off); id.Flags() == Unused && id.Len() == 0 {
			return off
		}
	}
	p.SetFlags(p.Flags() &^ HasFreeLines)
	return limit
}

// checkPlace says whether an item may be put at off.
func (p Page) checkPlace(off, limit int, overwrite bool) error {
	switch {
	case off < 0 || off > limit:
		return errItem("offset %d of %d is too large", off, limit-1)
	case overwrite && off < limit && (p.line(off).Flags() != Unused || p.line(off).Len() != 0):
		return errItem("will not overwrite offset %d, which is used", off)
	}
	return nil
}

// lineAt is the place of line pointer off.
func lineAt(off int) int { return HeaderSize + itemIDSize*(off-1) }

// line is line pointer off, which the caller knows to be on the page.
func (p Page) line(off int) ItemID { return ItemID(binary.LittleEndian.Uint32(p[lineAt(off):])) }

func (p Page) setLine(off int, id ItemID) { binary.LittleEndian.PutUint32(p[lineAt(off):], uint32(id)) }
