// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// commitTs redoes records of CommitTs (commit_ts_redo in src/backend/access/transam/commit_ts.c).
func (r *Redo) commitTs(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.CommitTsZeroPage:
		return r.state.CommitTimes.ZeroPage(p.Page)
	case *rmgr.CommitTsTruncate:
		if c := &r.counters; c.OldestCommitTsXID != 0 && precedes(c.OldestCommitTsXID, p.OldestXID) {
			c.OldestCommitTsXID = p.OldestXID
		}
		return r.state.CommitTimes.Truncate(p.Page)
	case *rmgr.CommitTsSet:
		return r.setCommitTime(p.XID, p.Subxacts, p.Time, p.Origin)
	}
	return unknown(p)
}

// setCommitTime notes the time of a transaction and its subtransactions (TransactionTreeSetCommitTsData).
func (r *Redo) setCommitTime(xid uint32, subxacts rmgr.Uint32s, time int64, origin uint16) error {
	if !r.state.CommitTimes.Active() {
		return nil
	}
	if err := r.state.CommitTimes.Set(xid, time, origin); err != nil {
		return err
	}
	newest := xid
	for i := range subxacts.Len() {
		newest = subxacts.At(i)
		if err := r.state.CommitTimes.Set(newest, time, origin); err != nil {
			return err
		}
	}
	r.counters.sawCommitTime(newest)
	return nil
}

// changeCommitTimes begins or ends the recording of times as the primary does (CommitTsParameterChange).
func (r *Redo) changeCommitTimes(track bool) error {
	times := &r.state.CommitTimes
	switch {
	case track && !times.Active():
		r.counters.activateCommitTimes()
		return times.Activate(uint32(r.counters.NextXID))
	case !track && times.Active():
		r.counters.OldestCommitTsXID, r.counters.NewestCommitTsXID = 0, 0
		return times.Deactivate()
	}
	return nil
}
