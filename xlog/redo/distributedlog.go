// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// distributedLog redoes records of DistributedLog (DistributedLog_redo in
// src/backend/access/transam/distributedlog.c of Greenplum).
func (r *Redo) distributedLog(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.DistributedLogZeroPage:
		return r.state.Distributed.ZeroPage(int64(p.Page))
	case *rmgr.DistributedLogTruncate:
		return r.state.Distributed.Truncate(int64(p.Page))
	}
	return unknown(p)
}
