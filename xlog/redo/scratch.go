// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"slices"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// scratch is memory that the redo of a record uses and leaves to the next one.
type scratch struct {
	page     bufpage.Page // a page being built
	line     []uint16     // numbers of line pointers
	item     []byte       // a tuple being built
	pointers []byte       // item pointers, ItemPointerData each
	numbers  []uint64     // item pointers as numbers
}

// offsets is the numbers of a record as numbers.
func (s *scratch) offsets(a rmgr.Uint16s) []uint16 {
	s.line = a.Append(s.line[:0])
	return s.line
}

// copySpecial gives an empty page of the size of another and with a copy of its special space
// (PageGetTempPageCopySpecial).
func (s *scratch) copySpecial(page bufpage.Page, version uint8) bufpage.Page {
	if len(s.page) != len(page) {
		s.page = make(bufpage.Page, len(page))
	}
	special := page.Special()
	s.page.Init(len(special), version)
	copy(s.page.Special(), special)
	return s.page
}

// zeroItem gives n zero bytes for a tuple.
func (s *scratch) zeroItem(n int) []byte {
	s.item = slices.Grow(s.item[:0], n)[:n]
	clear(s.item)
	return s.item
}

// copyItem gives a copy of a tuple that may be changed.
func (s *scratch) copyItem(tuple []byte) []byte {
	s.item = append(s.item[:0], tuple...)
	return s.item
}
