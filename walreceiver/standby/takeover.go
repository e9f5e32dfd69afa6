// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

var (
	// ErrNotRunning says that a Standby that does not run cannot be activated by its own process: use Activate.
	ErrNotRunning = errors.New("the standby does not run")
	// errTakeOver ends receiving and replay when the order has come.
	errTakeOver = errors.New("the standby takes over")
)

// takeover is the order to a running Standby to become a primary at rest, and how it went.
type takeover struct {
	ordered chan struct{} // closed by the first order
	done    chan struct{} // closed when it is carried out, or Run has ended
	once    sync.Once     // closes ordered
	ended   sync.Once     // closes done

	end    bool // Run ends afterwards; set before ordered is closed
	result redo.Promotion
	err    error
}

func newTakeover() *takeover {
	return &takeover{ordered: make(chan struct{}), done: make(chan struct{}), err: ErrNotRunning}
}

// order gives the order. The first one counts.
func (t *takeover) order(end bool) {
	t.once.Do(func() {
		t.end = end
		close(t.ordered)
	})
}

// finish tells those who wait for it how it went.
func (t *takeover) finish() { t.ended.Do(func() { close(t.done) }) }

// Activate makes a running Standby a primary at rest: it ends receiving, replays what is durable, or up to the target that
// was reached, and begins a new timeline, after which a server starts on the directory with nothing to recover. A pause of
// replay and its delay end with the order. The primary is not asked whether it lives.
//
// With Config.Serve the Standby's sender goes on under the new timeline, and those who follow it do, until the context of
// Run ends; without, Run ends. The Standby holds the directory until then. After an error Run ends with that error, and the
// function Activate, or another Standby, can carry on from the directory.
func (s *Standby) Activate(ctx context.Context) (redo.Promotion, error) {
	s.takeover.order(false)
	select {
	case <-s.takeover.done:
		return s.takeover.result, s.takeover.err
	case <-ctx.Done():
		return redo.Promotion{}, context.Cause(ctx)
	}
}

// follow receives until ctx ends or the order to take over comes, which it carries out.
func (s *Standby) follow(ctx context.Context) error {
	receiving, stop := context.WithCancel(ctx)
	defer stop()
	received := make(chan error, 1)
	go func() { received <- s.receiveForever(receiving) }()
	select {
	case err := <-received:
		return err
	case <-s.takeover.ordered:
		stop()
	}
	if err := <-received; err != nil {
		s.takeover.err = err
		return err
	}
	return s.takeOver(ctx)
}

// takeOver carries out the order, after the receiver has ended.
func (s *Standby) takeOver(ctx context.Context) error {
	t, began := s.takeover, time.Now()
	s.setState(StateActivating)
	s.events(TakingOver{})
	if t.result, t.err = s.promote(ctx); ended(ctx, t.err) {
		return nil // it stays a standby
	} else if t.err != nil {
		return t.err
	}
	s.activated(t.result, began)
	t.err = s.save()
	s.events(TakenOver{Promotion: t.result, Took: time.Since(began)})
	t.finish()
	switch {
	case t.err != nil || s.cascade == nil:
		return t.err
	case t.end:
		s.cascade.stopFast()
		return nil
	}
	<-ctx.Done()
	return nil
}

// promote replays what is left and begins the new timeline, here and in what is served.
func (s *Standby) promote(ctx context.Context) (redo.Promotion, error) {
	if err := waldir.SyncAll(ctx, vfs.OS, s.data.WALPath()); err != nil {
		return redo.Promotion{}, err
	}
	p, err := s.applier.promote(ctx)
	if err != nil {
		return p, err
	}
	if err := s.keepSlots(); err != nil || s.cascade == nil {
		return p, err
	}
	return p, s.cascade.activated(p)
}

func (s *Standby) setState(state string) {
	s.mu.Lock()
	s.status.State = state
	s.mu.Unlock()
}

func (s *Standby) isActivated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.Activation != nil
}

func (s *Standby) activated(p redo.Promotion, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Activation = &ActivationStatus{
		Promotion: p, At: time.Now(), Took: time.Since(began), Serving: s.cascade != nil && !s.takeover.end,
	}
	s.status.State, s.status.Timeline = StateActivated, p.NewTimeline
	s.status.WrittenLSN, s.status.FlushedLSN, s.status.LatestEndLSN = p.End, p.End, p.End
	s.status.LagBytes, s.status.LagSeconds = 0, 0
	s.update()
}

// TakingOver tells that the order to take over was given.
type TakingOver struct{}

func (TakingOver) String() string { return "the order to take over: no more log is received" }

// TakenOver tells that the directory is a primary's.
type TakenOver struct {
	redo.Promotion
	Took time.Duration
}

func (e TakenOver) String() string {
	return fmt.Sprintf("the directory is a primary's, shut down on timeline %s, which left timeline %s at %s, after %s",
		e.NewTimeline, e.OldTimeline, e.Switch, e.Took.Round(time.Millisecond))
}

// promote has replay come to the end of the log, whatever holds it up, and recovery end there.
func (a *applier) promote(ctx context.Context) (redo.Promotion, error) {
	a.log.finish()
	a.gate.Hurry()
	close(a.order)
	<-a.ended // soon after the end of ctx, but for a promotion that has begun
	if err := a.stopped().err; err != nil || a.promotion.NewTimeline != 0 {
		return a.promotion, err
	}
	return a.promotion, context.Cause(ctx)
}

// endOfLog is the answer of wait when no more of the log comes.
func (a *applier) endOfLog(end *xlog.EndError) error {
	if err := lostLog(a.data, end, a.log.flushed()); err != nil {
		return err
	}
	return errTakeOver
}

// endRecovery is what becomes of a Redo when Replay has ended, with stop or err.
func (a *applier) endRecovery(ctx context.Context, r *redo.Redo, stop redo.Stop, err error) error {
	switch {
	case err == nil && stop.Target:
		return a.atTarget(ctx, r)
	case errors.Is(err, errTakeOver) && a.cfg.Target.String() != "":
		err = fmt.Errorf("%w: %s", redo.ErrTargetNotReached, a.cfg.Target.String())
	case errors.Is(err, errTakeOver):
		a.promotion, err = r.Promote(promoteConfig(r, ""))
		return err
	case err == nil || ended(ctx, err):
		return r.Shutdown()
	}
	return errors.Join(err, r.Close()) // pages may have been changed in part: nothing more is written
}

// atTarget waits, with everything replayed on disk, until the standby takes over there or ends.
func (a *applier) atTarget(ctx context.Context, r *redo.Redo) error {
	if err := r.Restartpoint(); err != nil {
		return errors.Join(err, r.Close())
	}
	a.mu.Lock()
	a.state = replayState{stopped: true, target: true, at: time.Now()}
	a.mu.Unlock()
	a.events(ReplayStopped{Target: a.cfg.Target.String()})
	select {
	case <-a.order:
		var err error
		a.promotion, err = r.Promote(promoteConfig(r, "at recovery target: "+a.cfg.Target.String()))
		return err
	case <-ctx.Done():
		return r.Shutdown()
	}
}
