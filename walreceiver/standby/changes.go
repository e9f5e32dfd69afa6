// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
	"github.com/walmirror/walmirror/xlog/redo"
)

var (
	// ErrFellBehind says that a Watcher was given more than it took, and that its queue was full.
	ErrFellBehind = errors.New("the changes of catalogs were not taken as fast as they came")
	// ErrReplayEnded says that there are no more changes to watch: replay has ended, or the standby has taken over.
	ErrReplayEnded = errors.New("replay has ended")
)

// watchQueue is how many bytes of values wait for a Watcher at most.
const watchQueue = 64 << 20

// feeds hands what the feed of changes finds to those who watch. There is a feed as long as somebody does.
type feeds struct {
	always func(*changes.Transaction) // Config.OnChanges; may be nil
	failed func(error)                // told when the feed cannot go on

	mu       sync.Mutex // guards what follows
	watching bool       // a feed observes redo
	watchers map[*Watcher]struct{}
}

// begin is called before replay begins.
func (f *feeds) begin(r *redo.Redo) {
	if f.always != nil {
		f.observe(r)
	}
}

// observe begins a feed. It is called by redo's goroutine before replay, or in View.
func (f *feeds) observe(r *redo.Redo) {
	f.watching = true
	r.Observe(changes.New(r, changes.Config{Emit: f.emit, Failed: func(err error) { f.end(r, err) }}))
}

// emit is called by redo's goroutine, which waits for nobody but OnChanges.
func (f *feeds) emit(tx *changes.Transaction) {
	if f.always != nil {
		f.always(tx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		w.put(tx)
	}
}

// end is called by redo's goroutine when the feed cannot go on. Who watches then begins another.
func (f *feeds) end(r *redo.Redo, err error) {
	r.Observe(nil)
	f.mu.Lock()
	f.watching = false
	for w := range f.watchers {
		w.fail(err)
	}
	f.mu.Unlock()
	f.failed(err)
}

// Watch begins to watch what transactions change in the catalogs, see package changes. It waits until the directory
// is consistent. The caller closes the Watcher.
func (s *Standby) Watch(ctx context.Context) (*Watcher, error) {
	a := s.applier
	w := &Watcher{feeds: &a.feeds, ended: a.ended, more: make(chan struct{}, 1)}
	for {
		err := redo.ErrNotConsistent
		if w.redo = a.redoer(); w.redo != nil {
			err = w.redo.View(ctx, w.begin)
		}
		switch {
		case err == nil:
			return w, nil
		case errors.Is(err, redo.ErrClosed) || a.stopped().stopped:
			return nil, errors.Join(ErrReplayEnded, a.stopped().err)
		case !errors.Is(err, redo.ErrNotConsistent):
			return nil, err
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return nil, err
		}
	}
}

// Watcher is told of the changes of catalogs. Its methods belong to one goroutine.
type Watcher struct {
	// Begin is where it began, on timeline Timeline: what is committed behind it is reported.
	Begin    xlog.LSN
	Timeline xlog.TimelineID

	redo  *redo.Redo
	feeds *feeds
	ended <-chan struct{} // of replay
	more  chan struct{}   // has something when there is more to look at

	mu    sync.Mutex // guards what follows
	queue []*changes.Transaction
	bytes int // of values in the queue
	err   error
}

// begin is called in View.
func (w *Watcher) begin() error {
	w.Timeline, w.Begin = w.redo.Position()
	w.feeds.mu.Lock()
	defer w.feeds.mu.Unlock()
	if !w.feeds.watching {
		w.feeds.observe(w.redo)
	}
	w.feeds.watchers[w] = struct{}{}
	return nil
}

// put queues a transaction. The caller holds feeds.mu.
func (w *Watcher) put(tx *changes.Transaction) {
	size := tx.Size()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if len(w.queue) > 0 && w.bytes+size > watchQueue {
		w.err = fmt.Errorf("%w: %d MB wait, up to %s", ErrFellBehind, w.bytes>>20, w.queue[len(w.queue)-1].End)
	} else {
		w.queue, w.bytes = append(w.queue, tx), w.bytes+size
	}
	w.wake()
}

func (w *Watcher) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.wake()
}

func (w *Watcher) wake() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// Next waits for the next transaction. Others may have the same: it is not changed. After an error there is no next.
func (w *Watcher) Next(ctx context.Context) (*changes.Transaction, error) {
	for {
		if tx, err := w.take(); tx != nil || err != nil {
			return tx, err
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-w.ended:
			if tx, err := w.take(); tx != nil || err != nil {
				return tx, err
			}
			return nil, ErrReplayEnded
		}
	}
}

// take is what waits: what was queued before an error comes before it.
func (w *Watcher) take() (*changes.Transaction, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil, w.err
	}
	tx := w.queue[0]
	w.queue[0], w.queue = nil, w.queue[1:]
	w.bytes -= tx.Size()
	return tx, nil
}

// Close ends the watching.
func (w *Watcher) Close() {
	f := w.feeds
	f.mu.Lock()
	delete(f.watchers, w)
	f.mu.Unlock()
	_ = w.redo.View(context.Background(), func() error { // a Redo that is closed has no observer any more
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.watching && f.always == nil && len(f.watchers) == 0 {
			f.watching = false
			w.redo.Observe(nil)
		}
		return nil
	})
}

// ChangesEnded tells that changes of catalogs are not reported any more; replay goes on.
type ChangesEnded struct{ Err error }

func (e ChangesEnded) String() string {
	return fmt.Sprintf("changes of catalogs are not reported any more: %v", e.Err)
}
