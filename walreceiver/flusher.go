// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"fmt"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// While the server is eagerLag ahead of us nobody can be waiting for the bytes that arrive, as a standby that far
// behind is not synchronous in practice. Then a drained socket starts a sync only once in catchupPause.
const (
	eagerLag     = 16 << 20
	catchupPause = 100 * time.Millisecond
)

// flusher calls Sink.Sync in its own goroutine: group commit. What arrives during one sync is covered by the next.
type flusher struct {
	sink         Sink
	maxUnflushed int64
	durable      func(lsn xlog.LSN) // told of progress, by the flusher's goroutine
	failed       func()             // told of an error, so that the reader looks

	mu       sync.Mutex
	changed  *sync.Cond
	written  xlog.LSN // the reader's position
	wanted   xlog.LSN // sync up to here
	flushed  xlog.LSN // the sink's answer
	syncing  bool
	lastSync time.Time
	err      error // final
	closed   bool
}

func newFlusher(sink Sink, maxUnflushed int64, durable func(xlog.LSN), failed func()) *flusher {
	f := &flusher{sink: sink, maxUnflushed: maxUnflushed, durable: durable, failed: failed}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// run works until close.
func (f *flusher) run() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.wait() {
		f.sync()
		f.changed.Broadcast()
	}
}

// wait blocks until there is something to sync; it is false at the end.
func (f *flusher) wait() bool {
	for !f.closed && (f.err != nil || f.wanted <= f.flushed) {
		f.changed.Wait()
	}
	return !f.closed
}

// sync runs one Sync, without the lock.
func (f *flusher) sync() {
	target := f.written
	f.syncing = true
	f.mu.Unlock()
	lsn, err := f.sink.Sync()
	if err == nil && lsn < target {
		err = fmt.Errorf("only durable up to %s", lsn)
	}
	if err == nil {
		f.durable(lsn)
	} else {
		f.failed()
	}
	f.mu.Lock()
	f.syncing = false
	f.lastSync = time.Now()
	if err != nil {
		f.err = &SinkError{Op: "sync", LSN: target, Err: err}
		return
	}
	f.flushed = lsn
}

// begin notes that writing goes on at lsn, after quiesce, and has the sink say what is durable.
func (f *flusher) begin(lsn xlog.LSN) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written, f.wanted, f.flushed = lsn, lsn, 0
	f.changed.Broadcast()
}

// wrote notes that the reader wrote up to lsn, and starts a sync where one is due. drained tells that no further
// message is at hand, lag how far the server is ahead, segmentEnd that a segment was finished.
func (f *flusher) wrote(lsn xlog.LSN, drained bool, lag int64, segmentEnd bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = lsn
	if drained && lag >= eagerLag {
		drained = time.Since(f.lastSync) >= catchupPause
	}
	if drained || segmentEnd || lsn.Sub(f.flushed) >= f.maxUnflushed {
		f.request()
	}
}

// hurry starts a sync of everything written.
func (f *flusher) hurry() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.request()
}

func (f *flusher) request() {
	if f.wanted < f.written {
		f.wanted = f.written
		f.changed.Broadcast()
	}
}

// quiesce waits until everything written is durable and no sync runs.
func (f *flusher) quiesce() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.request()
	for f.err == nil && (f.syncing || f.flushed < f.written) {
		f.changed.Wait()
	}
	return f.err
}

// failure is the error that ended syncing.
func (f *flusher) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// close makes run return, after the sync that may be running.
func (f *flusher) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed.Broadcast()
}
