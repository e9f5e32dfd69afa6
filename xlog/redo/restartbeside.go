// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Restartpoints of Replay are made by a goroutine of their own, as the server's are by its checkpointer, while records are
// applied. It takes between for a short time again and again, and holds restarting all the time. What of the files' content
// it may leave behind is said at pgdata.Store.Checkpoint; the control file is written within between only.

// restartBeside begins a restartpoint beside the goroutine that replays, if it is time for one and none is under way. done
// is called after each, if it is not nil, failed when one cannot be made.
func (r *Redo) restartBeside(done func(keep xlog.LSN), failed func(error)) {
	r.between.Lock()
	defer r.between.Unlock()
	if r.between.closed || !r.due() || !r.restarting.TryLock() {
		return
	}
	go func() {
		defer r.restarting.Unlock()
		for again := true; again; {
			var err error
			if again, err = r.makeRestartpoint(); err != nil {
				failed(err)
				return
			}
			if done != nil {
				done(r.KeepFrom())
			}
		}
	}()
}

// RestartpointBeside is a Restartpoint during which records are applied, as for a base backup. It is made after the one that
// may be under way, and does not call ReplayConfig.OnRestartpoint. It may be called from any goroutine.
func (r *Redo) RestartpointBeside() error {
	r.restarting.Lock()
	defer r.restarting.Unlock()
	stay := false
	err := r.aside(func() error {
		if stay = !r.newCheckPoint(); stay {
			return r.stayAtCheckPoint(false)
		}
		return nil
	})
	if err == nil && !stay {
		_, err = r.makeRestartpoint()
	}
	return err
}

// makeRestartpoint is CreateRestartPoint, for the last checkpoint that was replayed when it begins. again tells whether it
// is time for the next one already.
func (r *Redo) makeRestartpoint() (again bool, err error) {
	var last lastCheckPoint
	var policy restartPolicy
	begin := func() error {
		last, policy = r.last, r.restart
		policy.last, policy.at = time.Now(), r.end
		return r.dir.CheckpointDecoding()
	}
	end := func() error {
		// The files of transactions have what was replayed up to here, and there was no BeforeWrite for them.
		if r.archive {
			r.raiseMinRecoveryPoint(r.next, r.tli)
		}
		if err := r.beginAt(&last, false); err != nil {
			return err
		}
		r.restart = policy
		r.publishCounts()
		again = r.due()
		return nil
	}
	steps := []func() error{
		func() error { return r.aside(begin) },
		func() error { return r.state.Checkpoint(last.copy.Redo, r.aside) },
		func() error { return r.store.Checkpoint(r.aside) },
		func() error { return r.aside(end) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return false, r.cannotRestart(err)
		}
	}
	return again, nil
}

// aside runs fn between two records.
func (r *Redo) aside(fn func() error) error {
	r.between.Lock()
	defer r.between.Unlock()
	if err := r.usable(); err != nil {
		return err
	}
	return fn()
}

// cannotRestart ends everything: what the files have is not known any more.
func (r *Redo) cannotRestart(err error) error {
	r.between.Lock()
	defer r.between.Unlock()
	if r.failed == nil {
		r.failed = fmt.Errorf("restartpoint: %w", err)
	}
	return r.failed
}
