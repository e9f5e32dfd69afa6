// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"sync"
	"time"
)

// patience is how long a reader's own sync may take before another goroutine reads on. Each time it passes while commits
// come a thread is woken to look.
const patience = 100 * time.Millisecond

// errRelieved ends a reader whose place another one has taken.
var errRelieved = errors.New("another goroutine reads")

// reader is the goroutine that takes messages of a stream. It makes a small commit durable itself, because handing that to
// the flusher takes a good part of the time of an fsync. When its sync takes long a new reader takes its place, so that
// keepalives are answered while the disk hangs; the old one ends with its sync.
type reader struct {
	*stream
	late *time.Timer // of patience

	mu       sync.Mutex
	since    time.Time // when a sync of its own began; zero when none runs, or another one reads
	watching bool      // late runs. It is not set for each sync: that would wake a thread each time
}

// readOn takes messages until the stream ends, and then says on s.ended why.
func (s *stream) readOn(ctx context.Context) {
	rd := &reader{stream: s}
	rd.late = time.AfterFunc(time.Hour, func() { rd.watch(ctx) })
	err := rd.read(ctx)
	rd.late.Stop()
	if err != errRelieved {
		s.ended <- err
	}
}

// sync makes durable what was just written, as flusher.wrote has asked. The answer goes out from here too.
func (rd *reader) sync() error {
	rd.syncBegins()
	rd.r.flusher.syncHere()
	return rd.syncEnds()
}

func (rd *reader) syncBegins() {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.since = time.Now()
	if !rd.watching {
		rd.watching = true
		rd.late.Reset(patience)
	}
}

// syncEnds is errRelieved when another one reads by now.
func (rd *reader) syncEnds() error {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if rd.since.IsZero() {
		return errRelieved
	}
	rd.since = time.Time{}
	return nil
}

// watch reads on, in late's goroutine, if the reader's sync takes long.
func (rd *reader) watch(ctx context.Context) {
	if rd.relieve() {
		rd.replier.moved()
		rd.readOn(ctx)
	}
}

// relieve tells whether the reader's sync has taken long enough to take its place.
func (rd *reader) relieve() bool {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.watching = false
	if rd.since.IsZero() {
		return false
	}
	if left := patience - time.Since(rd.since); left > 0 {
		rd.watching = true
		rd.late.Reset(left)
		return false
	}
	rd.since = time.Time{}
	return true
}
