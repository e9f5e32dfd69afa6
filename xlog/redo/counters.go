// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog"

// Counters is what a server would give away next, and the oldest that it still has to keep (VariableCacheData in
// src/include/access/transam.h, MultiXactStateData in src/backend/access/transam/multixact.c). Records and checkpoints
// move it.
type Counters struct {
	NextXID           uint64 // epoch and transaction id
	NextOID           uint32
	NextMulti         uint32
	NextMultiOffset   uint32
	OldestXID         uint32
	OldestXIDDB       uint32
	OldestClogXID     uint32 // the oldest in pg_xact
	OldestMulti       uint32
	OldestMultiDB     uint32
	OldestCommitTsXID uint32 // 0: times of commits are not recorded
	NewestCommitTsXID uint32

	// Greenplum's.
	NextRelNumber uint64
	NextGxid      uint64
}

// precedes tells whether transaction a is older than b (TransactionIdPrecedes).
func precedes(a, b uint32) bool {
	if a < xlog.FirstNormalXID || b < xlog.FirstNormalXID {
		return a < b
	}
	return int32(a-b) < 0
}

// sawXID notes that a record mentions a transaction, 0 for none (AdvanceNextFullTransactionIdPastXid).
func (c *Counters) sawXID(xid uint32) {
	next := uint32(c.NextXID)
	if xid < xlog.FirstNormalXID || precedes(xid, next) {
		return
	}
	epoch := c.NextXID >> 32
	if xid++; xid < xlog.FirstNormalXID {
		xid = xlog.FirstNormalXID
	}
	if xid < next {
		epoch++
	}
	c.NextXID = epoch<<32 | uint64(xid)
}

// sawOldestClogXID notes the oldest transaction that pg_xact has (AdvanceOldestClogXid).
func (c *Counters) sawOldestClogXID(oldest uint32) {
	if precedes(c.OldestClogXID, oldest) {
		c.OldestClogXID = oldest
	}
}

// sawMulti notes that multixacts and their members are there up to the given ones (MultiXactAdvanceNextMXact).
func (c *Counters) sawMulti(next, nextOffset uint32) {
	if int32(c.NextMulti-next) < 0 {
		c.NextMulti = next
	}
	if int32(c.NextMultiOffset-nextOffset) < 0 {
		c.NextMultiOffset = nextOffset
	}
}

// sawOldestMulti notes which multixact is the oldest (MultiXactAdvanceOldest).
func (c *Counters) sawOldestMulti(oldest, database uint32) {
	if int32(c.OldestMulti-oldest) < 0 {
		c.OldestMulti, c.OldestMultiDB = oldest, database
	}
}

// sawCommitTime notes the newest transaction whose time is recorded.
func (c *Counters) sawCommitTime(xid uint32) {
	if precedes(c.NewestCommitTsXID, xid) {
		c.NewestCommitTsXID = xid
	}
}

// activateCommitTimes notes that times are recorded from now on (ActivateCommitTs).
func (c *Counters) activateCommitTimes() {
	if c.OldestCommitTsXID == 0 {
		c.OldestCommitTsXID, c.NewestCommitTsXID = uint32(c.NextXID), uint32(c.NextXID)
	}
}
