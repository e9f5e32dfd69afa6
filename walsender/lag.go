// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// The positions that a client reports; lag is measured for each (NUM_SYNC_REP_WAIT_MODE in syncrep.h).
const (
	writeHead = iota
	flushHead
	applyHead
	lagHeads
)

// lagSamples is how many positions are remembered (LAG_TRACKER_BUFFER_SIZE).
const lagSamples = 8192

// lagSample says that the log ended at lsn at a time. A zero time is no sample.
type lagSample struct {
	lsn xlog.LSN
	at  int64 // nanoseconds on a clock that does not jump
}

// lagTracker finds how long ago the log reached the positions that a client reports, as LagTrackerWrite and LagTrackerRead
// of walsender.c do: a ring of samples, with a reader for each position. A reader that is so slow that the ring comes
// around to it is left with the one sample where it stood.
type lagTracker struct {
	ring  []lagSample // nil: no samples yet
	next  int         // where the next sample goes
	last  xlog.LSN    // of the newest sample
	heads [lagHeads]lagHead
}

// lagHead is a reader of the ring.
type lagHead struct {
	at       int // the next sample to read
	overflow lagSample
	behind   bool      // overflow stands for what the ring has lost
	lastRead lagSample // the sample passed last
}

// write remembers that the log ended at lsn at a time. Without progress it does nothing.
func (t *lagTracker) write(lsn xlog.LSN, now int64) {
	if t.last == lsn {
		return
	}
	if t.ring == nil {
		t.ring = make([]lagSample, lagSamples)
	}
	t.last = lsn
	next := (t.next + 1) % lagSamples
	for i := range t.heads {
		if h := &t.heads[i]; !h.behind && h.at == next {
			h.overflow, h.behind = t.ring[h.at], true
		}
	}
	t.ring[t.next] = lagSample{lsn, now}
	t.next = next
}

// read is the lag of a client that reports lsn now: the time since the log had got as far. ok is false when there is
// nothing new to measure by.
func (t *lagTracker) read(head int, lsn xlog.LSN, now int64) (lag time.Duration, ok bool) {
	if t.ring == nil {
		return 0, false
	}
	h := &t.heads[head]
	if h.behind && h.overflow.lsn > lsn {
		return since(h.overflow.at, now)
	}
	passed := t.pass(h, lsn)
	if h.at == t.next {
		h.lastRead = lagSample{} // all is read: of no use for what comes after a rest
	}
	if passed != 0 {
		return since(passed, now)
	}
	if h.at == t.next {
		return 0, false
	}
	return t.between(h, lsn, now)
}

// pass takes every sample up to lsn and returns the time of the last one, 0 for none.
func (t *lagTracker) pass(h *lagHead, lsn xlog.LSN) (at int64) {
	if h.behind {
		at, h.lastRead = h.overflow.at, h.overflow
		h.behind, h.at = false, (t.next+1)%lagSamples
	}
	for h.at != t.next && t.ring[h.at].lsn <= lsn {
		at, h.lastRead = t.ring[h.at].at, t.ring[h.at]
		h.at = (h.at + 1) % lagSamples
	}
	return at
}

// between is the lag of a position that lies between two samples, by the way it has made from the one to the other. Before
// the first sample it is the lag if that were reached now.
func (t *lagTracker) between(h *lagHead, lsn xlog.LSN, now int64) (time.Duration, bool) {
	before, after := h.lastRead, t.ring[h.at]
	if before.at == 0 {
		return since(after.at, now)
	}
	if lsn < before.lsn || before.at > after.at {
		return 0, false
	}
	share := float64(lsn-before.lsn) / float64(after.lsn-before.lsn)
	return since(before.at+int64(float64(after.at-before.at)*share), now)
}

// since is the time from then to now, if there is any.
func since(then, now int64) (time.Duration, bool) { return time.Duration(now - then), now >= then }
