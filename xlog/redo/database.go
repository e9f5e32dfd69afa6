// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// database redoes records of Database (dbase_redo in src/backend/commands/dbcommands.c).
func (r *Redo) database(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.DatabaseCreateFileCopy:
		return r.store.CopyDatabase(p.Tablespace, p.Database, p.SourceTablespace, p.SourceDatabase)
	case *rmgr.DatabaseCreateWALLog:
		return r.store.CreateDatabase(p.Tablespace, p.Database)
	case *rmgr.DatabaseDrop:
		return r.databaseDrop(p)
	}
	return unknown(p)
}

func (r *Redo) databaseDrop(p *rmgr.DatabaseDrop) error {
	r.invalid.forgetDatabase(p.Database)
	for i := range p.Tablespaces.Len() {
		if err := r.store.DropDatabase(p.Tablespaces.At(i), p.Database); err != nil {
			return err
		}
	}
	return nil
}
