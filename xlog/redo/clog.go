// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// clog redoes records of CLOG (clog_redo in src/backend/access/transam/clog.c).
func (r *Redo) clog(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.CLOGZeroPage:
		return r.state.Commits.ZeroPage(p.Page)
	case *rmgr.CLOGTruncate:
		r.counters.sawOldestClogXID(p.OldestXID)
		return r.state.Commits.Truncate(p.Page)
	}
	return unknown(p)
}
