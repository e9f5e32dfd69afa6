// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// logicalMessage redoes records of LogicalMessage: there is nothing to do (logicalmsg_redo in
// src/backend/replication/logical/message.c).
func (r *Redo) logicalMessage(p rmgr.Payload) error {
	if _, ok := p.(*rmgr.Message); !ok {
		return unknown(p)
	}
	return nil
}
