// SPDX-License-Identifier: Apache-2.0

// Package coordinator is a small primary in Go: it changes rows of the tables in its own data directory, writes the log of
// that as PostgreSQL 15 does, and serves it to standbys. It is for programs that keep a cluster's configuration where
// standbys of any kind can follow it, and for tests that need a primary and have no PostgreSQL.
//
//	err := coordinator.Create(dir)                               // from a snapshot that the package has with it
//	c, err := coordinator.Open(ctx, coordinator.Config{Dir: dir, Serve: &walsender.Config{Listeners: ...}})
//	tx, err := c.Begin(ctx)
//	err = tx.Insert(catalog.SegmentConfiguration{DBID: 1, Content: -1, Role: 'p', ...})
//	lsn, err := tx.Commit(ctx)
//	err = c.View(ctx, func(cat *catalog.Catalog) error { ... })
//	err = c.Close()
//
// # How it works
//
//	Tx -> xlog.Writer -> pg_wal, durable -> walsender -> standbys
//	           |
//	           +------> redo -> pages
//
// What a transaction does becomes records. Package redo applies each to the pages at once, as it does in a standby and in
// the recovery after a crash, so that there is no second way in which pages change. The directory is one of PostgreSQL 15
// at every moment: after Close a server starts on it, and after a crash it recovers it.
//
// # What it can and cannot do
//
// There are the tables SegmentConfiguration and ConfigurationHistory, and whatever else a PostgreSQL 15 made in the
// directory: tables can be changed that have no index, and rows of them that need no TOAST. One transaction writes at a
// time. Nothing is vacuumed: rows that were replaced stay until a server runs on the directory, or on that of a standby.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/syncrep"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// Defaults of Config.
const (
	DefaultCheckpointBytes = 16 << 20
	DefaultCacheBytes      = 16 << 20
)

// Config says how a Coordinator runs. Only Dir is needed.
type Config struct {
	Dir string // made by Create
	// Serve lets standbys connect; nil: there are none. Its Source, Sync and, if there are none, Slots are the coordinator's.
	Serve *walsender.Config
	// SynchronousStandbyNames are those that commits wait for (synchronous_standby_names).
	SynchronousStandbyNames string
	// CheckpointBytes is how much log there is between two checkpoints; 0 is DefaultCheckpointBytes.
	CheckpointBytes int64
	// CacheBytes is the budget of the page cache; 0 is DefaultCacheBytes.
	CacheBytes int64
}

// A Coordinator is a primary. Its methods may be called from any goroutine, but those of a Tx.
type Coordinator struct {
	cfg    Config
	data   *pgdata.DataDir
	lock   *pgdata.Lock
	redo   *redo.Redo
	log    *waldir.Dir
	source *source
	slots  *walsender.Slots // its own; nil where the embedder has some
	server *walsender.Server
	sync   *syncrep.Sync

	life   context.Context // ends when Close or Abort is called
	end    context.CancelFunc
	stop   context.CancelFunc // stops the server
	served chan error

	turn    chan struct{} // held by the transaction that runs
	gone    chan struct{} // closed by Abort
	working sync.Mutex    // held while one of its methods, or another one, is at work on what follows
	primary *redo.Primary
	rec     xlog.RecordBuilder
	last    xlog.LSN                     // of the last checkpoint
	tables  map[string]*catalog.Relation // that were changed: nobody defines others
	failed  error                        // nothing can be written any more
	closed  bool
}

// ErrClosed says that the coordinator has been closed.
var ErrClosed = errors.New("the coordinator is closed")

// secure makes the log durable and tells the standbys.
func (c *Coordinator) secure() error {
	if err := c.primary.Sync(); err != nil {
		return err
	}
	return c.announce()
}

func (c *Coordinator) maybeCheckpoint() error {
	if c.primary.Position().Sub(c.last) < c.cfg.CheckpointBytes {
		return nil
	}
	return c.checkpoint()
}

func (c *Coordinator) checkpoint() error {
	if err := c.primary.Checkpoint(); err != nil {
		return err
	}
	c.last = c.primary.Position()
	if err := c.announce(); err != nil {
		return err
	}
	return c.removeLog()
}

// Checkpoint writes everything to disk that was changed, between two transactions.
func (c *Coordinator) Checkpoint(ctx context.Context) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	c.working.Lock()
	defer c.working.Unlock()
	defer tx.release()
	if err := c.usable(); err != nil {
		return err
	}
	return c.fail(c.checkpoint())
}

// Position is the end of the log that is durable and applied.
func (c *Coordinator) Position() xlog.LSN { return c.redo.Progress().LSN }

// View reads catalogs and tables: what is committed, at one instant. Transactions wait meanwhile, so fn does nothing with
// one, and is done soon.
func (c *Coordinator) View(ctx context.Context, fn func(*catalog.Catalog) error) error {
	err := c.redo.View(ctx, func() error { return fn(c.catalog()) })
	if errors.Is(err, redo.ErrClosed) {
		return ErrClosed
	}
	return err
}

func (c *Coordinator) catalog() *catalog.Catalog {
	return catalog.New(c.redo.Store(), c.redo.Transactions())
}

// look is View for the transaction that runs.
func (c *Coordinator) look(fn func() error) error { return c.redo.View(context.Background(), fn) }

// page is a page, for one who looks, until he looks at another one.
func (c *Coordinator) page(rel xlog.RelFileLocator, block uint32) (bufpage.Page, error) {
	b, err := c.redo.Store().Read(rel, xlog.MainFork, block)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("block %d of %s is not there", block, rel)
	}
	return b.Page, nil
}

// table finds a table that can be changed.
func (c *Coordinator) table(name string) (rel *catalog.Relation, err error) {
	if rel := c.tables[name]; rel != nil {
		return rel, nil
	}
	err = c.look(func() error {
		db, err := c.catalog().Database(Database)
		if err != nil {
			return err
		}
		if rel, err = db.Relation(name); err != nil {
			return err
		}
		return unindexed(db, rel)
	})
	if err == nil {
		c.tables[name] = rel
	}
	return rel, err
}

// ErrIndexed says that a table has an index, which would have to be changed too.
var ErrIndexed = errors.New("tables with indexes cannot be changed")

// unindexed refuses a table that has indexes.
func unindexed(db *catalog.DB, rel *catalog.Relation) error {
	classes, err := db.Relation("pg_index")
	if err != nil {
		return err
	}
	at := classes.Column("indrelid")
	return classes.Scan(func(row *catalog.Row) error {
		text, _, err := row.Text(at)
		if err == nil && text == fmt.Sprint(rel.OID) {
			err = ErrIndexed
		}
		return err
	})
}

// usable and fail are called by those who are at work.
func (c *Coordinator) usable() error {
	if c.closed {
		return ErrClosed
	}
	return c.failed
}

// fail remembers that something could not be written.
func (c *Coordinator) fail(err error) error {
	if err == nil || c.failed != nil {
		return err
	}
	c.failed = fmt.Errorf("coordinator: %w", err)
	return c.failed
}
