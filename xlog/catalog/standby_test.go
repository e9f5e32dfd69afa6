// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestCatalogs makes definitions of every kind on a server, redoes its log from a base that was made before, and compares
// every row of every catalog of every database with what the server printed at the same place of the log.
func TestCatalogs(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		var dumps map[string][]tableDump
		settings := map[string]string{"autovacuum": "off", "wal_level": "logical"}
		backup := []pgreplay.Backup{pgreplay.Online, pgreplay.Cold}[major%2]
		source := pgreplay.RecordLoad(t, pgserver.Options{Major: major, Settings: settings}, backup,
			func(s *pgserver.Server) {
				define(t, s)
				dumps = dumpServer(t, s)
				_, err := catalog.OpenDir(vfs.OS, s.DataDir)
				require.ErrorIs(t, err, catalog.ErrNotAtRest)
			})
		compareAtRest(t, filepath.Dir(source.WAL), dumps)
		compareRedone(t, source, dumps)
	})
}

// TestCatalogsLoad is TestCatalogs with another load: databases and tablespaces come and go, transactions stay prepared
// over restarts and a crash.
func TestCatalogsLoad(t *testing.T) {
	if !pgserver.Long() {
		t.Skip("takes minutes; set WALMIRROR_LONG=1")
	}
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		source := &pgreplay.Source{Major: major, Base: filepath.Join(pgserver.TempDir(t), "base")}
		backup := []pgreplay.Backup{pgreplay.Cold, pgreplay.Online}[major%2]
		load := walload.Run(t, walload.Options{
			Major: major, Parts: []string{"ddl"}, NoChecksums: major%3 == 0,
			Started: func(l *walload.Load) { backup(t, l.Server, source.Base) },
		})
		dumps := dumpServer(t, load.Server)
		require.NoError(t, source.Finish(load.Server, load.Dir))
		compareRedone(t, source, dumps)
	})
}

// compareAtRest compares what is in the directory of the server that was shut down.
func compareAtRest(t *testing.T, dir string, dumps map[string][]tableDump) {
	c, err := catalog.OpenDir(vfs.OS, dir)
	require.NoError(t, err)
	t.Logf("at rest: %s", compareDumps(t, c, dumps))
	require.NoError(t, c.Close())
}

// compareRedone redoes a log, and compares what is then in the catalogs.
func compareRedone(t *testing.T, source *pgreplay.Source, dumps map[string][]tableDump) {
	dir := filepath.Join(pgserver.TempDir(t), "standby")
	require.NoError(t, source.Copy(dir))
	require.NoError(t, source.Apart(dir, func() error {
		readWith(t, redo.Config{Dir: dir, ServerVersion: source.Version}, func(c *catalog.Catalog) {
			t.Logf("after redo: %s", compareDumps(t, c, dumps))
		})
		return nil
	}))
}

// readWith has redo replay everything, and fn read.
func readWith(t *testing.T, cfg redo.Config, fn func(*catalog.Catalog)) {
	r, err := redo.New(cfg)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Replay(t.Context(), redo.ReplayConfig{})
	require.NoError(t, err)
	require.NoError(t, r.View(t.Context(), func() error {
		fn(catalog.New(r.Store(), r.Transactions()))
		return nil
	}))
}
