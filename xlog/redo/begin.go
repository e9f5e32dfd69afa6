// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// beginning is where recovery begins.
type beginning struct {
	label      *pgdata.BackupLabel // nil when there is none
	spaces     []pgdata.MappedTablespace
	location   xlog.LSN // of the checkpoint's record
	tli        xlog.TimelineID
	checkpoint *rmgr.CheckPoint
	end        xlog.LSN // of the checkpoint's record
	crashed    bool     // the directory was in use and not shut down
}

// ErrBegin says that recovery cannot begin in a data directory as it is.
var ErrBegin = errors.New("recovery cannot begin")

// ErrNoCheckpoint says that the log does not have the records yet that recovery needs to begin.
var ErrNoCheckpoint = errors.New("the checkpoint is not in the log")

// findStart finds the checkpoint to begin at, from backup_label or else from the control file, and changes the control
// file in memory (InitWalRecovery). Nothing is written.
func (r *Redo) findStart() (*beginning, error) {
	b, err := r.findCheckpoint()
	if err != nil {
		return nil, err
	}
	if r.history, err = r.newestHistory(max(r.control.MinRecoveryPointTLI, b.tli)); err != nil {
		return nil, err
	}
	if err := r.readCheckpoint(b); err != nil {
		return nil, err
	}
	if err := r.checkHistory(b); err != nil {
		return nil, err
	}
	if err := errors.Join(b.check(), r.checkWALLevel()); err != nil {
		return nil, err
	}
	r.archive = b.label != nil || r.knowsWhereConsistent()
	if err := r.beginControl(b); err != nil {
		return nil, err
	}
	r.end, r.tli = b.checkpoint.Redo, b.tli
	if b.checkpoint.Redo == b.location {
		r.prev, r.end = b.location, b.end
	}
	r.next = r.end
	return b, nil
}

// findCheckpoint reads backup_label, and tablespace_map with it, when they are there.
func (r *Redo) findCheckpoint() (*beginning, error) {
	c := &r.control
	crashed := c.State != pgdata.DBShutdowned && c.State != pgdata.DBShutdownedInRecovery
	label, err := pgdata.ReadBackupLabel(r.fs, r.dir.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return &beginning{location: c.CheckPoint, tli: c.CheckPointCopy.ThisTimeLineID, crashed: crashed}, nil
	}
	if err != nil {
		return nil, err
	}
	if label.IncrementalFromLSN.Valid() {
		return nil, fmt.Errorf("%w: this is an incremental backup, not a data directory", ErrBegin)
	}
	spaces, err := pgdata.ReadTablespaceMap(r.fs, r.dir.Path, r.dir.Major)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &beginning{
		label: label, spaces: spaces, location: label.Checkpoint, tli: label.StartTimeline, crashed: crashed,
	}, nil
}

// knowsWhereConsistent tells whether the control file says up to where the log must be replayed. If it does not, as in a
// snapshot of a running server's files, that is everything in pg_wal.
func (r *Redo) knowsWhereConsistent() bool {
	c := &r.control
	return c.MinRecoveryPoint.Valid() || c.BackupEndRequired || c.BackupEndPoint.Valid() ||
		c.State == pgdata.DBShutdowned
}

// readCheckpoint reads the checkpoint's record (ReadCheckpointRecord), and the one that redo begins at, which must be
// there.
func (r *Redo) readCheckpoint(b *beginning) error {
	rec, err := r.readRecord(b.location)
	if err != nil {
		return fmt.Errorf("the checkpoint's record at %s: %w", b.location, err)
	}
	payload, err := r.decoder.Decode(rec)
	if err != nil {
		return err
	}
	cp, ok := payload.(*rmgr.CheckPoint)
	if !ok {
		return fmt.Errorf("%w: the record at %s is no checkpoint", ErrBegin, b.location)
	}
	c := *cp
	b.checkpoint, b.end = &c, rec.End
	if c.Redo >= b.location {
		return nil
	}
	if _, err := r.readRecord(c.Redo); err != nil {
		return fmt.Errorf("the record at %s, where the redo of the checkpoint at %s begins: %w", c.Redo, b.location, err)
	}
	return nil
}

