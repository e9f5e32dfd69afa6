// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// TestTemplate: a server whose data directory was copied is a system of its own, and what initdb makes in all else.
func TestTemplate(t *testing.T) {
	t.Setenv("WALMIRROR_TEMPLATES", t.TempDir())
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		opts := pgserver.Options{Major: major, NoChecksums: major%2 == 0}
		if major > pgserver.DefaultMajor {
			opts.WALSegmentMB = 1
		}
		made, copied := pgserver.Start(t, opts), pgserver.Start(t, opts)
		const id = "SELECT system_identifier FROM pg_control_system()"
		require.NotEqual(t, made.Value(t, id), copied.Value(t, id))
		const settings = `SELECT name, setting FROM pg_settings
			WHERE context = 'internal' OR name LIKE 'lc%' OR name LIKE 'default%' ORDER BY name`
		require.NotEmpty(t, made.SQL(t, settings))
		require.Equal(t, made.SQL(t, settings), copied.SQL(t, settings))
		copied.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
		require.NoError(t, copied.Restart(pgserver.Immediate))
		require.Equal(t, "1000", copied.Value(t, "SELECT count(*) FROM t"))
	})
}
