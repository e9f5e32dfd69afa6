// SPDX-License-Identifier: Apache-2.0

package xlog

import "strconv"

// isGreenplum tells whether Greenplum's changes to the base version's records are there, as they are in Cloudberry.
func (d *Dialect) isGreenplum() bool { return d.flavour != PostgreSQL }

// AppendTablespaceDirectory appends the name of this version's directory in a tablespace,
// TABLESPACE_VERSION_DIRECTORY, such as PG_15_202209061 or GPDB_7_302307241. Of Cloudberry, whose releases differ in
// their catalog version, that is 0.
func (d *Dialect) AppendTablespaceDirectory(dst []byte) []byte {
	switch d.flavour {
	case Greenplum:
		dst = append(dst, "GPDB_7_"...)
	case Cloudberry:
		dst = append(dst, "GPDB_1_"...)
	default:
		dst = append(strconv.AppendInt(append(dst, "PG_"...), int64(d.base), 10), '_')
	}
	return strconv.AppendUint(dst, uint64(d.catalogVersion), 10)
}

// InvalidationSize is the length in bytes of a SharedInvalidationMessage.
func (d *Dialect) InvalidationSize() int {
	if d.relNodeSize == 16 {
		return 24
	}
	return 16
}

// RelSyncInvalidations tells whether there is an invalidation message for logical replication's cache of relations.
func (d *Dialect) RelSyncInvalidations() bool { return d.base >= 18 }

// XactHasInfoBit tells whether bit 0x80 of a Transaction record's info says that xinfo follows. Where it does not,
// xinfo is always there and the bit belongs to the kind of record.
func (d *Dialect) XactHasInfoBit() bool { return d.flavour != Cloudberry }

// XactInvalidations tells whether Transaction has a record of invalidation messages on their own.
func (d *Dialect) XactInvalidations() bool { return d.base >= 14 }

// XactDistributed tells whether there are records and fields of Greenplum's distributed transactions.
func (d *Dialect) XactDistributed() bool { return d.isGreenplum() }

// XactDistributedTime tells whether a distributed transaction is known by the time of its coordinator's start besides
// its number, as in the development build.
func (d *Dialect) XactDistributedTime() bool { return d.isGreenplum() && !d.greenplumGxidWide }

// XactTablespace tells whether commit and abort say which tablespace's directory to remove.
func (d *Dialect) XactTablespace() bool { return d.isGreenplum() }

// XactPendingDeleteSize is the length in bytes of a relation to remove in commit, abort and prepare: that of a
// RelFileLocator, or of Greenplum's RelFileNodePendingDelete.
func (d *Dialect) XactPendingDeleteSize() int {
	if d.isGreenplum() {
		return d.relNodeSize + 8
	}
	return d.relNodeSize
}

// XactDroppedStatsSize is the length in bytes of a statistics entry in commit, abort and prepare; 0 where they have
// none.
func (d *Dialect) XactDroppedStatsSize() int {
	switch {
	case d.base >= 18:
		return 16
	case d.base >= 15:
		return 12
	}
	return 0
}

// XactPrepareText tells how a prepared transaction is described.
func (d *Dialect) XactPrepareText() PrepareText {
	switch {
	case d.isGreenplum():
		return PrepareTextGreenplum
	case d.base >= 13:
		return PrepareTextFull
	}
	return PrepareTextNone
}

// PrepareText is a way of describing a prepared transaction.
type PrepareText uint8

// The ways.
const (
	PrepareTextNone      PrepareText = iota // not at all
	PrepareTextGreenplum                    // when, and its name
	PrepareTextFull                         // all that it would do
)

// XactTextEverything tells whether descriptions of commit and abort have all that the records say: feedback asked for,
// the origin of an abort.
func (d *Dialect) XactTextEverything() bool { return d.base >= 15 }

// XactTextGreenplum tells whether descriptions of commit and abort have what Greenplum adds to the records.
func (d *Dialect) XactTextGreenplum() bool { return d.flavour == Cloudberry }
