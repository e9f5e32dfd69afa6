// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// PromoteConfig says how recovery is ended. The zero value will do.
type PromoteConfig struct {
	// Reason stands in the new timeline's history file, for people; empty: that there was no recovery target.
	Reason string
	// Check is called before anything is decided; its error ends the promotion. May be nil.
	Check func() error
	// Change is called when the new timeline has begun and nothing but the checkpoint is left to write. What it inserts is
	// part of the promotion. May be nil.
	Change func(insert Insert) error
}

// Insert appends a record to the log, makes it durable and applies it.
type Insert func(rec *xlog.RecordBuilder) (begin, end xlog.LSN, err error)

// Promotion is what Promote did.
type Promotion struct {
	OldTimeline xlog.TimelineID `json:"old_timeline"`
	NewTimeline xlog.TimelineID `json:"new_timeline"`
	Switch      xlog.LSN        `json:"switch_lsn"` // where the new timeline leaves the old one
	End         xlog.LSN        `json:"end_lsn"`    // of the shutdown checkpoint's record, the last of the log
}

// Promote ends recovery where replay has come to: it begins a new timeline there, with the records of a promoted server and
// then of one that is shut down, after which a server starts on the directory with nothing to recover (the end of
// StartupXLOG and CreateCheckPoint in src/backend/access/transam/xlog.c). It closes the Redo, also when it fails.
//
// Until the control file says that the directory is shut down, the directory is a standby's: of the old timeline until the
// history file has its name, then of the new one. A server or a Redo can go on with it, and Promote can be called again; the
// next new timeline may then have a higher number. Only after the control file the signal file goes.
func (r *Redo) Promote(cfg PromoteConfig) (Promotion, error) {
	p, err := r.promote(cfg)
	if err != nil {
		err = fmt.Errorf("the end of recovery at %s: %w", r.end, err)
	}
	return p, errors.Join(err, r.Close())
}

func (r *Redo) promote(cfg PromoteConfig) (Promotion, error) {
	if err := r.prepareEnd(cfg.Check); err != nil {
		return Promotion{}, err
	}
	p := Promotion{OldTimeline: r.tli, Switch: r.end}
	t, err := r.beginTimeline(cfg.Reason)
	if err != nil {
		return p, err
	}
	p.NewTimeline = t.tli
	err = r.endOn(t, cfg.Change)
	p.End = r.end
	return p, errors.Join(err, t.close())
}

// ErrNotPromotable says that recovery cannot be ended.
var ErrNotPromotable = errors.New("recovery cannot be ended here")

// prepareEnd looks whether recovery may end, and writes all that replay has changed, which is most of the work, while
// nothing is decided.
func (r *Redo) prepareEnd(check func() error) error {
	r.alone()() // the restartpoint is made that may be under way
	switch {
	case r.failed != nil:
		return r.failed
	case r.dir.CatalogOnly:
		return fmt.Errorf("%w: the directory has nothing but catalogs", ErrNotPromotable)
	case !r.prev.Valid():
		return fmt.Errorf("%w: no record was replayed", ErrNotPromotable)
	}
	if err := r.flushForPromotion(); err != nil || check == nil {
		return err
	}
	return check()
}

func (r *Redo) flushForPromotion() error {
	defer r.alone()()
	if err := r.enterArchiveRecovery(); err != nil {
		return err
	}
	if c := &r.control; c.BackupStartPoint.Valid() || c.BackupEndRequired {
		return fmt.Errorf("%w: the log ends before the end of the base backup that began at %s", ErrNotPromotable,
			c.BackupStartPoint)
	}
	if !r.consistency.at.Valid() {
		return fmt.Errorf("%w: the log ends before the directory is consistent, which it is from %s on", ErrNotPromotable,
			r.consistency.minRecovery)
	}
	if err := r.flushAll(r.control.CheckPointCopy.Redo); err != nil {
		return err
	}
	return r.reach()
}

// endOn writes the last records of a promotion and makes the directory one that was shut down.
func (r *Redo) endOn(t *newTimeline, change func(Insert) error) error {
	if change != nil {
		if err := change(t.insert); err != nil {
			return err
		}
	}
	if err := t.retireOld(); err != nil {
		return err
	}
	return r.endLog(t.writer, t.insert)
}

// endLog writes everything, and with insert the last record of the log, which is the checkpoint of a server that is shut
// down; and makes the directory that server's.
func (r *Redo) endLog(writer *xlog.Writer, insert Insert) error {
	if err := r.flushForGood(); err != nil {
		return err
	}
	c := r.shutdownCheckPoint(writer.Next())
	begin, _, err := insert(r.checkPointRecord(c))
	if err != nil {
		return err
	}
	return r.shutDown(begin, c)
}

// flushForGood writes everything, as there is no replay after it: prepared transactions have files, unlogged relations are
// empty.
func (r *Redo) flushForGood() error {
	defer r.alone()()
	if err := r.flushAll(r.end); err != nil {
		return err
	}
	return r.store.InitUnlogged()
}

// shutdownCheckPoint is the checkpoint at lsn of a server that is shut down now.
func (r *Redo) shutdownCheckPoint(lsn xlog.LSN) *rmgr.CheckPoint {
	c := &r.counters
	return &rmgr.CheckPoint{
		Shutdown: true, Redo: lsn, ThisTimeLineID: r.tli, PrevTimeLineID: r.tli,
		FullPageWrites: r.fullPageWrites, WALLevel: int32(r.control.WalLevel),
		NextXID: c.NextXID, NextGxid: c.NextGxid, NextOID: c.NextOID, NextRelfilenode: c.NextRelNumber,
		NextMulti: c.NextMulti, NextMultiOffset: c.NextMultiOffset,
		OldestXID: c.OldestXID, OldestXIDDB: c.OldestXIDDB, OldestMulti: c.OldestMulti, OldestMultiDB: c.OldestMultiDB,
		Time: time.Now().Unix(), OldestCommitTsXID: c.OldestCommitTsXID, NewestCommitTsXID: c.NewestCommitTsXID,
		Distributed: r.distributed.list(r.dialect),
	}
}

func (r *Redo) checkPointRecord(c *rmgr.CheckPoint) *xlog.RecordBuilder {
	info := rmgr.InfoCheckPointOnline
	if c.Shutdown {
		info = rmgr.InfoCheckPointShutdown
	}
	var rec xlog.RecordBuilder
	rec.Begin(rmgr.XLOG, info, 0)
	rec.Data(c.Append(r.dialect, nil))
	return &rec
}

// firstUnloggedLSN is what unlogged relations' pages begin with (FirstNormalUnloggedLSN).
const firstUnloggedLSN = 1000

// shutDown makes the control file say that the directory is shut down with the checkpoint at lsn. Only then it is no
// standby's any more.
func (r *Redo) shutDown(lsn xlog.LSN, checkpoint *rmgr.CheckPoint) error {
	r.between.Lock()
	defer r.between.Unlock()
	c := &r.control
	c.State, c.CheckPoint, c.CheckPointCopy = pgdata.DBShutdowned, lsn, checkPointOf(checkpoint)
	c.MinRecoveryPoint, c.MinRecoveryPointTLI, c.UnloggedLSN = 0, 0, firstUnloggedLSN
	if err := r.writeControl(); err != nil {
		return err
	}
	for _, signal := range []pgdata.SignalFile{pgdata.RecoverySignal, pgdata.StandbySignal} {
		if err := signal.Remove(r.fs, r.dir.Path); err != nil {
			return err
		}
	}
	return nil
}
