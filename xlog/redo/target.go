// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Target is where replay is to end. One of the first five fields is set; the zero Target is none.
type Target struct {
	LSN       xlog.LSN  // recovery_target_lsn: the first record that begins there or later
	Time      time.Time // recovery_target_time: the last end of a transaction up to then
	XID       uint32    // recovery_target_xid: the end of this transaction
	Name      string    // recovery_target_name: the first restore point of this name
	Immediate bool      // recovery_target 'immediate': as soon as the directory is consistent
	// Exclusive ends replay before what LSN, Time or XID ask for, and not after it (recovery_target_inclusive = off).
	Exclusive bool
}

func (t *Target) validate() error {
	n := 0
	for _, set := range []bool{t.LSN != 0, !t.Time.IsZero(), t.XID != 0, t.Name != "", t.Immediate} {
		if set {
			n++
		}
	}
	if n > 1 {
		return fmt.Errorf("redo: at most one recovery target, got %d", n)
	}
	return nil
}

// String says what the target is; empty for none.
func (t *Target) String() string {
	switch {
	case t.LSN != 0:
		return "LSN " + t.LSN.String()
	case !t.Time.IsZero():
		return "time " + t.Time.Format(time.RFC3339Nano)
	case t.XID != 0:
		return fmt.Sprintf("transaction %d", t.XID)
	case t.Name != "":
		return fmt.Sprintf("restore point %q", t.Name)
	case t.Immediate:
		return "consistency"
	}
	return ""
}

// stopsBefore is asked before a record is applied (recoveryStopsBefore in src/backend/access/transam/xlogrecovery.c).
func (t *Target) stopsBefore(r *Redo, rec *xlog.Record, p rmgr.Payload) bool {
	if t.Immediate {
		return r.consistency.at.Valid()
	}
	if t.LSN != 0 {
		return t.Exclusive && rec.LSN >= t.LSN
	}
	end, _ := xactEnd(rec, p)
	switch {
	case end == nil:
		return false
	case t.XID != 0:
		return t.Exclusive && endedXID(rec, end) == t.XID
	case !t.Time.IsZero():
		at := timestamp(end.Time)
		return at.After(t.Time) || t.Exclusive && at.Equal(t.Time)
	}
	return false
}

// stopsAfter is asked after a record was applied (recoveryStopsAfter).
func (t *Target) stopsAfter(r *Redo, rec *xlog.Record, p rmgr.Payload) bool {
	switch {
	case t.Immediate:
		return r.consistency.at.Valid()
	case t.Name != "":
		point, ok := p.(*rmgr.RestorePoint)
		return ok && string(point.Name) == t.Name
	case t.LSN != 0:
		return !t.Exclusive && rec.LSN >= t.LSN
	case t.XID != 0 && !t.Exclusive:
		end, _ := xactEnd(rec, p)
		return end != nil && endedXID(rec, end) == t.XID
	}
	return false
}

// xactEnd is the part of a record that ends a transaction, nil for any other record.
func xactEnd(rec *xlog.Record, p rmgr.Payload) (end *rmgr.XactEnd, commit bool) {
	if rec.Rmgr != rmgr.Transaction {
		return nil, false
	}
	switch p := p.(type) {
	case *rmgr.XactCommit:
		return &p.XactEnd, true
	case *rmgr.XactDistributedCommit:
		return &p.XactEnd, true
	case *rmgr.XactAbort:
		return &p.XactEnd, false
	}
	return nil, false
}

func endedXID(rec *xlog.Record, end *rmgr.XactEnd) uint32 {
	if end.XID != 0 {
		return end.XID
	}
	return rec.XID
}

// timestamp is a TimestampTz.
func timestamp(us int64) time.Time { return xlog.Time(us).Local() }
