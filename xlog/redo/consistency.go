// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// ErrInvalidPages says that the log refers to pages that do not exist, and that were not dropped later.
var ErrInvalidPages = errors.New("WAL contains references to invalid pages")

// consistency is from where on the data directory is as some moment of the primary left it
// (CheckRecoveryConsistency in src/backend/access/transam/xlogrecovery.c).
type consistency struct {
	backupStart, backupEnd xlog.LSN
	backupEndRequired      bool
	minRecovery            xlog.LSN // of the control file at the begin; 0 in crash recovery
	minRecoveryTLI         xlog.TimelineID
	at                     xlog.LSN // where consistency was reached, 0 before
}

func (c *consistency) init(control *pgdata.ControlFile, archive bool) {
	*c = consistency{
		backupStart: control.BackupStartPoint, backupEnd: control.BackupEndPoint,
		backupEndRequired: control.BackupEndRequired,
	}
	if archive {
		c.minRecovery, c.minRecoveryTLI = control.MinRecoveryPoint, control.MinRecoveryPointTLI
	}
}

// Consistent tells whether the directory is consistent, and where it became that.
func (r *Redo) Consistent() (at xlog.LSN, ok bool) { return r.consistency.at, r.consistency.at.Valid() }

// reachConsistency is called after each record.
func (r *Redo) reachConsistency() error {
	c := &r.consistency
	if !c.minRecovery.Valid() {
		return nil
	}
	if c.backupEnd.Valid() && c.backupEnd <= r.end {
		if err := r.backupEnded(); err != nil {
			return err
		}
	}
	if c.at.Valid() || c.backupEndRequired || c.minRecovery > r.end {
		return nil
	}
	if err := r.invalid.check(); err != nil {
		return err
	}
	if r.only != nil {
		if err := r.only.verifyAll(); err != nil {
			return err
		}
	} else if err := r.checkTablespaces(); err != nil {
		return err
	}
	c.at = r.end
	r.shared.consistent.Store(uint64(c.at))
	return nil
}

// checkTablespaces looks for directories in the place of a tablespace's link: replay makes one for a database in a
// tablespace that is not there, because it is dropped later, and that must have happened (CheckTablespaceDirectory).
func (r *Redo) checkTablespaces() error {
	if !r.dialect.ChecksTablespaces() {
		return nil
	}
	if v, _, err := r.dir.Conf("allow_in_place_tablespaces"); err != nil || v == "on" || v == "true" {
		return err
	}
	spaces, err := r.dir.TablespacesNow()
	if err != nil {
		return err
	}
	for _, s := range spaces {
		if s.Path == "" {
			return fmt.Errorf("%w: pg_tblspc/%d is a directory and no link", ErrInvalidPages, s.OID)
		}
	}
	return nil
}

// backupEnded is called where the base backup ended: from now on minRecoveryPoint alone says what is needed
// (ReachedEndOfBackup).
func (r *Redo) backupEnded() error {
	c := &r.consistency
	c.backupStart, c.backupEnd, c.backupEndRequired = 0, 0, false
	r.raiseMinRecoveryPoint(r.end, r.tli)
	r.control.BackupStartPoint, r.control.BackupEndPoint, r.control.BackupEndRequired = 0, 0, false
	return r.writeControl()
}

// sawBackupEnd is called with a record of the end of a backup that began at start.
func (r *Redo) sawBackupEnd(start xlog.LSN) {
	if c := &r.consistency; c.backupStart == start {
		c.backupEnd = r.lsn
	}
}

// checkNotCanceled is called for the checkpoint of a shutdown: a backup that had not ended then never ends.
func (r *Redo) checkNotCanceled() error {
	if r.control.BackupStartPoint.Valid() && !r.control.BackupEndPoint.Valid() {
		return fmt.Errorf("the server was shut down before the backup that began at %s ended; it cannot be recovered",
			r.control.BackupStartPoint)
	}
	return nil
}
