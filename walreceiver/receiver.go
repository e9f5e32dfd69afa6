// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Receiver keeps a sink up to date with a server's log.
type Receiver struct {
	cfg     Config
	track   *tracker
	flusher *flusher
	running atomic.Bool
	stopAt  atomic.Uint64 // Config.StopAt

	// Belong to Run's goroutine.
	pos      Position        // of the next byte to write; Timeline is 0 until it is known
	began    bool            // the sink was told of pos
	floor    xlog.LSN        // durable although pos is before it
	seedFrom xlog.TimelineID // timeline that has the log from pos to floor; 0 for none
	// lastTimeline is the timeline before the last switch, until its successors' history files are there.
	lastTimeline xlog.TimelineID
	verifier     *xlog.Verifier
	dialect      *xlog.Dialect // nil when it is not known
	segSize      xlog.SegmentSize
	systemID     uint64
	slot         string
	slotMade     bool
	failures     int      // connections without progress, in a row
	corruptAt    xlog.LSN // failures are counted on until this position is passed

	mu   sync.Mutex
	live *stream // the present stream, for other goroutines
}

// New makes a Receiver. It connects to nothing yet.
func New(cfg Config) (*Receiver, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		cfg: cfg, track: &tracker{}, segSize: cfg.SegmentSize, systemID: cfg.SystemID, slot: cfg.Slot,
	}
	r.stopAt.Store(uint64(cfg.StopAt))
	r.track.s = Status{State: StateStopped, StateSince: time.Now(), Slot: cfg.Slot, SystemID: cfg.SystemID}
	return r, nil
}

// errRunning says that Run was called twice.
var errRunning = errors.New("walreceiver: Run was called before")

// errStop ends the present stream and Run in order: the context ended, or StopAt was reached.
var errStop = errors.New("stop")

// Run receives until ctx ends or StopAt is reached, and connects again whenever it has to. At the end everything
// received is made durable and confirmed, and Run returns nil. Otherwise it returns the error of the sink, or one that
// the configuration makes fatal. It waits for the sink's methods however long they take. Run is called once.
func (r *Receiver) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errRunning
	}
	r.flusher = newFlusher(r.cfg.Sink, r.cfg.MaxUnflushed, r.flushMoved, r.wake)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.flusher.run()
	}()
	r.setState(StateStartup)
	err := r.loop(ctx)
	if flushErr := r.flusher.quiesce(); err == nil {
		err = flushErr
	}
	r.flusher.close()
	<-done
	r.track.change(func(s *Status) {
		if err != nil {
			s.LastError, s.LastErrorTime = err, time.Now()
		}
		s.NextAttempt = time.Time{}
	})
	r.setState(StateStopped)
	return err
}

// loop makes one connection after another.
func (r *Receiver) loop(ctx context.Context) error {
	for {
		err := r.session(ctx)
		switch {
		case errors.Is(err, ErrSink):
			return err
		case errors.Is(err, errStop) || ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrConnInfo) || r.cfg.NoReconnect || r.cfg.Fatal != nil && r.cfg.Fatal(err):
			return err
		}
		r.pause(ctx, err)
	}
}

// pause waits before the next connection.
func (r *Receiver) pause(ctx context.Context, err error) {
	r.failures++
	wait := r.cfg.Backoff.delay(r.failures)
	now := time.Now()
	r.track.change(func(s *Status) {
		s.Restarts++
		s.LastError, s.LastErrorTime, s.NextAttempt = err, now, now.Add(wait)
	})
	r.setState(StateReconnecting)
	r.emit(Disconnected{Err: err, Permanent: Permanent(err), Failures: r.failures, RetryIn: wait})
	sleep(ctx, wait)
}

// Status is a snapshot of what the Receiver does.
func (r *Receiver) Status() Status { return r.track.snapshot() }

// SetStopAt changes Config.StopAt while Run runs. To stop as soon as everything below end is there, give end-1.
func (r *Receiver) SetStopAt(lsn xlog.LSN) {
	r.stopAt.Store(uint64(lsn))
	r.wake()
}

// Reply sends a status message now, if a stream is up: Config.Applied has moved and somebody may wait for it.
func (r *Receiver) Reply() {
	r.mu.Lock()
	s := r.live
	r.mu.Unlock()
	if s != nil {
		s.replier.force(false)
	}
}

// wake makes the reader look at what has changed.
func (r *Receiver) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live != nil {
		r.live.conn.wire.interruptReads()
	}
}

func (r *Receiver) setLive(s *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = s
}

// flushMoved is told by the flusher what is durable.
func (r *Receiver) flushMoved(lsn xlog.LSN) {
	r.track.flushed(lsn)
	r.mu.Lock()
	s := r.live
	r.mu.Unlock()
	if s != nil {
		s.replier.moved()
	}
}

// stopReached tells whether StopAt lies before lsn.
func (r *Receiver) stopReached(lsn xlog.LSN) bool {
	stop := xlog.LSN(r.stopAt.Load())
	return stop != 0 && stop < lsn
}

func (r *Receiver) emit(e Event) {
	if r.cfg.OnEvent != nil {
		r.cfg.OnEvent(e)
	}
}

func (r *Receiver) setState(to State) {
	if from := r.track.setState(to); from != to {
		r.emit(StateChanged{From: from, To: to})
	}
}

func sinkError(op string, lsn xlog.LSN, err error) error {
	if err == nil {
		return nil
	}
	return &SinkError{Op: op, LSN: lsn, Err: err}
}
