// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// lastCheckPoint is the last checkpoint that was replayed, from which a restartpoint can be made.
type lastCheckPoint struct {
	location, end xlog.LSN // of its record; 0 when there was none
	copy          pgdata.CheckPoint
}

// sawCheckPoint remembers a checkpoint (RecoveryRestartPoint). While there are references to missing pages it does not: a
// recovery that began there would not see them.
func (r *Redo) sawCheckPoint(p *rmgr.CheckPoint) {
	if r.invalid.any() {
		return
	}
	r.last = lastCheckPoint{location: r.rec.LSN, end: r.lsn, copy: checkPointOf(p)}
}

// When a restartpoint is due: the defaults of max_wal_size and checkpoint_timeout.
const (
	DefaultRestartBytes = 1 << 30
	DefaultRestartTime  = 5 * time.Minute
)

// restartPolicy says when a restartpoint is due.
type restartPolicy struct {
	bytes int64
	every time.Duration
	last  time.Time // when the last one was made
	at    xlog.LSN  // and where replay was
}

// Due tells whether it is time for a Restartpoint: a checkpoint was replayed since the last one, and that is long ago.
func (r *Redo) Due() bool {
	r.between.Lock()
	defer r.between.Unlock()
	return r.due()
}

func (r *Redo) due() bool {
	p := &r.restart
	return r.newCheckPoint() && (r.end.Sub(p.at) >= p.bytes || time.Since(p.last) >= p.every)
}

// newCheckPoint tells whether a checkpoint was replayed since the last restartpoint.
func (r *Redo) newCheckPoint() bool {
	return r.last.location.Valid() && r.last.copy.Redo > r.control.CheckPointCopy.Redo
}

// KeepFrom is the oldest position of the log that is still needed. A Restartpoint moves it. It may be called from any
// goroutine.
func (r *Redo) KeepFrom() xlog.LSN { return xlog.LSN(r.shared.restartpoint.Load()) }

// alone holds between, when the restartpoint is made that may be under way beside replay.
func (r *Redo) alone() (release func()) {
	r.restarting.Lock()
	r.between.Lock()
	return func() {
		r.between.Unlock()
		r.restarting.Unlock()
	}
}

// Restartpoint writes everything that was changed to disk, and moves the place from which recovery would begin to the last
// checkpoint that was replayed (CreateRestartPoint in src/backend/access/transam/xlog.c). Without a new one it only makes
// recovery go at least to the present position.
func (r *Redo) Restartpoint() error {
	defer r.alone()()
	return r.restartpoint(false)
}

// Shutdown is a Restartpoint after which the control file says that the directory is shut down in recovery. Then it closes
// the Redo.
func (r *Redo) Shutdown() error {
	defer r.alone()()
	if err := r.restartpoint(true); err != nil {
		return err
	}
	return r.close()
}

func (r *Redo) restartpoint(shutdown bool) error {
	if err := r.writeEverything(shutdown); err != nil {
		return err
	}
	r.restart.last, r.restart.at = time.Now(), r.end
	r.publishCounts()
	return nil
}

func (r *Redo) writeEverything(shutdown bool) error {
	if r.failed != nil {
		return r.failed
	}
	if !r.newCheckPoint() {
		return r.stayAtCheckPoint(shutdown)
	}
	if err := r.flushAll(r.last.copy.Redo); err != nil {
		return err
	}
	return r.beginAt(&r.last, shutdown)
}

// beginAt makes a checkpoint the one at which recovery begins; everything before its redo position is in the files.
func (r *Redo) beginAt(last *lastCheckPoint, shutdown bool) error {
	c := &r.control
	c.CheckPoint, c.CheckPointCopy = last.location, last.copy
	if c.State == pgdata.DBInArchiveRecovery {
		r.raiseMinRecoveryPoint(last.end, last.copy.ThisTimeLineID)
		if shutdown {
			c.State = pgdata.DBShutdownedInRecovery
		}
	}
	if err := r.writeControl(); err != nil {
		return err
	}
	r.shared.restartpoint.Store(uint64(c.CheckPointCopy.Redo))
	return nil
}

// Flush writes everything that was changed to disk and leaves the place from which recovery would begin.
func (r *Redo) Flush() error {
	defer r.alone()()
	return r.flushAll(r.control.CheckPointCopy.Redo)
}

// stayAtCheckPoint is a restartpoint without a new checkpoint. In crash recovery the state stays: what is in pg_wal must be
// replayed to its end.
func (r *Redo) stayAtCheckPoint(shutdown bool) error {
	if err := r.reach(); err != nil {
		return err
	}
	if !shutdown || !r.archive {
		return nil
	}
	r.control.State = pgdata.DBShutdownedInRecovery
	return r.writeControl()
}
