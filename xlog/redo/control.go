// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// writeControl makes the control file durable as it is in memory (UpdateControlFile).
func (r *Redo) writeControl() error {
	r.control.Time = time.Now().Unix()
	if err := pgdata.WriteControl(r.fs, r.dir.Path, &r.control); err != nil {
		return fmt.Errorf("could not write the control file: %w", err)
	}
	return nil
}

// reach is called before anything that was changed reaches the disk: the control file must ask for replay at least up to
// the end of the record that is being applied (UpdateMinRecoveryPoint). The log is there already, see Config.WAL.
func (r *Redo) reach() error {
	if !r.archive || r.next <= r.control.MinRecoveryPoint {
		return nil
	}
	r.raiseMinRecoveryPoint(r.next, r.tli)
	return r.writeControl()
}

func (r *Redo) raiseMinRecoveryPoint(lsn xlog.LSN, tli xlog.TimelineID) {
	if r.control.MinRecoveryPoint < lsn {
		r.control.MinRecoveryPoint, r.control.MinRecoveryPointTLI = lsn, tli
	}
}

// enterArchiveRecovery is called when crash recovery has replayed everything that pg_wal has (SwitchIntoArchiveRecovery).
// From then on minRecoveryPoint says up to where the log is needed.
func (r *Redo) enterArchiveRecovery() error {
	if r.archive {
		return nil
	}
	r.archive = true
	r.control.State = pgdata.DBInArchiveRecovery
	r.raiseMinRecoveryPoint(r.end, r.tli)
	r.consistency.minRecovery, r.consistency.minRecoveryTLI = r.control.MinRecoveryPoint, r.control.MinRecoveryPointTLI
	if err := r.writeControl(); err != nil {
		return err
	}
	return r.reachConsistency()
}
