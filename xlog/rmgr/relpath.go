// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Tablespaces that have no directory of their own (src/include/catalog/pg_tablespace.dat).
const (
	defaultTablespace = 1663
	globalTablespace  = 1664
)

// appendRelPath appends the path of a relation's file below the data directory, as relpathperm of src/common/relpath.c
// gives it.
func (p *Printing) appendRelPath(dst []byte, rel xlog.RelFileLocator, fork xlog.ForkNumber) []byte {
	dst = p.appendDatabasePath(dst, rel.Database, rel.Tablespace)
	dst = appendUint(dst, "/", rel.RelNumber)
	if fork != xlog.MainFork {
		dst = append(append(dst, '_'), fork.String()...)
	}
	return dst
}

// appendTempRelPath is appendRelPath for the main fork of a temporary relation of Greenplum, whose name has no session
// in it.
func (p *Printing) appendTempRelPath(dst []byte, rel xlog.RelFileLocator) []byte {
	dst = p.appendDatabasePath(dst, rel.Database, rel.Tablespace)
	return appendUint(dst, "/t_", rel.RelNumber)
}

// appendDatabasePath appends the path of a database's directory, as GetDatabasePath gives it.
func (p *Printing) appendDatabasePath(dst []byte, database, tablespace uint32) []byte {
	switch tablespace {
	case globalTablespace:
		return append(dst, "global"...)
	case defaultTablespace:
		return appendUint(dst, "base/", database)
	}
	dst = appendUint(dst, "pg_tblspc/", tablespace)
	dst = p.Dialect.AppendTablespaceDirectory(append(dst, '/'))
	return appendUint(dst, "/", database)
}
