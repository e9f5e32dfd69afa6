// SPDX-License-Identifier: Apache-2.0

package xlog

// MultiXactSetsNextOffset tells whether the record of a multixact makes redo note where the members of the next one
// begin. PostgreSQL 14 to 18 do since the minor releases of February 2026; 12 and 13 had ended then, and Greenplum and
// Cloudberry stand on older ones. Of an unknown minor release it is said that it does: that harms nobody.
func (d *Dialect) MultiXactSetsNextOffset() bool {
	since := map[int]int{14: 21, 15: 16, 16: 12, 17: 8, 18: 2}[d.base]
	return d.flavour == PostgreSQL && d.base >= 14 && (d.minor == 0 || d.minor >= since)
}

// TwoPhaseNamesFull tells whether the files in pg_twophase have the epoch in their names.
func (d *Dialect) TwoPhaseNamesFull() bool { return d.base >= 17 }

// RelMapSlots is for how many catalogs a file pg_filenode.map has room (MAX_MAPPINGS), 0 where that is not known, and
// how many bytes follow its CRC.
func (d *Dialect) RelMapSlots() (slots, tail int) {
	switch {
	case d.flavour == Cloudberry:
		return 0, 4
	case d.flavour == Greenplum:
		return 126, 4
	case d.base >= 16:
		return 64, 0
	}
	return 62, 4
}

// OriginsSetting is the setting that says how many replication origins a server keeps track of.
func (d *Dialect) OriginsSetting() string {
	if d.base >= 18 {
		return "max_active_replication_origins"
	}
	return "max_replication_slots"
}

// XactAbortAdvancesOrigin tells whether the abort of a transaction that came from elsewhere says how far that came.
func (d *Dialect) XactAbortAdvancesOrigin() bool { return d.base >= 14 }
