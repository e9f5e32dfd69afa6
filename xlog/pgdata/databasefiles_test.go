// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// tree lists the files in a directory, with their lengths, and what links lead to.
func tree(t *testing.T, dir string) map[string]int {
	t.Helper()
	list := make(map[string]int)
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch info, err := e.Info(); {
		case err != nil:
			return err
		case e.IsDir():
			list[name+"/"] = 0
		default:
			list[name] = int(info.Size())
		}
		return nil
	}))
	return list
}

// page writes a page of a relation.
func page(t *testing.T, s *Store, loc xlog.RelFileLocator, block uint32, mark byte) {
	t.Helper()
	s.Begin()
	b, err := s.Zero(loc, xlog.MainFork, block)
	require.NoError(t, err)
	fill(b, 8, mark)
}

func TestCopyDatabase(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := newStore(t, testDir(t, vfs.OS, path, true), StoreConfig{})
	require.NoError(t, os.WriteFile(path+"/base/5/pg_filenode.map", []byte("map"), 0o600))
	page(t, s, rel(10), 0, 1)
	require.NoError(t, s.Flush())
	page(t, s, rel(10), 1, 2)
	page(t, s, rel(11), 9, 3)
	require.NoError(t, s.CopyDatabase(1663, 6, 1663, 5))
	copied := rel(11)
	copied.Database = 6
	n, err := s.Blocks(copied, xlog.MainFork)
	require.NoError(t, err)
	require.EqualValues(t, 10, n)
	page(t, s, copied, 10, 4)
	require.NoError(t, s.CopyDatabase(1663, 7, 1663, 6))
	require.NoError(t, s.CopyDatabase(1663, 7, 1663, 5), "again, over what is there")
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]int{"./": 0, "10": 2 * testBlockSize, "11": 8 * testBlockSize, "11.1": 2 * testBlockSize,
		"pg_filenode.map": 3}, tree(t, path+"/base/5"))
	require.Equal(t, map[string]int{"./": 0, "10": 2 * testBlockSize, "11": 8 * testBlockSize, "11.1": 3 * testBlockSize,
		"pg_filenode.map": 3}, tree(t, path+"/base/6"))
	require.Equal(t, tree(t, path+"/base/5"), tree(t, path+"/base/7"))

	page(t, s, copied, 30, 4)
	require.NoError(t, s.DropDatabase(1663, 6))
	require.NoError(t, s.DropDatabase(1663, 6), "it is gone")
	require.NoDirExists(t, path+"/base/6")
	there, err := s.Exists(copied, xlog.MainFork)
	require.NoError(t, err)
	require.False(t, there)
	require.NoError(t, s.CreateDatabase(1663, 6))
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]int{"./": 0, "PG_VERSION": 3}, tree(t, path+"/base/6"))
	require.Error(t, s.DropDatabase(1663, 0))
	require.Error(t, s.DropDatabase(1664, 0))
}

func TestTablespaces(t *testing.T) {
	t.Parallel()
	const version = "PG_15_202209061"
	path, location := t.TempDir(), t.TempDir()
	s := newStore(t, testDir(t, vfs.OS, path, true), StoreConfig{TablespaceLocation: func(l string) string {
		return strings.Replace(l, "/primary", location, 1)
	}})
	loc := xlog.RelFileLocator{Tablespace: 20000, Database: 5, RelNumber: 77}
	require.NoError(t, s.CreateTablespace(20000, "/primary"))
	page(t, s, loc, 0, 1)
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]int{"./": 0, version + "/": 0, version + "/5/": 0, version + "/5/77": testBlockSize},
		tree(t, location))
	require.NoError(t, s.CreateTablespace(20000, "/primary"), "redone")
	page(t, s, loc, 1, 1)
	require.NoError(t, s.DropTablespace(20000), "what is not empty stays")
	require.Equal(t, 2*testBlockSize, tree(t, location)[version+"/5/77"])
	require.NoError(t, s.Drop(loc))
	require.NoError(t, s.DropTablespace(20000))
	require.Equal(t, map[string]int{"./": 0}, tree(t, location))
	require.Equal(t, map[string]int{"./": 0}, tree(t, path+"/pg_tblspc"))
	require.NoError(t, s.DropTablespace(20000), "it is gone")
	require.NoError(t, s.Flush())

	page(t, s, loc, 0, 1)
	require.NoError(t, s.Flush(), "directories in place of a tablespace that was dropped later")
	require.FileExists(t, path+"/pg_tblspc/20000/"+version+"/5/77")
	require.NoError(t, s.Drop(loc))
	require.NoError(t, s.DropTablespace(20000))
	require.Equal(t, map[string]int{"./": 0}, tree(t, path+"/pg_tblspc"))

	require.NoError(t, s.CreateTablespace(20001, ""), "in place")
	require.DirExists(t, path+"/pg_tblspc/20001/"+version)
	require.NoError(t, s.DropTablespace(20001))
	require.Error(t, s.CreateTablespace(20002, "relative"))
	require.ErrorIs(t, s.CreateTablespace(20002, location+"/missing"), fs.ErrNotExist)
	require.Error(t, s.CreateTablespace(1663, location))
	require.Error(t, s.DropTablespace(1664))
}

