// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// BenchmarkRead reads the catalogs of a database with a thousand tables: what it takes to open a relation, and to print
// every row of one.
func BenchmarkRead(b *testing.B) {
	pgserver.Require(b)
	s := pgserver.Start(b, pgserver.Options{Settings: map[string]string{"max_locks_per_transaction": "1000"}})
	s.SQL(b, `DO $$ BEGIN FOR i IN 1..1000 LOOP
		EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, a int, b text, c timestamptz)', i); END LOOP; END $$`)
	require.NoError(b, s.Stop(pgserver.Fast))
	c, err := catalog.OpenDir(vfs.OS, s.DataDir)
	require.NoError(b, err)
	defer c.Close()
	open := func(b *testing.B, name string) *catalog.Relation {
		db, err := c.Database("postgres")
		require.NoError(b, err)
		r, err := db.Relation(name)
		require.NoError(b, err)
		return r
	}
	for _, name := range []string{"pg_class", "t500"} {
		b.Run("open/"+name, func(b *testing.B) {
			for b.Loop() {
				open(b, name)
			}
		})
	}
	for _, name := range []string{"pg_class", "pg_attribute", "pg_rewrite"} {
		b.Run(name, func(b *testing.B) {
			r, rows := open(b, name), 0
			for b.Loop() {
				rows = 0
				require.NoError(b, r.Scan(func(row *catalog.Row) error {
					rows++
					for i := range r.Columns() {
						if _, _, err := row.Text(i); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			b.ReportMetric(float64(rows), "rows")
		})
	}
}
