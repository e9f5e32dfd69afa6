// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// appendonly redoes records of Appendonly (appendonly_redo in src/backend/cdb/cdbappendonlyxlog.c of Greenplum). A file
// that is missing must be dropped later, as a page that is; a file that is cut to nothing need not have been made.
func (r *Redo) appendonly(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.AppendonlyInsert:
		there, err := r.store.WriteAppendonly(p.Relation, p.Segment, p.Offset, p.Data)
		if err != nil || there {
			return err
		}
		return r.invalid.log(p.Relation, xlog.MainFork, p.Segment, false)
	case *rmgr.AppendonlyTruncate:
		there, err := r.store.TruncateAppendonly(p.Relation, p.Segment, p.Offset)
		if err != nil || there || p.Offset == 0 {
			return err
		}
		return r.invalid.log(p.Relation, xlog.MainFork, p.Segment, false)
	}
	return unknown(p)
}