func TestTablespacesOfGreenplum(t *testing.T) {
	t.Parallel()
	path, location := t.TempDir(), t.TempDir()
	dir := testDir(t, vfs.OS, path, true)
	dir.Dialect, dir.Control.CatalogVersionNo = xlog.Greenplum7, 302307241
	s := newStore(t, dir, StoreConfig{DBID: 4})
	require.NoError(t, os.Mkdir(location+"/2", 0o700))
	require.NoError(t, s.CreateTablespace(20000, location))
	page(t, s, xlog.RelFileLocator{Tablespace: 20000, Database: 5, RelNumber: 77}, 0, 1)
	require.NoError(t, s.Flush())
	require.FileExists(t, location+"/4/GPDB_7_302307241/5/77")
	require.NoError(t, s.CreateTablespace(20000, location), "redone, which empties it")
	require.Equal(t, map[string]int{"./": 0, "2/": 0, "4/": 0, "4/GPDB_7_302307241/": 0}, tree(t, location))
	require.NoError(t, s.DropTablespace(20000))
	require.Equal(t, map[string]int{"./": 0, "2/": 0}, tree(t, location))
}

func TestAppendonlyFiles(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := newStore(t, testDir(t, vfs.OS, path, false), StoreConfig{})
	write := func(segment uint32, offset int64, text string, want bool) {
		t.Helper()
		s.Begin()
		there, err := s.WriteAppendonly(rel(9), segment, offset, []byte(text))
		require.NoError(t, err)
		require.Equal(t, want, there)
	}
	write(1, 5, "early", false)
	require.NoError(t, s.Create(rel(9), xlog.MainFork))
	write(1, 0, "hello", true)
	write(1, 5, " world", true)
	write(129, 0, "", true)
	write(0, 0, "zero", true)
	there, err := s.TruncateAppendonly(rel(9), 1, 7)
	require.NoError(t, err)
	require.True(t, there)
	there, err = s.TruncateAppendonly(rel(9), 2, 7)
	require.NoError(t, err)
	require.False(t, there)
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]int{"./": 0, "9": 4, "9.1": 7, "9.129": 0}, tree(t, path+"/base/5"))
	content, err := os.ReadFile(path + "/base/5/9.1")
	require.NoError(t, err)
	require.Equal(t, "hello w", string(content))
	write(0, 4, strings.Repeat("x", testBlockSize), true)
	require.NoError(t, s.Flush())
	require.Equal(t, 4+testBlockSize, tree(t, path+"/base/5")["9"])
	require.NoError(t, s.Drop(rel(9)))
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]int{"./": 0}, tree(t, path+"/base/5"))
	_, err = s.WriteAppendonly(rel(9), 0, -1, nil)
	require.Error(t, err)
	_, err = s.TruncateAppendonly(rel(9), 0, -1)
	require.Error(t, err)
}