// readRecord reads the record that begins at lsn.
func (r *Redo) readRecord(lsn xlog.LSN) (*xlog.Record, error) {
	if !lsn.Valid() {
		return nil, fmt.Errorf("%w: invalid position", ErrBegin)
	}
	rec, err := xlog.NewReader(r.readerConfig(lsn)).Next()
	if errors.Is(err, xlog.ErrZeroed) || errors.Is(err, xlog.ErrTorn) {
		return nil, fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	if err != nil {
		return nil, err
	}
	if rec.LSN != lsn {
		return nil, fmt.Errorf("%w: no record begins there", ErrBegin)
	}
	return rec, nil
}

func (r *Redo) readerConfig(at xlog.LSN) xlog.ReaderConfig {
	return xlog.ReaderConfig{
		Dialect: r.dialect, SegmentSize: r.dir.SegmentSize, SystemID: r.dir.SystemID,
		History: r.history, Source: r.wal, Start: at,
	}
}

// check looks whether the checkpoint makes sense.
func (b *beginning) check() error {
	cp := b.checkpoint
	switch {
	case cp.Redo > b.location, cp.Shutdown && cp.Redo != b.location:
		return fmt.Errorf("%w: invalid redo %s in the checkpoint at %s", ErrBegin, cp.Redo, b.location)
	case uint32(cp.NextXID) < 3:
		return fmt.Errorf("%w: invalid next transaction id in the checkpoint at %s", ErrBegin, b.location)
	}
	return nil
}

// beginControl makes the control file say that the directory is in recovery from b on.
func (r *Redo) beginControl(b *beginning) error {
	c := &r.control
	stateAtStart := c.State
	c.State = pgdata.DBInCrashRecovery
	if r.archive {
		c.State = pgdata.DBInArchiveRecovery
	}
	c.CheckPoint, c.CheckPointCopy = b.location, checkPointOf(b.checkpoint)
	if r.archive && c.MinRecoveryPoint < b.checkpoint.Redo {
		c.MinRecoveryPoint, c.MinRecoveryPointTLI = b.checkpoint.Redo, b.checkpoint.ThisTimeLineID
	}
	if b.label != nil {
		c.BackupStartPoint = b.checkpoint.Redo
		c.BackupEndRequired = b.label.Method == "streamed"
		if b.label.From == "standby" {
			if stateAtStart != pgdata.DBInArchiveRecovery && stateAtStart != pgdata.DBShutdownedInRecovery {
				return fmt.Errorf("%w: backup_label contains data inconsistent with the control file", ErrBegin)
			}
			c.BackupEndPoint = c.MinRecoveryPoint
		}
	}
	r.consistency.init(c, r.archive)
	return nil
}

// checkPointOf is the checkpoint as the control file has it.
func checkPointOf(p *rmgr.CheckPoint) pgdata.CheckPoint {
	return pgdata.CheckPoint{
		Redo: p.Redo, ThisTimeLineID: p.ThisTimeLineID, PrevTimeLineID: p.PrevTimeLineID,
		FullPageWrites: p.FullPageWrites, WalLevel: pgdata.WalLevel(p.WALLevel),
		NextXid: p.NextXID, NextGxid: p.NextGxid, NextOid: p.NextOID, NextRelfilenode: p.NextRelfilenode,
		NextMulti: p.NextMulti, NextMultiOffset: p.NextMultiOffset,
		OldestXid: p.OldestXID, OldestXidDB: p.OldestXIDDB, OldestMulti: p.OldestMulti, OldestMultiDB: p.OldestMultiDB,
		Time: p.Time, OldestCommitTsXid: p.OldestCommitTsXID, NewestCommitTsXid: p.NewestCommitTsXID,
		OldestActiveXid: p.OldestActiveXID,
	}
}
