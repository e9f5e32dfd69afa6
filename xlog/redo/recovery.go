// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Config says what to recover and how.
type Config struct {
	Dir string // data directory that no server works on; the caller holds its lock
	FS  vfs.FS // nil: vfs.OS
	// ServerVersion is server_version_num of the server whose redo is to be followed to the byte; 0 is one of the last
	// minor releases.
	ServerVersion int
	// WAL gives the log and the timelines' histories; nil: Dir's pg_wal. What it gives must be durable: the pages that are
	// made of it go to disk.
	WAL WAL
	// CacheBytes is the budget of the page cache; 0: pgdata.DefaultBudget.
	CacheBytes int64
	// TablespaceLocation says where a tablespace is made whose location on the primary is given; nil: at the same path.
	TablespaceLocation func(location string) string
	// RestartBytes and RestartTime say when a restartpoint is Due: at a checkpoint when so much of the log was replayed, or
	// so much time went by, since the last one; 0: DefaultRestartBytes and DefaultRestartTime.
	RestartBytes int64
	RestartTime  time.Duration
}

// recovery is where the redo of a data directory stands (xlogrecovery.c and the shared state of xlog.c).
type recovery struct {
	dir     *pgdata.DataDir
	fs      vfs.FS
	wal     WAL
	history xlog.History // of the timeline that is followed (expectedTLEs)

	control pgdata.ControlFile // as on disk, but for the next transaction id of the checkpoint's copy
	archive bool               // minRecoveryPoint counts; else everything that pg_wal has must be replayed first

	end  xlog.LSN        // end of the last record that was applied (lastReplayedEndRecPtr)
	tli  xlog.TimelineID // its timeline
	next xlog.LSN        // end of the record that is being applied (replayEndRecPtr)
	prev xlog.LSN        // where the last record that was applied begins; 0 when there was none

	fullPageWrites bool // of the primary, where replay is (lastFullPageWrites)
	distributed    distributedCommits

	applied  uint64 // records
	lastXact int64  // when the transaction ended whose end was applied last, TimestampTz
	last     lastCheckPoint
	restart  restartPolicy
	consistency
	shared progress

	beforeWrite func() error // makes the log durable that is applied before it is; nil: all is
}

// New prepares the recovery of a data directory, as the start of a server with a standby.signal does (StartupXLOG in
// src/backend/access/transam/xlog.c, InitWalRecovery in xlogrecovery.c): the control file tells afterwards that the
// directory is in recovery, and backup_label is out of the way. After ErrNoCheckpoint nothing was changed, and New can be
// tried again when the log has more.
func New(cfg Config) (*Redo, error) {
	r, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("recovery of %s: %w", cfg.Dir, err)
	}
	return r, nil
}

func open(cfg Config) (*Redo, error) {
	if cfg.FS == nil {
		cfg.FS = vfs.OS
	}
	dir, err := pgdata.Open(cfg.FS, cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.WAL == nil {
		cfg.WAL = NewDirWAL(dir.WALPath(), dir.SegmentSize)
	}
	if cfg.RestartBytes == 0 {
		cfg.RestartBytes = DefaultRestartBytes
	}
	if cfg.RestartTime == 0 {
		cfg.RestartTime = DefaultRestartTime
	}
	r := &Redo{dialect: dir.Dialect.WithServerVersion(cfg.ServerVersion), layout: dir.Dialect.PageLayoutVersion()}
	r.decoder = rmgr.NewDecoder(dir.Dialect)
	r.recovery = recovery{
		dir: dir, fs: cfg.FS, wal: cfg.WAL, control: *dir.Control,
		restart: restartPolicy{bytes: cfg.RestartBytes, every: cfg.RestartTime, last: time.Now()},
	}
	begin, err := r.findStart()
	if err != nil {
		return nil, err
	}
	if err := r.prepareDirectory(begin); err != nil {
		return nil, err
	}
	if err := r.openStore(cfg); err != nil {
		return nil, err
	}
	if err := r.begin(begin); err != nil {
		return nil, errors.Join(err, r.store.Close())
	}
	return r, nil
}

func (r *Redo) openStore(cfg Config) error {
	dbid, err := r.dir.DBID()
	if err != nil {
		return err
	}
	r.store, err = pgdata.NewStore(r.dir, pgdata.StoreConfig{
		Budget: cfg.CacheBytes, BeforeWrite: r.beforePages, DBID: dbid, TablespaceLocation: cfg.TablespaceLocation,
	})
	return err
}

// beforePages comes before pages are written: the log that they were made from is durable, and the control file says that it
// must be replayed.
func (r *Redo) beforePages() error {
	if r.beforeWrite != nil {
		if err := r.beforeWrite(); err != nil {
			return err
		}
	}
	return r.reach()
}

// begin takes up the state of the checkpoint and makes the begin of recovery durable.
func (r *Redo) begin(b *beginning) error {
	if err := r.startState(b.checkpoint); err != nil {
		return err
	}
	if err := r.writeControl(); err != nil {
		return err
	}
	if err := r.retireBackupFiles(b); err != nil {
		return err
	}
	if err := r.store.ResetUnlogged(); err != nil {
		return err
	}
	if err := r.openCatalogOnly(b); err != nil {
		return err
	}
	r.restart.at = r.end
	r.shared.lsn.Store(uint64(r.end))
	r.shared.timeline.Store(uint32(r.tli))
	r.shared.restartpoint.Store(uint64(r.control.CheckPointCopy.Redo))
	return r.reachConsistency()
}

// Position is where the next record is to be read: the end of the last one that was applied, and its timeline.
func (r *Redo) Position() (xlog.TimelineID, xlog.LSN) { return r.tli, r.end }

// DataDir is the data directory as it was at the begin of recovery.
func (r *Redo) DataDir() *pgdata.DataDir { return r.dir }

// History is the timeline that is followed, with its ancestors.
func (r *Redo) History() xlog.History { return r.history }

// Control is a copy of the control file as it is now. It waits for the record that is being applied, and for a View.
func (r *Redo) Control() pgdata.ControlFile {
	r.between.Lock()
	defer r.between.Unlock()
	return r.control
}

// CacheStats tells about the page cache. It waits as Control does.
func (r *Redo) CacheStats() pgdata.StoreStats {
	r.between.Lock()
	defer r.between.Unlock()
	return r.store.Stats()
}

// Close lets go of the store without writing anything: what was not flushed is redone the next time. See Shutdown.
func (r *Redo) Close() error {
	defer r.alone()()
	return r.close()
}

func (r *Redo) close() error {
	r.between.closed = true
	return r.store.Close()
}
