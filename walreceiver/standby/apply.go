// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
)

// ReplayConfig says how the log is applied.
type ReplayConfig struct {
	CacheBytes int64 // budget of the page cache; 0: pgdata.DefaultBudget
	// Target is where replay ends, while receiving goes on.
	Target redo.Target
	// MinApplyDelay is recovery_min_apply_delay.
	MinApplyDelay time.Duration
	// RestartBytes and RestartTime say when a restartpoint is made, as redo.Config has them.
	RestartBytes int64
	RestartTime  time.Duration
	// CheckConsistency compares pages with the images of wal_consistency_checking after each record.
	CheckConsistency bool
}

// idleLook is how often replay looks whether a restartpoint is due while no log comes.
const idleLook = 10 * time.Second

// applier applies the durable log in its own goroutine. Its failure ends replay, never receiving.
type applier struct {
	cfg     ReplayConfig
	data    *pgdata.DataDir
	version int // server_version_num of the primary as last heard, 0 unknown
	log     *durableWAL
	gate    redo.Gate
	reached func()              // told when everything durable is applied
	release func(keep xlog.LSN) // told what of the log is still needed
	events  func(Event)
	feeds   feeds

	seen    xlog.LSN // end of what was durable when replay last came to the end
	corrupt xlog.LSN // where the log looked corrupt then

	order     chan struct{}  // closed when the standby takes over
	ended     chan struct{}  // closed when run has ended
	promotion redo.Promotion // set before, when recovery was ended

	mu    sync.Mutex // guards what follows
	redo  *redo.Redo // nil until the first checkpoint is there
	state replayState
}

// replayState is what an applier's end left.
type replayState struct {
	stopped bool
	target  bool // because of its target
	err     error
	at      time.Time
}

// run applies until ctx ends, it cannot go on, or the standby takes over.
func (a *applier) run(ctx context.Context) {
	defer close(a.ended)
	err := a.replay(ctx)
	if ended(ctx, err) {
		err = nil
	}
	if err = errors.Join(err, a.log.Close()); err == nil {
		return
	}
	a.mu.Lock()
	a.state = replayState{stopped: true, err: err, at: time.Now()}
	a.mu.Unlock()
	a.events(ReplayStopped{Target: a.cfg.Target.String(), Err: err})
}

// ended tells whether err is that ctx ended.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}

func (a *applier) replay(ctx context.Context) error {
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	a.feeds.begin(r)
	a.mu.Lock()
	a.redo = r
	a.mu.Unlock()
	stop, err := r.Replay(ctx, redo.ReplayConfig{
		Target: a.cfg.Target, MinApplyDelay: a.cfg.MinApplyDelay, Gate: &a.gate,
		Wait: a.wait, OnRestartpoint: a.release,
	})
	return a.endRecovery(ctx, r, stop, err)
}

// open begins recovery as soon as the log has the checkpoint that it begins at.
func (a *applier) open(ctx context.Context) (*redo.Redo, error) {
	for {
		r, err := redo.New(redo.Config{
			Dir: a.data.Path, WAL: a.log, ServerVersion: a.version, CacheBytes: a.cfg.CacheBytes,
			RestartBytes: a.cfg.RestartBytes, RestartTime: a.cfg.RestartTime,
		})
		if !errors.Is(err, redo.ErrNoCheckpoint) {
			if err == nil {
				r.CheckConsistency(a.cfg.CheckConsistency)
			}
			return r, err
		}
		if a.seen == allThereIs {
			return nil, err
		}
		if a.seen, err = a.log.wait(ctx, a.seen, idleLook); err != nil {
			return nil, err
		}
	}
}

// wait is called where the log ends. A record that is corrupt is an end as well while it may still be replaced: only when
// all of it was received, and checked by the receiver, is it an error.
func (a *applier) wait(ctx context.Context, end *xlog.EndError) error {
	limit, _ := a.log.end()
	if a.seen == allThereIs {
		return a.endOfLog(end)
	}
	if errors.Is(end, xlog.ErrCorrupt) && limit == a.seen && end.LSN == a.corrupt && end.At < limit {
		return end
	}
	a.corrupt = end.LSN
	a.reached()
	var err error
	a.seen, err = a.log.wait(ctx, a.seen, idleLook)
	return err
}

// applied is the position to report to the primary.
func (a *applier) applied() xlog.LSN {
	if r := a.redoer(); r != nil {
		return r.Progress().LSN
	}
	return 0
}

func (a *applier) redoer() *redo.Redo {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.redo
}

func (a *applier) stopped() replayState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// PauseReplay stops applying before the next record, while receiving goes on (pg_wal_replay_pause).
func (s *Standby) PauseReplay() { s.applier.gate.Pause() }

// ResumeReplay lets replay go on (pg_wal_replay_resume).
func (s *Standby) ResumeReplay() { s.applier.gate.Resume() }

// ReplayStopped tells that no more log is applied: the target was reached, or a record cannot be redone. Receiving goes
// on, so that nothing is lost.
type ReplayStopped struct {
	Target string // empty when there was none
	Err    error  // nil when the target was reached
}

func (e ReplayStopped) String() string {
	if e.Err == nil {
		return "replay has reached its target, " + e.Target + "; receiving goes on"
	}
	return fmt.Sprintf("replay has stopped, receiving goes on: %v", e.Err)
}
