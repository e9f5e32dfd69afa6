// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// firstUser is the first number of a file that initdb does not give away.
const firstUser = 16384

// TestCatalogOnly: what replay leaves in a directory that has only catalogs is what it leaves of them in a whole one, byte
// for byte, and nothing else. The load has definitions in it, and in long tests records of every kind, and a crash.
func TestCatalogOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("left out with -short: the load takes a while")
	}
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		parts := []string{"heap", "ddl"}
		if pgserver.Long() {
			parts = walload.Replayable
		} else if major != pgserver.DefaultMajor {
			t.Skip("set WALMIRROR_LONG=1 to compare with other versions, too")
		}
		t.Parallel()
		source := pgreplay.Record(t, walload.Options{Major: major, Parts: parts}, pgreplay.Cold)
		work := pgserver.TempDir(t)
		whole, only := filepath.Join(work, "whole"), filepath.Join(work, "only")
		for _, dir := range []string{whole, only} {
			require.NoError(t, source.Copy(dir))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "pg_tblspc")))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "pg_tblspc"), 0o700))
		}
		compareOnly(t, whole, only, source.Version)
	})
}

// TestCatalogOnlyGreenplum does so with the recorded logs of Greenplum 7's coordinators.
func TestCatalogOnlyGreenplum(t *testing.T) {
	root := pgreplay.Recorded(t)
	for set, base := range map[string]string{
		"gp7dev-walcompression": "base.tar.zst", "gp7dev-consistency": "base.tar.zst", matrix: "base-t0.tar.zst",
	} {
		if set == matrix && !pgserver.Long() || redo.RaceOnly() && set != "gp7dev-consistency" {
			continue
		}
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			from, work := filepath.Join(root, set), t.TempDir()
			whole, only := filepath.Join(work, "whole"), filepath.Join(work, "only")
			for _, dir := range []string{whole, only} {
				pgreplay.Unpack(t, filepath.Join(from, "base", base), dir, filepath.Join(from, "wal"))
			}
			compareOnly(t, whole, only, 0)
		})
	}
}

// compareOnly replays the log of two directories that are the same, of which one keeps only catalogs, and compares them.
func compareOnly(t *testing.T, whole, only string, version int) {
	removeUsers(t, only)
	require.NoError(t, pgdata.MarkCatalogOnly(vfs.OS, only))
	var expected map[string]bool
	replayToEnd(t, whole, version, func(c *catalog.Catalog) { expected = rewrittenCatalogs(t, c) })
	replayToEnd(t, only, version, func(*catalog.Catalog) {})

	files, rewritten := 0, 0
	eachRelationFile(t, only, func(name string, number uint64) {
		a, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(only, name))
		require.NoError(t, err)
		require.True(t, string(a) == string(b), "%s differs", name)
		files++
		if number < firstUser {
			return
		}
		id := filepath.Base(filepath.Dir(name)) + "/" + strconv.FormatUint(number, 10)
		require.True(t, expected[id], "%s is no catalog's", name)
		rewritten++
	})
	left := 0
	eachRelationFile(t, whole, func(name string, number uint64) {
		if _, err := os.Stat(filepath.Join(only, name)); os.IsNotExist(err) {
			require.GreaterOrEqual(t, number, uint64(firstUser), name)
			left++
		}
	})
	require.NotZero(t, left)
	require.NotZero(t, rewritten)
	noticesMissing(t, only, version)
	t.Logf("%d files of catalogs are equal, %d of them rewritten; %d files of other relations are not there", files,
		rewritten, left)
}

// noticesMissing takes a catalog's file away: replay says so before anybody reads.
func noticesMissing(t *testing.T, dir string, version int) {
	gone := ""
	eachRelationFile(t, dir, func(name string, number uint64) {
		if number >= firstUser && !strings.Contains(filepath.Base(name), "_") && !strings.HasPrefix(name, "global") {
			gone = name
		}
	})
	require.NoError(t, os.Remove(filepath.Join(dir, gone)))
	r, err := redo.New(redo.Config{Dir: dir, ServerVersion: version})
	if err == nil {
		defer r.Close()
		_, err = r.Replay(t.Context(), redo.ReplayConfig{})
	}
	require.ErrorIs(t, err, redo.ErrCatalogFile)
	require.ErrorContains(t, err, "file "+filepath.Base(gone))
}

// rewrittenCatalogs lists the catalogs' files that initdb did not number, each as the database's directory and the number.
func rewrittenCatalogs(t *testing.T, c *catalog.Catalog) map[string]bool {
	list := map[string]bool{}
	databases, err := c.Databases()
	require.NoError(t, err)
	for _, d := range databases {
		db, err := c.DatabaseByOID(d.OID)
		require.NoError(t, err)
		relations, err := db.Relations()
		require.NoError(t, err)
		for _, r := range relations {
			dir := "global"
			if r.Locator.Database != 0 {
				dir = strconv.FormatUint(uint64(r.Locator.Database), 10)
			}
			if r.OID < firstUser && r.Locator.RelNumber >= firstUser {
				list[dir+"/"+strconv.FormatUint(r.Locator.RelNumber, 10)] = true
			}
		}
	}
	return list
}

// removeUsers removes the files of relations that are not catalogs; of a new cluster these are all that initdb did not
// number.
func removeUsers(t *testing.T, dir string) {
	eachRelationFile(t, dir, func(name string, number uint64) {
		if number >= firstUser {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
		}
	})
}

// eachRelationFile calls fn for each file of a relation, by its name in the directory.
func eachRelationFile(t *testing.T, dir string, fn func(name string, number uint64)) {
	for _, top := range []string{"base", "global", "pg_tblspc"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(dir, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if number, ok := pgdata.RelationNumber(d.Name()); ok {
				fn(strings.TrimPrefix(path, dir+"/"), number)
			}
			return nil
		}))
	}
}

// replayToEnd replays everything that pg_wal has, has fn look at it, and writes it to the files.
func replayToEnd(t *testing.T, dir string, version int, fn func(*catalog.Catalog)) {
	r, err := redo.New(redo.Config{
		Dir: dir, ServerVersion: version, CacheBytes: 512 << 20, RestartBytes: 1 << 40, RestartTime: 1 << 60,
		TablespaceLocation: func(location string) string {
			space := filepath.Join(t.TempDir(), filepath.Base(location))
			require.NoError(t, os.Mkdir(space, 0o700))
			return space
		},
	})
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Replay(t.Context(), redo.ReplayConfig{})
	require.NoError(t, err)
	require.NoError(t, r.View(t.Context(), func() error {
		fn(catalog.New(r.Store(), r.Transactions()))
		return nil
	}))
	require.NoError(t, r.Flush())
	require.NoError(t, r.Shutdown())
}
