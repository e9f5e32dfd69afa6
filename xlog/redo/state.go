// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// startState takes up what the checkpoint at which recovery begins says of transactions, and looks at their files.
func (r *Redo) startState(p *rmgr.CheckPoint) error {
	r.counters = Counters{
		NextXID: p.NextXID, NextOID: p.NextOID, NextMulti: p.NextMulti, NextMultiOffset: p.NextMultiOffset,
		OldestXID: p.OldestXID, OldestXIDDB: p.OldestXIDDB, OldestClogXID: p.OldestXID,
		OldestMulti: p.OldestMulti, OldestMultiDB: p.OldestMultiDB,
		OldestCommitTsXID: p.OldestCommitTsXID, NewestCommitTsXID: p.NewestCommitTsXID,
		NextRelNumber: p.NextRelfilenode, NextGxid: p.NextGxid,
	}
	r.fullPageWrites = p.FullPageWrites
	r.distributed.from(p, true)
	var err error
	r.state, err = pgdata.OpenTransactions(pgdata.TransactionsConfig{
		Dir: r.dir, Dialect: r.dialect, NextXID: p.NextXID, CommitTimes: r.control.TrackCommitTimestamp,
		BeforeWrite: r.beforePages,
	})
	if err != nil {
		return err
	}
	if r.control.TrackCommitTimestamp {
		r.counters.activateCommitTimes()
	}
	if p.Shutdown {
		r.running.shutdown(uint32(p.NextXID), r.state.Prepared.XIDs())
	}
	return nil
}

// countersOf moves the counters by a checkpoint's: after a shutdown they are exact, else the least that there was.
func (r *Redo) countersOf(p *rmgr.CheckPoint) {
	c := &r.counters
	r.distributed.from(p, p.Shutdown)
	if p.Shutdown {
		c.NextXID, c.NextOID, c.NextMulti, c.NextMultiOffset = p.NextXID, p.NextOID, p.NextMulti, p.NextMultiOffset
		c.OldestXID, c.OldestXIDDB = p.OldestXID, p.OldestXIDDB
		c.NextRelNumber, c.NextGxid = p.NextRelfilenode, p.NextGxid
		c.sawOldestMulti(p.OldestMulti, p.OldestMultiDB)
		r.running.shutdown(uint32(p.NextXID), r.state.Prepared.XIDs())
		return
	}
	c.NextXID = max(c.NextXID, p.NextXID)
	c.sawMulti(p.NextMulti, p.NextMultiOffset)
	c.sawOldestMulti(p.OldestMulti, p.OldestMultiDB)
	if precedes(c.OldestXID, p.OldestXID) {
		c.OldestXID, c.OldestXIDDB = p.OldestXID, p.OldestXIDDB
	}
	c.NextGxid = max(c.NextGxid, p.NextGxid)
}

// flushAll writes what was changed (CheckPointGuts). A prepared transaction gets a file when its record is before redo,
// from where recovery would begin.
func (r *Redo) flushAll(redo xlog.LSN) error {
	if r.failed != nil {
		return r.failed
	}
	if err := r.dir.CheckpointDecoding(); err != nil {
		return err
	}
	if err := r.state.Flush(redo); err != nil {
		return err
	}
	return r.store.Flush()
}

// Counters is what the server would give away next, and what it has to keep.
func (r *Redo) Counters() Counters { return r.counters }

// Running is the transactions that are in progress.
func (r *Redo) Running() *Running { return &r.running }
