// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// origin redoes records of ReplicationOrigin (replorigin_redo in src/backend/replication/logical/origin.c).
func (r *Redo) origin(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.OriginSet:
		return r.state.Origins.Advance(p.Origin, p.RemoteLSN, p.Force)
	case *rmgr.OriginDrop:
		r.state.Origins.Drop(p.Origin)
		return nil
	}
	return unknown(p)
}
