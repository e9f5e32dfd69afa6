// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// standby redoes records of Standby (standby_redo in src/backend/storage/ipc/standby.c).
func (r *Redo) standby(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.StandbyLock:
		return nil // nobody runs queries here that must wait
	case *rmgr.RunningXacts:
		return r.running.snapshot(p, r.isOver)
	case *rmgr.StandbyInvalidations:
		if p.RelcacheInit {
			return r.store.RemoveRelcacheInit(p.Tablespace, p.Database)
		}
		return nil
	}
	return unknown(p)
}

// isOver tells whether a transaction was committed or aborted.
func (r *Redo) isOver(xid uint32) (bool, error) {
	status, err := r.state.Commits.Status(xid)
	return status == pgdata.XactCommitted || status == pgdata.XactAborted, err
}
