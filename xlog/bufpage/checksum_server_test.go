// SPDX-License-Identifier: Apache-2.0

package bufpage_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// relationFile is the name of a first segment of any fork.
var relationFile = regexp.MustCompile(`^\d+(_fsm|_vm|_init)?$`)

// verify looks at the checksums of all pages in directories of relations.
func verify(t *testing.T, pageSize int, dirs ...string) {
	files, pages := 0, 0
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if !relationFile.MatchString(e.Name()) {
				continue
			}
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			files++
			for block := uint32(0); len(content) > 0; block++ {
				page := bufpage.Page(content[:pageSize])
				require.True(t, page.HasChecksum(block), "%s/%s, block %d", dir, e.Name(), block)
				content = content[pageSize:]
				pages++
			}
		}
	}
	require.NotZero(t, pages)
	t.Logf("%d pages of %d files have the checksum that was computed", pages, files)
}

// TestServerChecksums verifies what a server wrote.
func TestServerChecksums(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		s := pgserver.Start(t, pgserver.Options{Major: major})
		s.SQL(t, "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i")
		s.SQL(t, "CREATE INDEX ON t (i)")
		s.SQL(t, "VACUUM t")
		database := filepath.Join(s.DataDir, "base", s.Value(t, "SELECT oid FROM pg_database WHERE datname = 'postgres'"))
		require.NoError(t, s.Stop(pgserver.Fast))
		template, global := filepath.Join(s.DataDir, "base", "1"), filepath.Join(s.DataDir, "global")
		verify(t, xlog.Postgres15.BlockSize(), database, template, global)
	})
}

// TestGreenplumChecksums verifies the pages of a recorded Greenplum, which have 32 KiB.
func TestGreenplumChecksums(t *testing.T) {
	set := filepath.Join(pgreplay.Recorded(t), "gp7dev-consistency")
	dir := filepath.Join(t.TempDir(), "data")
	pgreplay.Unpack(t, filepath.Join(set, "base", "base.tar.zst"), dir)
	verify(t, xlog.Greenplum7Dev.BlockSize(), filepath.Join(dir, "base", "1"), filepath.Join(dir, "global"))
}
