// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/rmgr"
)

// database redoes records of Database (dbase_redo in src/backend/commands/dbcommands.c).
func (r *Redo) database(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.DatabaseCreateFileCopy:
		return r.databaseCopy(p)
	case *rmgr.DatabaseCreateWALLog:
		if err := r.needTablespace(p.Tablespace); err != nil {
			return err
		}
		return r.store.CreateDatabase(p.Tablespace, p.Database)
	case *rmgr.DatabaseDrop:
		return r.databaseDrop(p)
	}
	return unknown(p)
}

func (r *Redo) databaseCopy(p *rmgr.DatabaseCreateFileCopy) error {
	if err := r.needTablespace(p.Tablespace); err != nil {
		return err
	}
	there, err := r.store.HasDatabase(p.SourceTablespace, p.SourceDatabase)
	if err != nil {
		return err
	}
	if _, consistent := r.Consistent(); consistent && !there {
		return fmt.Errorf("database %d is missing in tablespace %d", p.SourceDatabase, p.SourceTablespace)
	}
	return r.store.CopyDatabase(p.Tablespace, p.Database, p.SourceTablespace, p.SourceDatabase)
}

// needTablespace says when a tablespace is missing which cannot have been dropped later: the directory is consistent
// (recovery_create_dbdir). Before, directories take its place.
func (r *Redo) needTablespace(oid uint32) error {
	there, err := r.store.HasTablespace(oid)
	if err != nil {
		return err
	}
	if _, consistent := r.Consistent(); consistent && !there {
		return fmt.Errorf("tablespace %d is missing", oid)
	}
	return nil
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
