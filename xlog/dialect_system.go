// SPDX-License-Identifier: Apache-2.0

package xlog

// LogsWALLevel tells whether checkpoints and the end of recovery say wal_level, and a record of its own marks where the
// redo of an online checkpoint begins.
func (d *Dialect) LogsWALLevel() bool { return d.base >= 17 }

// OverwritesContrecords tells whether there is a record behind one whose end was lost.
func (d *Dialect) OverwritesContrecords() bool { return d.pageFlags&XLPFirstIsOverwriteContrecord != 0 }

// WidePageNumbers tells whether pages of pg_xact, pg_multixact and pg_commit_ts have numbers of 64 bits.
func (d *Dialect) WidePageNumbers() bool { return d.base >= 17 }

// CountsRelNumbers tells whether relation files have a counter of their own, apart from that of object ids.
func (d *Dialect) CountsRelNumbers() bool { return d.isGreenplum() }

// CheckpointDistributed tells whether a checkpoint ends with the distributed transactions that are not yet forgotten.
func (d *Dialect) CheckpointDistributed() bool { return d.isGreenplum() }

// CheckpointTextGxid tells whether a checkpoint's description has the next distributed transaction id.
func (d *Dialect) CheckpointTextGxid() bool { return d.flavour == Cloudberry }

// StorageCreateImpl tells whether the record of a new relation file says what kind of storage uses it.
func (d *Dialect) StorageCreateImpl() bool { return d.isGreenplum() && d.greenplumGxidWide }

// StorageTextImpl tells whether its description says so too.
func (d *Dialect) StorageTextImpl() bool { return d.flavour == Cloudberry }

// DatabaseStrategies tells whether a database can be made in two ways, for which Database has a record each.
func (d *Dialect) DatabaseStrategies() bool { return d.base >= 15 }

// DatabaseDropsMany tells whether the record of a dropped database has a list of tablespaces.
func (d *Dialect) DatabaseDropsMany() bool { return d.base >= 13 }

// CommitTsSets tells whether CommitTs has a record that sets the time of transactions.
func (d *Dialect) CommitTsSets() bool { return d.base <= 13 }

// RunningXactsTextFull tells whether the description of running transactions lists subtransactions.
func (d *Dialect) RunningXactsTextFull() bool { return d.base >= 16 }

// LogicalMessageTextFull tells whether the description of a logical message has its prefix and content.
func (d *Dialect) LogicalMessageTextFull() bool { return d.base >= 14 }
