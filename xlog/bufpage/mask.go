// SPDX-License-Identifier: Apache-2.0

package bufpage

import "fmt"

// The masks overwrite what may differ between a page on the primary and the same page after redo, so that the rest can
// be compared (src/backend/access/common/bufmask.c). They are for copies of pages.

// MaskLSN masks pd_lsn and pd_checksum (mask_page_lsn_and_checksum).
func (p Page) MaskLSN() { clear(p[:10]) }

// MaskHints masks the hints in the header (mask_page_hint_bits).
func (p Page) MaskHints() {
	p.SetPruneXID(0)
	p.SetFlags(p.Flags() &^ (PageFull | HasFreeLines | AllVisible))
}

// MaskUnused masks the space between the line pointers and the items (mask_unused_space). The error is an ErrPage.
func (p Page) MaskUnused() error {
	if err := p.checkPointers(); err != nil {
		return err
	}
	clear(p[p.Lower():p.Upper()])
	return nil
}

// MaskLineFlags masks the states of line pointers (mask_lp_flags).
func (p Page) MaskLineFlags() {
	for off := 1; off <= p.MaxOffset(); off++ {
		id := p.line(off)
		p.setLine(off, MakeItemID(id.Offset(), Unused, id.Len()))
	}
}

// MaskContent masks all but the greater part of the header (mask_page_content).
func (p Page) MaskContent() {
	clear(p[HeaderSize:])
	p.SetLower(0)
	p.SetUpper(0)
}

// MaskHeapItems masks what redo of a table's page does not restore of its tuples: hints, command ids, the tokens of
// speculative insertions, and padding (heap_mask in src/backend/access/heap/heapam.c). block is the page's number.
func (p Page) MaskHeapItems(block uint32) error {
	for off := 1; off <= p.MaxOffset(); off++ {
		id := p.line(off)
		end := id.Offset() + id.Len()
		if id.Flags() == Normal {
			if id.Len() < HeapHeaderSize || end > len(p) {
				return fmt.Errorf("%w: %d: offset = %d, size = %d", ErrItem, off, id.Offset(), id.Len())
			}
			HeapTuple(p[id.Offset():end]).mask(block, uint16(off))
		}
		if id.Len() != 0 && MaxAlign(end) <= len(p) {
			clear(p[end:MaxAlign(end)])
		}
	}
	return nil
}

func (t HeapTuple) mask(block uint32, off uint16) {
	mask := t.Infomask()
	if mask&XminFrozen != XminFrozen {
		mask &^= XactMask
	} else {
		mask &^= XmaxInvalid | XmaxCommitted
	}
	t.SetInfomask(mask)
	clear(t[8:12])
	if tid := t.CTID(); tid.Offset == SpecTokenOffset {
		t.SetCTID(TID{block, off})
	}
}