func TestResetUnlogged(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	dir := testDir(t, vfs.OS, path, false)
	for _, name := range []string{"1", "1_init", "1_fsm", "1.1", "1_vm", "2", "2_fsm", "3_init", "t3_4", "x", "PG_VERSION"} {
		require.NoError(t, os.WriteFile(path+"/base/5/"+name, bytes.Repeat([]byte{1}, 10), 0o600))
	}
	s := newStore(t, dir, StoreConfig{})
	require.NoError(t, s.ResetUnlogged())
	require.NoError(t, s.Flush())
	require.Equal(t, map[string]int{"./": 0, "1_init": 10, "2": 10, "2_fsm": 10, "3_init": 10, "t3_4": 10, "x": 10,
		"PG_VERSION": 10}, tree(t, path+"/base/5"))
}

// TestShortLived counts the files that a relation needs which is created, used and dropped before a flush: none.
func TestShortLived(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := newStore(t, testDir(t, vfs.OS, path, true), StoreConfig{})
	for i := range 1000 {
		page(t, s, rel(100+i), 3, 1)
		require.NoError(t, s.Create(rel(100+i), xlog.VisibilityMapFork))
		require.NoError(t, s.Drop(rel(100+i)))
	}
	require.Zero(t, s.Stats().Relations)
	require.Zero(t, s.Stats().Cached)
	require.NoError(t, s.Flush())
	require.Zero(t, s.Stats().Written)
	require.Equal(t, map[string]int{"./": 0}, tree(t, path+"/base/5"))
}

// TestManyRelations has more relations than the Store cares to know at once.
func TestManyRelations(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := newStore(t, testDir(t, vfs.OS, path, true), StoreConfig{Budget: 1})
	s.maxRelations = 100
	const count = 350
	for i := range count {
		page(t, s, rel(100+i), 0, byte(i))
		require.LessOrEqual(t, s.Stats().Relations, 100)
	}
	require.NoError(t, s.Flush())
	for i := range count {
		s.Begin()
		b, err := s.Read(rel(100+i), xlog.MainFork, 0)
		require.NoError(t, err)
		require.Equal(t, byte(i), b.Page[500])
	}
	require.Len(t, tree(t, path+"/base/5"), count+1)
}

func TestDamagedPage(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	dir := testDir(t, vfs.OS, path, true)
	s := newStore(t, dir, StoreConfig{})
	page(t, s, rel(1), 1, 1)
	require.NoError(t, s.Flush())
	name := path + "/base/5/1"
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	content[testBlockSize+600] ^= 1
	require.NoError(t, os.WriteFile(name, content, 0o600))
	s = newStore(t, dir, StoreConfig{})
	_, err = s.Read(rel(1), xlog.MainFork, 1)
	require.ErrorIs(t, err, xlog.ErrCorrupt)
	b, err := s.ReadOrZero(rel(1), xlog.MainFork, 1)
	require.NoError(t, err)
	require.True(t, b.Page.IsNew())
	_, err = s.Read(rel(1), xlog.MainFork, 2)
	require.Error(t, err)
	_, err = s.Read(rel(1), 4, 0)
	require.Error(t, err)
	_, err = s.Zero(rel(1), xlog.MainFork, ^uint32(0))
	require.Error(t, err)
	require.Error(t, s.Create(xlog.RelFileLocator{RelNumber: 1}, xlog.MainFork))
}

// TestStoreBudget fills a store with many times as much as it may hold.
func TestStoreBudget(t *testing.T) {
	const budget, blocks = 4 << 20, 40_000
	path := t.TempDir()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	dir := testDir(t, vfs.OS, path, true)
	dir.Control.RelsegSize = 1 << 17
	s := newStore(t, dir, StoreConfig{Budget: budget})
	for i := range blocks {
		page(t, s, rel(100+i%20), uint32(i/20), byte(i))
	}
	stats := s.Stats()
	require.Equal(t, budget/testBlockSize, stats.Capacity)
	require.Equal(t, stats.Capacity, stats.Cached)
	require.EqualValues(t, blocks-stats.Capacity, stats.Evictions)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20), "besides the pages")
	require.NoError(t, s.Flush())
	require.EqualValues(t, blocks, s.Stats().Written, "each page once")
	for i := range blocks {
		s.Begin()
		b, err := s.Read(rel(100+i%20), xlog.MainFork, uint32(i/20))
		require.NoError(t, err)
		require.Equal(t, byte(i), b.Page[500])
	}
}
