// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// xlog is xlog_redo in src/backend/access/transam/xlog.c, and xlogrecovery_redo.
func (r *Redo) xlog(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.CheckPoint:
		return r.checkPoint(p)
	case *rmgr.FullPageImage:
		return r.fullPageImages()
	case *rmgr.NextOID:
		r.counters.NextOID = p.OID
	case *rmgr.NextRelfilenode:
		r.counters.NextRelNumber = p.RelNumber
	case *rmgr.NextGxid:
		r.counters.NextGxid = max(r.counters.NextGxid, p.ID)
	case *rmgr.BackupEnd:
		r.sawBackupEnd(p.StartPoint)
	case *rmgr.ParameterChange:
		return r.parameterChange(p)
	case *rmgr.EndOfRecovery:
		return r.onTimeline(p.ThisTimeLineID)
	case *rmgr.FPWChange:
		r.fullPageWrites = p.FullPageWrites
		if !p.FullPageWrites {
			r.shared.imagesOff.Store(uint64(r.rec.LSN))
		}
	case *rmgr.Noop, *rmgr.Switch, *rmgr.RestorePoint, *rmgr.CheckPointRedo:
		// Nothing to do.
	case *rmgr.OverwriteContrecord:
		// The Reader compared it with the record that it gave up.
	default:
		return unknown(p)
	}
	return nil
}

func (r *Redo) checkPoint(p *rmgr.CheckPoint) error {
	r.countersOf(p)
	if p.Shutdown {
		if err := r.checkNotCanceled(); err != nil {
			return err
		}
	}
	r.control.CheckPointCopy.NextXid = p.NextXID // of the latest checkpoint, whatever else the copy is of
	if err := r.onTimeline(p.ThisTimeLineID); err != nil {
		return err
	}
	r.sawCheckPoint(p)
	return nil
}

// onTimeline looks whether a record says the timeline that replay is on.
func (r *Redo) onTimeline(tli xlog.TimelineID) error {
	if tli != r.tli {
		return fmt.Errorf("%w: the record says timeline %s, replay is on %s", ErrTimeline, tli, r.tli)
	}
	return nil
}

// fullPageImages restores the pages of a record that has nothing but images. Where full_page_writes was off, a record for
// hints has none.
func (r *Redo) fullPageImages() error {
	for i := range r.body.Blocks {
		ref := &r.body.Blocks[i]
		if !ref.HasImage() && r.rec.RmgrInfo() == fpiForHint {
			continue
		}
		_, act, err := r.block(ref.ID)
		if err != nil {
			return err
		}
		if act != restored {
			return errors.New("the record has no image of a page")
		}
	}
	return nil
}

const fpiForHint = 0xA0 // XLOG_FPI_FOR_HINT

// parameterChange takes over the primary's settings. Recovery must get past it before anyone reads.
func (r *Redo) parameterChange(p *rmgr.ParameterChange) error {
	c := &r.control
	c.MaxConnections, c.MaxWorkerProcesses, c.MaxWalSenders = p.MaxConnections, p.MaxWorkerProcesses, p.MaxWALSenders
	c.MaxPreparedXacts, c.MaxLocksPerXact = p.MaxPreparedXacts, p.MaxLocksPerXact
	c.WalLevel, c.WalLogHints = pgdata.WalLevel(p.WALLevel), p.WALLogHints
	if r.archive && c.MinRecoveryPoint.Valid() {
		r.raiseMinRecoveryPoint(r.lsn, r.tli)
	}
	if err := r.changeCommitTimes(p.TrackCommitTimestamp); err != nil {
		return err
	}
	c.TrackCommitTimestamp = p.TrackCommitTimestamp
	if err := r.writeControl(); err != nil {
		return err
	}
	return r.checkWALLevel()
}

// ErrWALLevel says that the log does not have everything, because the primary ran with wal_level = minimal. A new base
// backup is needed.
var ErrWALLevel = errors.New("WAL was generated with wal_level = minimal, changes are missing in it")

// checkWALLevel is the part of CheckRequiredParameterValues that is not about queries. PostgreSQL 12 and 13 only warn.
func (r *Redo) checkWALLevel() error {
	if r.control.WalLevel == pgdata.WalLevelMinimal {
		return ErrWALLevel
	}
	return nil
}
