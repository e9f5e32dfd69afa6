// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// ErrNotAtRest says that a data directory cannot be read as it is: a server works on it, or was not shut down in a way
// that leaves everything in the files. Recovery makes it readable.
var ErrNotAtRest = errors.New("the data directory is in use or needs recovery")

// openBudget is the size in bytes of the cache of pages of a directory at rest.
const openBudget = 16 << 20

// OpenDir reads a data directory that was shut down, and on which nobody works while it is read. Nothing in it is
// changed. A directory that was in recovery needs the redo of its log, see package redo: its files may lack what was
// replayed last, also after it was shut down.
func OpenDir(fsys vfs.FS, path string) (*Catalog, error) {
	dir, err := pgdata.Open(vfs.ReadOnly(fsys), path)
	if err != nil {
		return nil, err
	}
	if dir.Control.State != pgdata.DBShutdowned {
		return nil, fmt.Errorf("%s: %w: its state is %q", path, ErrNotAtRest, dir.Control.State)
	}
	dbid, err := dir.DBID()
	if err != nil {
		return nil, err
	}
	xacts, err := pgdata.ReadTransactions(dir)
	if err != nil {
		return nil, err
	}
	store, err := pgdata.NewStore(dir, pgdata.StoreConfig{Budget: openBudget, DBID: dbid})
	if err != nil {
		return nil, err
	}
	c := New(store, xacts)
	c.close = store.Close
	return c, nil
}
