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
	Records      uint64          // that were applied
	CacheHits    uint64          // pages that were in the cache, as of some hundred records ago
	CacheMisses  uint64          // pages that were read from files
	// FullPageWritesOff is the last record that switched full_page_writes off, 0 for none: a base backup must begin behind
	// it, for the log does not mend pages that were torn when they were copied (lastFpwDisableRecPtr).
	FullPageWritesOff xlog.LSN
}

// progress is what other goroutines may read.
type progress struct {
	lsn, consistent, restartpoint atomic.Uint64
	timeline, missing             atomic.Uint32
	records, hits, misses         atomic.Uint64
	lastXact                      atomic.Int64  // TimestampTz
	imagesOff                     atomic.Uint64 // FullPageWritesOff
}

// Progress may be called from any goroutine.
func (r *Redo) Progress() Progress {
	s := &r.shared
	p := Progress{
		LSN: xlog.LSN(s.lsn.Load()), Timeline: xlog.TimelineID(s.timeline.Load()),
		Consistent: xlog.LSN(s.consistent.Load()), Restartpoint: xlog.LSN(s.restartpoint.Load()),
		MissingPages: int(s.missing.Load()),
		Records:      s.records.Load(), CacheHits: s.hits.Load(), CacheMisses: s.misses.Load(),
		FullPageWritesOff: xlog.LSN(s.imagesOff.Load()),
	}
	if us := s.lastXact.Load(); us != 0 {
		p.LastXact = timestamp(us)
	}
	return p
}

// publishEvery is after how many records the numbers are published that nobody needs at once; a power of two.
const publishEvery = 1 << 10

// publish is called before between is given up.
func (r *Redo) publish() {
	r.shared.lsn.Store(uint64(r.end))
	r.shared.lastXact.Store(r.lastXact)
}

// publishCounts publishes what publish does not.
func (r *Redo) publishCounts() {
	s, cache := &r.shared, r.store.Stats()
	s.records.Store(r.applied)
	s.hits.Store(cache.Hits)
	s.misses.Store(cache.Misses)
	s.missing.Store(uint32(len(r.invalid.pages)))
}

// noteTime is called for the records that say when they were written (SetLatestXTime).
func (r *Redo) noteTime(p rmgr.Payload) {
	if end, _ := xactEnd(r.rec, p); end != nil {
		r.lastXact = end.Time
	}
}
