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

// A drained socket makes the reader sync itself when no more than littleLog waits and the last sync was over within
// quickSync: then reading misses little, and handing over would take a good part of the time.
const (
	littleLog = 64 << 10
	quickSync = time.Millisecond
)

// flusher calls Sink.Sync: group commit. What arrives during one sync is covered by the next. It does so in its own
// goroutine, or in the reader's by syncHere.
type flusher struct {
	sink         Sink
	maxUnflushed int64
	durable      func(lsn xlog.LSN) // told of progress, by the goroutine that synced
	failed       func()             // told of an error, so that the reader looks

	mu       sync.Mutex
	work     *sync.Cond // for run: there is something to sync
	ended    *sync.Cond // for quiesce: a sync has
	written  xlog.LSN   // the reader's position
	wanted   xlog.LSN   // sync up to here
	flushed  xlog.LSN   // the sink's answer
	syncing  bool
	quick    bool      // the last sync took less than quickSync
	lastSync time.Time // its end
	err      error     // final
	closed   bool
}

func newFlusher(sink Sink, maxUnflushed int64, durable func(xlog.LSN), failed func()) *flusher {
	f := &flusher{sink: sink, maxUnflushed: maxUnflushed, durable: durable, failed: failed}
	f.work, f.ended = sync.NewCond(&f.mu), sync.NewCond(&f.mu)
	return f
}

// run works until close.
func (f *flusher) run() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.wait() {
		f.sync()
	}
}

// wait blocks until there is something to sync; it is false at the end.
func (f *flusher) wait() bool {
	for !f.closed && (f.syncing || f.err != nil || f.wanted <= f.flushed) {
		f.work.Wait()
	}
	return !f.closed
}

// sync runs one Sync, without the lock.
func (f *flusher) sync() {
	target := f.written
	f.syncing = true
	f.mu.Unlock()
	began := time.Now()
	lsn, err := f.sink.Sync()
	ended := time.Now()
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
	f.quick, f.lastSync = ended.Sub(began) < quickSync, ended
	f.ended.Broadcast()
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
	f.work.Signal()
}

// wrote notes that the reader wrote up to lsn, and starts a sync where one is due. drained tells that no further
// message is at hand, lag how far the server is ahead, segmentEnd that a segment was finished. When here is true the sync
// is the caller's: it calls syncHere next.
func (f *flusher) wrote(lsn xlog.LSN, drained bool, lag int64, segmentEnd bool) (here bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = lsn
	if drained && lag >= eagerLag {
		drained = time.Since(f.lastSync) >= catchupPause
	}
	waiting := lsn.Sub(f.flushed)
	if drained && f.quick && !f.syncing && f.err == nil && waiting <= littleLog {
		f.syncing = true // run keeps off
		return true
	}
	if drained || segmentEnd || waiting >= f.maxUnflushed {
		f.request()
	}
	return false
}

// syncHere syncs in the caller's goroutine, after wrote has asked for it.
func (f *flusher) syncHere() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sync()
	if f.wanted > f.flushed {
		f.work.Signal()
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
		f.work.Signal()
	}
}

// quiesce waits until everything written is durable and no sync runs.
func (f *flusher) quiesce() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.request()
	for f.err == nil && (f.syncing || f.flushed < f.written) {
		f.ended.Wait()
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
	f.work.Signal()
}
