// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// tablespace redoes records of Tablespace (tblspc_redo in src/backend/commands/tablespace.c).
func (r *Redo) tablespace(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.TablespaceCreate:
		if r.only != nil { // no server starts here: the directory has everything in itself
			return r.store.CreateTablespace(p.Tablespace, "")
		}
		return r.store.CreateTablespace(p.Tablespace, string(p.Path))
	case *rmgr.TablespaceDrop:
		if r.dialect.TablespaceDropAtCommit() {
			return nil
		}
		return r.store.DropTablespace(p.Tablespace)
	}
	return unknown(p)
}
