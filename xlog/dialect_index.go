// SPDX-License-Identifier: Apache-2.0

package xlog

// IndexCatalogFlag tells whether records that may end queries on a standby say that the index belongs to the catalog.
func (d *Dialect) IndexCatalogFlag() bool { return d.base >= 16 }

// IndexTextCatalog tells whether descriptions show that flag.
func (d *Dialect) IndexTextCatalog() bool { return d.base >= 17 }

// IndexTextHorizon tells whether descriptions call the newest removed transaction a snapshot conflict horizon.
func (d *Dialect) IndexTextHorizon() bool { return d.base >= 16 }

// BtreePostings tells whether B-trees have posting lists, and records about them.
func (d *Dialect) BtreePostings() bool { return d.base >= 13 }

// BtreeDeletesPostings tells whether a Btree DELETE may shorten posting lists.
func (d *Dialect) BtreeDeletesPostings() bool { return d.base >= 14 }

// BtreeFullXids tells whether Btree records give transactions with their epoch. With it went other changes to deleted
// pages and to the metapage.
func (d *Dialect) BtreeFullXids() bool { return d.base >= 14 }

// BtreeTextFull tells whether descriptions of Btree name each value with a colon, and list the items of arrays.
func (d *Dialect) BtreeTextFull() bool { return d.base >= 16 }

// BtreeTextItems tells whether descriptions of Btree INSERT and DELETE tell about the items; Greenplum added that.
func (d *Dialect) BtreeTextItems() bool { return d.flavour != PostgreSQL }

// BtreeTextSplitItem tells whether descriptions of Btree splits show where the new item goes.
func (d *Dialect) BtreeTextSplitItem() bool { return d.flavour == PostgreSQL || d.base >= 13 }

// HashTextWords tells whether descriptions of Hash spell out "latest removed xid".
func (d *Dialect) HashTextWords() bool { return d.base <= 13 }

// GistAssignsLSN tells whether GiST has the record ASSIGN_LSN.
func (d *Dialect) GistAssignsLSN() bool { return d.base >= 13 }

// SPGistTextFull tells whether descriptions of SP-GiST show all that the records have.
func (d *Dialect) SPGistTextFull() bool { return d.base >= 14 }

// BRINAppendOptimized tells whether BRIN records know of append-optimized tables.
func (d *Dialect) BRINAppendOptimized() bool { return d.flavour != PostgreSQL }

// BRINTextAppendOptimized tells whether the description of a new BRIN index says so. That of Greenplum 7 is the text of
// the recordings, as everywhere; a later release may say it.
func (d *Dialect) BRINTextAppendOptimized() bool { return d.flavour == Cloudberry }

// BtreeVacuumEndsCycle tells whether redo of a Btree VACUUM takes the vacuum cycle's number from the page.
func (d *Dialect) BtreeVacuumEndsCycle() bool { return d.base >= 18 }

// HashSqueezeSparesUnchanged tells whether redo of a Hash SQUEEZE_PAGE leaves a page alone that gets nothing from it.
func (d *Dialect) HashSqueezeSparesUnchanged() bool { return d.base >= 17 }

// GistMarksDeleted tells whether redo marks leaf pages of GiST indexes that tuples were deleted from
// (F_TUPLES_DELETED). Nothing ever reads the mark, and from 15.20 on it is not made any more: so it is said of the last
// minor releases.
func (d *Dialect) GistMarksDeleted() bool {
	stopped := gistMarksStopped[d.base]
	return d.flavour != PostgreSQL || stopped == 0 || d.minor != 0 && d.minor < stopped
}

// gistMarksStopped are the minor releases of November 2026.
var gistMarksStopped = map[int]int{14: 25, 15: 20, 16: 16, 17: 12, 18: 6}
