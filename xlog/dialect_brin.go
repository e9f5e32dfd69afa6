// SPDX-License-Identifier: Apache-2.0

package xlog

// BRINChains tells whether the range map of an append-optimized table's BRIN index has chains of pages, and whether with
// that every page of a BRIN index has room for them. Indexes of some servers of the dialect may not have it, which then
// their records show.
func (d *Dialect) BRINChains() bool { return d.flavour == Cloudberry || d.greenplumGxidWide }
