// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// relMap redoes records of RelMap (relmap_redo in src/backend/utils/cache/relmapper.c).
func (r *Redo) relMap(p rmgr.Payload) error {
	update, ok := p.(*rmgr.RelMapUpdate)
	if !ok {
		return unknown(p)
	}
	return r.store.WriteRelMap(update.Tablespace, update.Database, update.File)
}
