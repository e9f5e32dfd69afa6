// SPDX-License-Identifier: Apache-2.0

package xlog

// TablespaceCreateEmpties tells whether redo of a tablespace's creation removes what is in its directory
// (create_tablespace_directories in src/backend/commands/tablespace.c).
func (d *Dialect) TablespaceCreateEmpties() bool { return d.base < 14 }

// TablespaceDropAtCommit tells whether the directories of a dropped tablespace go when the transaction's commit record
// is redone, which names it, and not when the record of the drop is (tblspc_redo of Greenplum).
func (d *Dialect) TablespaceDropAtCommit() bool { return d.flavour != PostgreSQL }
