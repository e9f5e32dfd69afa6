// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// BackupDir takes backups of a standby's data directory, while it is replayed or at rest. It does what PostgreSQL does for
// a backup from a standby (do_pg_backup_start and do_pg_backup_stop in src/backend/access/transam/xlog.c): recovery
// begins at the last restartpoint, the control file comes last, and what it says of the minimum recovery point is the
// backup's end. Whoever replays the directory raises that point before a page is written, so no page is newer.
type BackupDir struct {
	// Path is the data directory.
	Path string
	// Restartpoint makes a restartpoint from the newest checkpoint that was replayed, if it is newer than the last one, and
	// has the control file ask for the log up to what was replayed, so that a backup has all that was replayed when it
	// began. Nil: nobody replays the directory.
	Restartpoint func() error
	// FullPageWritesOff is the position of the last record that was replayed while full_page_writes was off, 0 for none.
	// Nil: only what the checkpoint says of it is looked at.
	FullPageWritesOff func() xlog.LSN
}

// dirBackup is a backup of a BackupDir.
type dirBackup struct {
	dir    *BackupDir
	data   *pgdata.DataDir
	spaces []BackupTablespace
}

// StartBackup implements BackupSource. The restartpoint is made at once, whether the client is in a hurry or not.
func (d *BackupDir) StartBackup(context.Context, BackupOptions) (Backup, error) {
	if d.Restartpoint != nil {
		if err := d.Restartpoint(); err != nil {
			return nil, err
		}
	}
	data, err := pgdata.Open(vfs.OS, d.Path)
	if err != nil {
		return nil, err
	}
	if data.CatalogOnly {
		return nil, errorf(codeNotInPrerequisiteState, "cannot take a base backup: %v", pgdata.ErrCatalogOnly)
	}
	b := &dirBackup{dir: d, data: data}
	if err := b.check(data.Control); err != nil {
		return nil, err
	}
	if !data.Control.CheckPointCopy.FullPageWrites {
		return nil, errFullPageWrites("since last restartpoint")
	}
	if err := b.checkFullPageWrites("since last restartpoint"); err != nil {
		return nil, err
	}
	return b, b.findTablespaces()
}

// check says whether the directory is a standby's that has reached consistency.
func (b *dirBackup) check(c *pgdata.ControlFile) error {
	switch {
	case c.State != pgdata.DBInArchiveRecovery && c.State != pgdata.DBShutdownedInRecovery:
		e := errorf(codeNotInPrerequisiteState, "cannot take a base backup of a server that is not a standby")
		e.Detail = fmt.Sprintf("The state of the database cluster is \"%s\".", c.State)
		return e
	case c.BackupEndRequired || c.BackupStartPoint.Valid():
		return errorf(codeNotInPrerequisiteState,
			"cannot take a base backup before the standby has reached a consistent state")
	}
	return nil
}

func (b *dirBackup) checkFullPageWrites(when string) error {
	off := b.dir.FullPageWritesOff
	if off != nil && b.Control().CheckPointCopy.Redo <= off() {
		return errFullPageWrites(when)
	}
	return nil
}

func errFullPageWrites(when string) error {
	e := errorf(codeNotInPrerequisiteState, "WAL generated with \"full_page_writes=off\" was replayed %s", when)
	e.Hint = "This means that the backup being taken on the standby is corrupt and should not be used. Enable " +
		"\"full_page_writes\" and run CHECKPOINT on the primary, and then try an online backup again."
	return e
}

// findTablespaces lists the tablespaces that are links. One that is a directory in pg_tblspc is sent with the rest of the
// data directory.
func (b *dirBackup) findTablespaces() error {
	dbid := 0
	if b.data.Dialect.Flavour() != xlog.PostgreSQL {
		var err error
		if dbid, err = b.data.DBID(); err != nil {
			return err
		}
	}
	for _, s := range b.data.Tablespaces {
		if s.Path != "" {
			b.spaces = append(b.spaces, b.tablespace(s, dbid))
		}
	}
	return nil
}

func (b *dirBackup) tablespace(s pgdata.Tablespace, dbid int) BackupTablespace {
	t := BackupTablespace{
		OID: s.OID, Location: s.Path, Link: s.Path, Version: b.versionDirectory(), Files: os.DirFS(s.Path),
	}
	if dbid != 0 {
		t.Location = strings.TrimSuffix(s.Path, "/"+strconv.Itoa(dbid))
	}
	if rel, err := filepath.Rel(b.data.Path, s.Path); err == nil && filepath.IsLocal(rel) && rel != "." {
		t.Inside = filepath.ToSlash(rel)
	}
	return t
}

// versionDirectory is TABLESPACE_VERSION_DIRECTORY, with the catalog version that the control file has.
func (b *dirBackup) versionDirectory() string {
	name := string(b.data.Dialect.AppendTablespaceDirectory(nil))
	name = name[:strings.LastIndexByte(name, '_')+1]
	return name + strconv.FormatUint(uint64(b.Control().CatalogVersionNo), 10)
}

func (b *dirBackup) Control() *pgdata.ControlFile    { return b.data.Control }
func (b *dirBackup) Files() fs.FS                    { return os.DirFS(b.data.Path) }
func (b *dirBackup) Tablespaces() []BackupTablespace { return b.spaces }
func (b *dirBackup) Close() error                    { return nil }

// End reads the control file again.
func (b *dirBackup) End(context.Context) (BackupEnd, error) {
	c, err := pgdata.ReadControl(vfs.OS, b.data.Path)
	if err != nil {
		return BackupEnd{}, err
	}
	if c.State != pgdata.DBInArchiveRecovery && c.State != pgdata.DBShutdownedInRecovery {
		e := errorf(codeNotInPrerequisiteState, "the standby was promoted during online backup")
		e.Hint = "This means that the backup being taken is corrupt and should not be used. " +
			"Try taking another online backup."
		return BackupEnd{}, e
	}
	return BackupEnd{Control: c}, b.checkFullPageWrites("during online backup")
}
