// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"sync/atomic"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Progress is how far a Redo is, for others than the goroutine that it belongs to.
type Progress struct {
	LSN          xlog.LSN        // end of the last record that was applied
	Timeline     xlog.TimelineID // its timeline
	Consistent   xlog.LSN        // where the directory became consistent, 0 before
	LastXact     time.Time       // when the transaction ended whose end was applied last; zero when there was none
	Restartpoint xlog.LSN        // where recovery would begin
	MissingPages int             // pages that records referred to and that do not exist, so far
}

// progress is what other goroutines may read.
type progress struct {
	lsn, consistent, restartpoint atomic.Uint64
	timeline, missing             atomic.Uint32
	lastXact                      atomic.Int64 // TimestampTz
}

// Progress may be called from any goroutine.
func (r *Redo) Progress() Progress {
	s := &r.shared
	p := Progress{
		LSN: xlog.LSN(s.lsn.Load()), Timeline: xlog.TimelineID(s.timeline.Load()),
		Consistent: xlog.LSN(s.consistent.Load()), Restartpoint: xlog.LSN(s.restartpoint.Load()),
		MissingPages: int(s.missing.Load()),
	}
	if us := s.lastXact.Load(); us != 0 {
		p.LastXact = timestamp(us)
	}
	return p
}

// publish is called after each record.
func (r *Redo) publish() {
	r.shared.lsn.Store(uint64(r.end))
	r.shared.timeline.Store(uint32(r.tli))
	if r.invalid.pages != nil {
		r.shared.missing.Store(uint32(len(r.invalid.pages)))
	}
}

// noteTime is called for the records that say when they were written (SetLatestXTime).
func (r *Redo) noteTime(p rmgr.Payload) {
	if end, _ := xactEnd(r.rec, p); end != nil {
		r.shared.lastXact.Store(end.Time)
	}
}
