// SPDX-License-Identifier: Apache-2.0

package xlog

// HeapCleans tells whether pruning is Heap2's CLEAN record, and vacuum has CLEANUP_INFO.
func (d *Dialect) HeapCleans() bool { return d.base <= 13 }

// HeapPrunesAndFreezes tells whether pruning and freezing a page is one record, Heap2's PRUNE_ON_ACCESS and the like.
func (d *Dialect) HeapPrunesAndFreezes() bool { return d.base >= 17 }

// HeapCatalogFlag tells whether pruning and freezing say that the relation belongs to the catalog.
func (d *Dialect) HeapCatalogFlag() bool { return d.base >= 16 }

// HeapFreezePlans tells whether freezing gives a plan for many tuples at once, instead of one for each.
func (d *Dialect) HeapFreezePlans() bool { return d.base >= 16 }

// HeapInplaceInvalidations tells whether an update in place carries invalidation messages.
func (d *Dialect) HeapInplaceInvalidations() bool { return d.base >= 18 }

// HeapTextFull tells whether descriptions of Heap and Heap2 name each value, and list the items of arrays.
func (d *Dialect) HeapTextFull() bool { return d.base >= 16 }

// HeapVisibleSetsLSN tells whether redo of VISIBLE gives the heap's page the record's LSN where hint bits are logged.
// PostgreSQL does since the minor releases of February 2023; Greenplum and Cloudberry stand on earlier ones.
func (d *Dialect) HeapVisibleSetsLSN() bool {
	return d.flavour == PostgreSQL && (d.minor == 0 || d.minor >= d.heapVisibleSince())
}

// heapVisibleSince is the minor release of February 2023.
func (d *Dialect) heapVisibleSince() int {
	switch d.base {
	case 12:
		return 14
	case 13:
		return 10
	case 14:
		return 7
	case 15:
		return 2
	}
	return 0
}

// VisibilityMapExtendsFilled tells whether new pages of a visibility map have a page header from the start; otherwise
// they are zero until a bit is set.
func (d *Dialect) VisibilityMapExtendsFilled() bool { return d.base <= 15 }

// FreeSpaceIsHint tells whether redo changes the free space map as hints are changed, which is lost where hint bits are
// logged. PostgreSQL 14 to 18 stopped doing so in the minor releases of May 2026, and did so again half a year later
// (seen in 15.20). Of an unknown minor release it is said that it does not: then nothing is lost.
func (d *Dialect) FreeSpaceIsHint() bool {
	stopped := d.freeSpaceNoHint()
	if d.flavour != PostgreSQL || stopped == 0 {
		return true
	}
	return d.minor != 0 && (d.minor < stopped || d.minor >= stopped+2)
}

// freeSpaceNoHint is the minor release of May 2026.
func (d *Dialect) freeSpaceNoHint() int {
	switch d.base {
	case 14:
		return 23
	case 15:
		return 18
	case 16:
		return 14
	case 17:
		return 10
	case 18:
		return 4
	}
	return 0
}
