// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Catalog has fn read the catalogs as they are after the last record that was applied. Replay waits for fn: it takes what
// it needs, and sends it to others afterwards. Before the directory is consistent the error is redo.ErrNotConsistent; when
// replay has ended, redo.ErrClosed, unless it left a directory that can be read at rest.
func (s *Standby) Catalog(ctx context.Context, fn func(c *catalog.Catalog) error) error {
	r := s.applier.redoer()
	if r == nil {
		return redo.ErrNotConsistent
	}
	err := r.View(ctx, func() error { return fn(catalog.New(r.Store(), r.Transactions())) })
	if !errors.Is(err, redo.ErrClosed) {
		return err
	}
	c, openErr := catalog.OpenDir(vfs.OS, s.data.Path)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	return errors.Join(fn(c), c.Close())
}

// ReadCatalog has fn read the catalogs of a data directory that nobody works on. One that was not shut down, or was in
// recovery then, is taken hold of, and what its pg_wal has is replayed before: it stays a directory in recovery.
func ReadCatalog(ctx context.Context, dir string, fn func(c *catalog.Catalog) error) error {
	c, err := catalog.OpenDir(vfs.OS, dir)
	if err == nil {
		return errors.Join(fn(c), c.Close())
	}
	if !errors.Is(err, catalog.ErrNotAtRest) {
		return err
	}
	data, err := pgdata.Open(vfs.OS, dir)
	if err != nil {
		return err
	}
	lock, err := data.Lock(0)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return errors.Join(recoverAndRead(ctx, dir, fn), lock.Close())
}

// recoverAndRead replays the log that is there, and reads.
func recoverAndRead(ctx context.Context, dir string, fn func(c *catalog.Catalog) error) error {
	r, err := redo.New(redo.Config{Dir: dir})
	if err != nil {
		return err
	}
	if _, err := r.Replay(ctx, redo.ReplayConfig{}); err != nil {
		return errors.Join(err, r.Close())
	}
	err = r.View(ctx, func() error { return fn(catalog.New(r.Store(), r.Transactions())) })
	return errors.Join(err, r.Shutdown())
}
