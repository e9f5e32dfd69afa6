// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestCatalog reads a running standby's catalogs right after each commit that waited for it, and then those of its directory
// at rest, whose pages were not all written.
func TestCatalog(t *testing.T) {
	t.Parallel()
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		t.Parallel()
		primary := pgserver.Start(t, pgserver.Options{Major: major, Settings: map[string]string{
			"synchronous_standby_names": "walmirror",
		}})
		snap := initStandby(t, primary, nil)
		s, end := start(t, standby.Config{Dir: snap.Dir})
		for i := range 20 {
			primary.SQL(t, fmt.Sprintf(`SET synchronous_commit = remote_apply; CREATE TABLE t%d (c%d int)`, i, i))
			require.NoError(t, s.Catalog(t.Context(), func(c *catalog.Catalog) error { return checkTables(c, i+1) }))
		}
		require.Error(t, standby.ReadCatalog(t.Context(), snap.Dir, func(*catalog.Catalog) error { return nil }), "it is in use")
		require.NoError(t, end())

		_, err := catalog.OpenDir(vfs.OS, snap.Dir)
		require.ErrorIs(t, err, catalog.ErrNotAtRest)
		for range 2 {
			require.NoError(t, standby.ReadCatalog(t.Context(), snap.Dir, func(c *catalog.Catalog) error {
				return checkTables(c, 20)
			}))
		}
	})
}

// checkTables makes sure that the tables t0 to tn-1 are there, each with its column.
func checkTables(c *catalog.Catalog, n int) error {
	db, err := c.Database("postgres")
	if err != nil {
		return err
	}
	for i := range n {
		r, err := db.Relation(fmt.Sprintf("t%d", i))
		if err != nil {
			return err
		}
		if columns := r.Columns(); len(columns) != 1 || columns[0].Name != fmt.Sprintf("c%d", i) {
			return fmt.Errorf("table %d has the columns %v", i, columns)
		}
	}
	if _, err := db.Relation(fmt.Sprintf("t%d", n)); err == nil {
		return fmt.Errorf("table %d is not there yet", n)
	}
	return nil
}
