// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// ErrTargetNotReached says that the log ended before the recovery target.
var ErrTargetNotReached = errors.New("recovery ended before the recovery target was reached")

// ErrInconsistentTarget says that replay came to its target before the directory was consistent.
var ErrInconsistentTarget = errors.New("the recovery target is before the point from which on the directory is consistent")

// ReplayConfig says how Replay works. The zero value replays everything that the log has.
type ReplayConfig struct {
	Target Target
	// Wait is called at the end of the log; it returns nil when there may be more, and an error to end Replay with.
	// nil: Replay ends where the log ends.
	Wait func(ctx context.Context, end *xlog.EndError) error
	// MinApplyDelay is how long after a commit it is applied (recovery_min_apply_delay).
	MinApplyDelay time.Duration
	// Gate pauses replay; may be nil.
	Gate *Gate
	// OnRestartpoint is called after each restartpoint with the oldest position of the log that is still needed, by the
	// goroutine that made it, and not after one of Redo's methods has waited for that; may be nil.
	OnRestartpoint func(keep xlog.LSN)
}

// Stop says why Replay ended.
type Stop struct {
	Target bool           // the target was reached
	End    *xlog.EndError // the log ended; nil when the target was reached
}

// Replay reads the log and applies it, over changes of the timeline (PerformWalRecovery in
// src/backend/access/transam/xlogrecovery.c). Restartpoints are made while it goes on, and one may be under way when it
// returns: whatever writes to the directory then waits for it.
func (r *Redo) Replay(ctx context.Context, cfg ReplayConfig) (Stop, error) {
	if err := cfg.Target.validate(); err != nil {
		return Stop{}, err
	}
	p := replay{r: r, cfg: cfg, target: cfg.Target.String() != ""}
	p.ctx, p.fail = context.WithCancelCause(ctx)
	defer p.fail(nil)
	p.ahead.init(r)
	p.read()
	defer func() { p.reader.Close() }()
	defer p.letGo()
	for {
		stop, err := p.next()
		if err != nil && ctx.Err() == nil && p.ctx.Err() != nil {
			err = context.Cause(p.ctx)
		}
		if err != nil || stop != nil {
			return p.stopped(stop, err)
		}
	}
}

// replay is a Replay at work.
type replay struct {
	r      *Redo
	cfg    ReplayConfig
	ctx    context.Context
	fail   context.CancelCauseFunc // ends ctx, because of a restartpoint
	reader *xlog.ReadAhead
	ahead  lookahead
	target bool // there is one
	held   bool // Redo.between

	applied uint64 // records
}

// read begins to read where replay is.
func (p *replay) read() { p.reader = xlog.NewReadAhead(p.r.readerConfig(p.r.end), p.ahead.decode) }

// hold keeps others away from pages, for several records: each time that it is taken or given up the processor waits until
// everything that was written is in its cache.
func (p *replay) hold() {
	if !p.held {
		p.r.between.Lock()
		p.held = true
	}
}

// letGo is called where Replay may wait, and after a few records.
func (p *replay) letGo() {
	if p.held {
		p.r.publish()
		p.r.between.Unlock()
		p.held = false
	}
}

// next applies a record; Stop is nil while there is more to do.
func (p *replay) next() (*Stop, error) {
	if p.applied++; p.applied&0xFF == 0 && p.ctx.Err() != nil {
		return nil, context.Cause(p.ctx)
	}
	if p.ahead.empty() {
		p.letGo()
		if err := p.ahead.fill(p.reader); err != nil {
			return p.logEnds(err)
		}
		p.hold()
		p.ahead.touch()
	}
	rec, payload, err := p.ahead.take()
	if err != nil {
		return nil, err
	}
	if p.cfg.Gate.Paused() {
		p.letGo()
		if err := p.cfg.Gate.pass(p.ctx); err != nil {
			return nil, err
		}
	}
	if p.target && p.cfg.Target.stopsBefore(p.r, rec, payload) {
		return &Stop{Target: true}, nil
	}
	if p.cfg.MinApplyDelay > 0 {
		if err := p.delay(rec, payload); err != nil {
			return nil, err
		}
	}
	p.hold()
	if err := p.r.applyDecoded(payload); err != nil {
		return nil, err
	}
	return p.after(rec, payload)
}

func (p *replay) after(rec *xlog.Record, payload rmgr.Payload) (*Stop, error) {
	if p.target && p.cfg.Target.stopsAfter(p.r, rec, payload) {
		return &Stop{Target: true}, nil
	}
	if _, ok := payload.(*rmgr.CheckPoint); ok {
		p.letGo()
		p.maybeRestart()
	}
	return nil, nil
}

// stopped is how Replay ends.
func (p *replay) stopped(stop *Stop, err error) (Stop, error) {
	switch {
	case err != nil:
		return Stop{}, err
	case stop.Target && !p.r.consistency.at.Valid():
		return *stop, fmt.Errorf("%w: replay is at %s, the target is %s", ErrInconsistentTarget, p.r.end,
			p.cfg.Target.String())
	case !stop.Target && p.target:
		return *stop, fmt.Errorf("%w: %s", ErrTargetNotReached, p.cfg.Target.String())
	}
	return *stop, nil
}

// logEnds looks for more of the log: on a newer timeline, or later.
func (p *replay) logEnds(err error) (*Stop, error) {
	var end *xlog.EndError
	if !errors.As(err, &end) || errors.Is(err, xlog.ErrIO) {
		return nil, err
	}
	switched, err := p.r.look()
	switch {
	case err != nil:
		return nil, err
	case switched:
		p.reader.Close()
		p.read()
		return nil, nil
	case p.cfg.Wait == nil:
		return &Stop{End: end}, nil
	}
	p.maybeRestart()
	return nil, p.cfg.Wait(p.ctx, end)
}

// look looks for a newer timeline where the log ends.
func (r *Redo) look() (switched bool, err error) {
	r.between.Lock()
	defer r.between.Unlock()
	if err := r.enterArchiveRecovery(); err != nil {
		return false, err
	}
	return r.Rescan()
}

// maybeRestart begins a restartpoint if it is time for one.
func (p *replay) maybeRestart() { p.r.restartBeside(p.cfg.OnRestartpoint, p.fail) }

// delay waits until a commit may be applied (recoveryApplyDelay).
func (p *replay) delay(rec *xlog.Record, payload rmgr.Payload) error {
	end, commit := xactEnd(rec, payload)
	if !commit || !p.r.consistency.at.Valid() {
		return nil
	}
	wait := time.Until(timestamp(end.Time).Add(p.cfg.MinApplyDelay))
	if wait <= 0 {
		return nil
	}
	p.letGo()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return p.cfg.Gate.pass(p.ctx)
	case <-p.cfg.Gate.hurried():
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}
