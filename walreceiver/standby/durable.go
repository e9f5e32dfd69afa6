// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"io"
	"math"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// durableWAL is pg_wal as far as it is durable, the only log that may be applied: until streaming begins everything that
// is there, which was fsynced first, then what the receiver has flushed. The kernel's page cache is what makes it fast to
// read the log right after it was written.
type durableWAL struct {
	*redo.DirWAL

	mu      sync.Mutex
	limit   xlog.LSN      // end of what is durable
	synced  xlog.LSN      // end of what the receiver has flushed; 0: nothing yet
	changed chan struct{} // closed when limit changes
}

// Limits that are no positions: what is in pg_wal ends where it ends.
const (
	notReceiving = math.MaxUint64     // before streaming begins
	allThereIs   = math.MaxUint64 - 1 // no more comes
)

func newDurableWAL(path string, size xlog.SegmentSize) *durableWAL {
	return &durableWAL{DirWAL: redo.NewDirWAL(path, size), limit: notReceiving, changed: make(chan struct{})}
}

// ReadAt implements xlog.Source.
func (w *durableWAL) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	limit, _ := w.end()
	if lsn >= limit {
		return 0, io.EOF
	}
	if room := limit.Sub(lsn); room > 0 && room < int64(len(p)) {
		n, err := w.DirWAL.ReadAt(tli, p[:room], lsn)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return w.DirWAL.ReadAt(tli, p, lsn)
}

// end is where what is durable ends, and a channel that is closed when that changes.
func (w *durableWAL) end() (xlog.LSN, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit, w.changed
}

// setEnd says what the receiver has flushed.
func (w *durableWAL) setEnd(lsn xlog.LSN) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.synced = lsn
	w.setLimit(lsn)
}

// setLimit wakes who waits. The caller holds mu.
func (w *durableWAL) setLimit(lsn xlog.LSN) {
	if w.limit != lsn {
		w.limit = lsn
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// finish says that no more comes, and that all that is there is durable.
func (w *durableWAL) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLimit(allThereIs)
}

// flushed is the end of what the receiver has flushed, 0 before it began.
func (w *durableWAL) flushed() xlog.LSN {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.synced
}

// wait blocks until the end of what is durable is another than seen, for at most d, and returns it.
func (w *durableWAL) wait(ctx context.Context, seen xlog.LSN, d time.Duration) (xlog.LSN, error) {
	limit, changed := w.end()
	if limit != seen {
		return limit, nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return seen, context.Cause(ctx)
	}
	limit, _ = w.end()
	return limit, nil
}

// watchedDir is the receiver's sink: pg_wal, which tells what becomes durable.
type watchedDir struct {
	*waldir.Dir
	log     *durableWAL
	cascade *cascade        // may be nil
	tli     xlog.TimelineID // that is written; Begin changes it
}

// Begin implements walreceiver.Sink. What is behind lsn comes once more, the same as before as far as that was applied.
func (d *watchedDir) Begin(tli xlog.TimelineID, lsn xlog.LSN) error {
	err := d.Dir.Begin(tli, lsn)
	if err == nil {
		d.tli = tli
		d.log.setEnd(lsn)
	}
	return err
}

// Sync implements walreceiver.Sink.
func (d *watchedDir) Sync() (xlog.LSN, error) {
	lsn, err := d.Dir.Sync()
	if err != nil {
		return lsn, err
	}
	d.log.setEnd(lsn)
	if d.cascade != nil {
		err = d.cascade.SetFlush(d.tli, lsn)
	}
	return lsn, err
}
