// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestOpenDir reads the directory of a server that was shut down, and of one that runs not.
func TestOpenDir(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})
		s.SQL(t, `CREATE TABLE old AS SELECT 1 AS a`)
		s.SQL(t, `ALTER TABLE old ADD b text DEFAULT 'before', ADD c int`)
		_, err := catalog.OpenDir(vfs.OS, s.DataDir)
		require.ErrorIs(t, err, catalog.ErrNotAtRest)
		require.NoError(t, s.Stop(pgserver.Fast))
		c, err := catalog.OpenDir(vfs.OS, s.DataDir)
		require.NoError(t, err)
		defer c.Close()

		list, err := c.Databases()
		require.NoError(t, err)
		t.Log(list)
		db, err := c.Database("postgres")
		require.NoError(t, err)
		_, err = db.Relation("nowhere")
		require.ErrorIs(t, err, catalog.ErrNoRelation)
		_, err = c.Database("nowhere")
		require.ErrorIs(t, err, catalog.ErrNoDatabase)
		readAll(t, db)
	})
}

// readAll reads every value of every table of the database.
func readAll(t *testing.T, db *catalog.DB) {
	list, err := db.Relations()
	require.NoError(t, err)
	tables, rows, values := 0, 0, 0
	for _, info := range list {
		if info.Kind != catalog.KindTable {
			continue
		}
		r, err := db.RelationByOID(info.OID)
		require.NoError(t, err)
		tables++
		require.NoError(t, r.Scan(func(row *catalog.Row) error {
			rows++
			for i := range r.Columns() {
				if _, err := row.Value(i); err != nil {
					return err
				}
				values++
			}
			return nil
		}))
	}
	require.NotZero(t, rows)
	t.Logf("%s: %d tables, %d rows, %d values", db.Name, tables, rows, values)
}
