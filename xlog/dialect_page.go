// SPDX-License-Identifier: Apache-2.0

package xlog

// PageLayoutVersion is the version in the header of every page of a relation (PG_PAGE_LAYOUT_VERSION in
// src/include/storage/bufpage.h): 4, or 14 in Greenplum and what comes from it.
func (d *Dialect) PageLayoutVersion() uint8 {
	if d.flavour == PostgreSQL {
		return 4
	}
	return 14
}

// PageKeepsItemOrder tells whether closing the gaps between the items of a page leaves them in the order that they have
// on the page. Otherwise they come into the order of their line pointers (compactify_tuples in
// src/backend/storage/page/bufpage.c).
func (d *Dialect) PageKeepsItemOrder() bool { return d.base <= 13 }

// PageTruncatesLines tells whether repairing the fragmentation of a heap page removes unused line pointers from the
// end.
func (d *Dialect) PageTruncatesLines() bool { return d.base >= 15 }

// PageOverwriteKeepsState tells whether an index item that is replaced by another keeps the flags of its line pointer.
func (d *Dialect) PageOverwriteKeepsState() bool { return d.base >= 13 }

// MaskBtreeDeleted tells whether a comparison of pages after redo takes no notice of what deleted pages of B-trees
// hold.
func (d *Dialect) MaskBtreeDeleted() bool { return d.base <= 13 }
