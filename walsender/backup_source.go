// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"io/fs"
	"path"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// BackupSource gives the files of a base backup. Several backups may be taken at the same time. BackupDir is the one over
// a standby's data directory.
type BackupSource interface {
	// StartBackup fixes where the recovery of a new backup begins. An error that is a *protocol.Error is sent as it is.
	StartBackup(ctx context.Context, o BackupOptions) (Backup, error)
}

// BackupOptions is what a client says about how a backup begins.
type BackupOptions struct {
	// Fast asks for a restartpoint at once, if one is made.
	Fast bool
}

// A Backup is a standby's files, which may change while they are read: whatever the log from the redo position on
// describes need not be in them, may be in them in part, and pages may be torn. One goroutine uses a Backup.
type Backup interface {
	// Control is the control file at the begin: recovery starts from the redo position of its checkpoint.
	Control() *pgdata.ControlFile
	// Files is the data directory. Lstat and ReadLink of fs.ReadLinkFS are used where it has them. A file that is also
	// an io.ReaderAt has pages reread whose checksum does not match.
	Files() fs.FS
	// Tablespaces are those that pg_tblspc links to.
	Tablespaces() []BackupTablespace
	// End is called when everything but the control file has been read.
	End(ctx context.Context) (BackupEnd, error)
	// Close ends the backup, also one that failed.
	Close() error
}

// BackupTablespace is a tablespace outside of the data directory's own.
type BackupTablespace struct {
	OID      uint32
	Location string // as clients are told, on Greenplum without the dbid
	Link     string // what pg_tblspc/OID leads to
	Inside   string // the location relative to the data directory, with slashes; empty where it is not inside
	Version  string // the directory in it that belongs to this server, such as PG_15_202209061
	Files    fs.FS  // the location, which has Version in it
}

const tablespacesDir = "pg_tblspc"

// name is the tablespace's in the data directory.
func (t *BackupTablespace) name() string { return path.Join(tablespacesDir, t.oid()) }

func (t *BackupTablespace) oid() string { return strconv.FormatUint(uint64(t.OID), 10) }

// BackupEnd is how a backup ends.
type BackupEnd struct {
	// Control is the control file after everything else was read. The backup is consistent as soon as the log is
	// replayed to its MinRecoveryPoint.
	Control *pgdata.ControlFile
}

// position is up to where a backup needs the log.
func (e BackupEnd) position() (xlog.LSN, xlog.TimelineID) {
	return e.Control.MinRecoveryPoint, e.Control.MinRecoveryPointTLI
}
