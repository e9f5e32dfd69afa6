// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

const (
	testSegBlocks = 8
	testBlockSize = 1024
)

// testDir is an empty data directory with segment files of eight blocks.
func testDir(t testing.TB, fsys vfs.FS, path string, checksums bool) *DataDir {
	t.Helper()
	dialect, err := xlog.Postgres15.WithBlockSizes(testBlockSize, 8192)
	require.NoError(t, err)
	d := &DataDir{Path: path, Major: 15, Dialect: dialect, fsys: fsys, Control: &ControlFile{
		Blcksz: testBlockSize, RelsegSize: testSegBlocks, CatalogVersionNo: 202209061,
	}}
	if checksums {
		d.Control.DataChecksumVersion = 1
	}
	for _, name := range []string{"", "base", "base/5", "global", tablespacesDir} {
		if err := fsys.Mkdir(filepath.Join(path, name), vfs.DirMode); err != nil {
			require.ErrorIs(t, err, fs.ErrExist)
		}
		require.NoError(t, fsys.SyncDir(filepath.Dir(filepath.Join(path, name))))
	}
	return d
}

func newStore(t testing.TB, d *DataDir, cfg StoreConfig) *Store {
	t.Helper()
	s, err := NewStore(d, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func rel(number int) xlog.RelFileLocator {
	return xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: uint64(number)}
}

// fill makes a valid page with a mark in it.
func fill(b *Buffer, lsn xlog.LSN, mark byte) {
	paint(b.Page, lsn, mark)
	b.MarkDirty()
}

func paint(page bufpage.Page, lsn xlog.LSN, mark byte) {
	page.Init(0, 4)
	page.SetLSN(lsn)
	for i := 400; i < 900; i++ {
		page[i] = mark
	}
}

// model is what a store should hold: the pages of every fork, all in memory.
type model map[modelFork][][]byte

type modelFork struct {
	rel  xlog.RelFileLocator
	fork xlog.ForkNumber
}

func (m model) create(k modelFork) {
	if m[k] == nil {
		m[k] = [][]byte{}
	}
}

func (m model) extend(k modelFork, n uint32) {
	m.create(k)
	for uint32(len(m[k])) < n {
		m[k] = append(m[k], make([]byte, testBlockSize))
	}
}

// story does random things to a store and its model.
type story struct {
	t     testing.TB
	rnd   *rand.Rand
	store *Store
	model model
	lsn   xlog.LSN

	touched Touched
}

func (st *story) key() modelFork {
	return modelFork{rel(100 + st.rnd.IntN(12)), xlog.ForkNumber(st.rnd.IntN(4))}
}

// do does one thing; the error is the store's.
func (st *story) do() error {
	st.store.Begin()
	st.lsn += 8
	k := st.key()
	n := uint32(st.rnd.IntN(60))
	st.touch(k, n)
	switch st.rnd.IntN(100) {
	case 0:
		st.model.create(k)
		return st.store.Create(k.rel, k.fork)
	case 1:
		for f := range xlog.InitFork + 1 {
			delete(st.model, modelFork{k.rel, f})
		}
		return st.store.Drop(k.rel)
	case 2, 3:
		if p := st.model[k]; n < uint32(len(p)) {
			st.model[k] = p[:n]
		}
		return st.store.Truncate(k.rel, k.fork, n)
	case 4:
		st.model.extend(k, n)
		return st.store.Extend(k.rel, k.fork, n)
	case 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25:
		return st.zero(k, n)
	}
	return st.change(k, n)
}

// touch changes nothing. Steps are made for blocks that may be gone since the step before.
func (st *story) touch(k modelFork, n uint32) {
	if step := 2 + st.rnd.IntN(TouchSteps); step <= TouchSteps {
		st.touched.Step(step)
		return
	}
	st.touched.Reset()
	for i := range uint32(33) {
		st.touched.Add(st.store, k.rel, k.fork, n+i, uint16(st.rnd.IntN(1<<16)))
	}
}

func (st *story) zero(k modelFork, n uint32) error {
	st.model.extend(k, n+1)
	b, err := st.store.Zero(k.rel, k.fork, n)
	if err != nil {
		return err
	}
	require.True(st.t, bytes.Equal(make([]byte, testBlockSize), b.Page))
	fill(b, st.lsn, byte(st.rnd.Int()))
	st.model[k][n] = bytes.Clone(b.Page)
	return nil
}

// change changes a page if it exists.
func (st *story) change(k modelFork, n uint32) error {
	st.model.create(k)
	b, err := st.store.Find(k.rel, k.fork, n)
	if err != nil {
		return err
	}
	require.Equal(st.t, n < uint32(len(st.model[k])), b != nil)
	if b == nil {
		return nil
	}
	st.same(k, n, b.Page)
	if !b.Page.IsNew() {
		fill(b, st.lsn, byte(st.rnd.Int()))
		st.model[k][n] = bytes.Clone(b.Page)
	}
	return nil
}

func (st *story) same(k modelFork, n uint32, page []byte) {
	want := bytes.Clone(st.model[k][n])
	got := bytes.Clone(page)
	clear(want[8:10])
	clear(got[8:10])
	require.True(st.t, bytes.Equal(want, got), "%s %s block %d", k.rel, k.fork, n)
}

// check compares everything that the store says.
func (st *story) check() {
	for i := range 12 {
		for f := range xlog.InitFork + 1 {
			k := modelFork{rel(100 + i), f}
			there, err := st.store.Exists(k.rel, k.fork)
			require.NoError(st.t, err)
			require.Equal(st.t, st.model[k] != nil, there, "%v", k)
			n, err := st.store.Blocks(k.rel, k.fork)
			require.NoError(st.t, err)
			require.EqualValues(st.t, len(st.model[k]), n, "%v", k)
			for block := range n {
				st.store.Begin()
				b, err := st.store.Read(k.rel, k.fork, block)
				require.NoError(st.t, err)
				st.same(k, block, b.Page)
			}
		}
	}
}

// checkFiles compares the files with the model.
func (st *story) checkFiles(fsys vfs.FS, dir string, checksums bool) {
	names := make(map[string]bool)
	for k, pages := range st.model {
		for n := 0; n == 0 || n*testSegBlocks < len(pages); n++ {
			name := fmt.Sprintf("%s/base/5/%d", dir, k.rel.RelNumber)
			if k.fork != xlog.MainFork {
				name += "_" + k.fork.String()
			}
			if n > 0 {
				name += fmt.Sprintf(".%d", n)
			}
			names[name] = true
			got, err := readPrefix(fsys, name, 1<<30)
			require.NoError(st.t, err)
			part := pages[n*testSegBlocks : min(len(pages), (n+1)*testSegBlocks)]
			require.Len(st.t, got, len(part)*testBlockSize, name)
			for i := range part {
				file := bufpage.Page(got[i*testBlockSize : (i+1)*testBlockSize])
				require.True(st.t, !checksums || file.HasChecksum(uint32(n*testSegBlocks+i)))
				st.same(k, uint32(n*testSegBlocks+i), file)
			}
		}
	}
	entries, err := fsys.ReadDir(dir + "/base/5")
	require.NoError(st.t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(st.t, err)
		// A truncation leaves the files behind the last one, empty.
		_, behind, _ := strings.Cut(e.Name(), ".")
		require.True(st.t, names[dir+"/base/5/"+e.Name()] || behind != "" && info.Size() == 0, e.Name())
	}
}

func TestStoreIsItsModel(t *testing.T) {
	t.Parallel()
	var evictions, misses uint64
	for seed := range uint64(6) {
		checksums := seed%2 == 0
		fsys := faultfs.New()
		dir := testDir(t, fsys, "/d", checksums)
		st := &story{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), model: model{}, store: newStore(t, dir, StoreConfig{Budget: 1})}
		for round := range 6 {
			for range 700 {
				require.NoError(t, st.do())
			}
			switch round % 3 {
			case 0:
				st.check()
			case 1:
				require.NoError(t, st.store.Flush())
				st.checkFiles(fsys, "/d", checksums)
			case 2:
				require.NoError(t, st.store.Flush())
				evictions += st.store.Stats().Evictions
				misses += st.store.Stats().Misses
				require.NoError(t, st.store.Close())
				st.store = newStore(t, dir, StoreConfig{Budget: 1})
			}
		}
		require.NoError(t, st.store.Flush())
		st.checkFiles(fsys.Crash(0), "/d", checksums)
	}
	require.NotZero(t, evictions)
	require.NotZero(t, misses)
	t.Logf("%d evictions, %d misses", evictions, misses)
}
