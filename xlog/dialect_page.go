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
