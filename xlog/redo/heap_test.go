// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

func heapBlock0(flags uint8) xlog.BlockRef {
	return xlog.BlockRef{Rel: testRel, Block: 9, Flags: flags}
}

// plainHeapTuple is a tuple without nulls, with text as its columns.
func plainHeapTuple(text string) rmgr.HeapTuple {
	return rmgr.HeapTuple{
		Infomask2: 1, Infomask: bufpage.HasVarWidth | bufpage.XmaxInvalid, Hoff: 24, Data: []byte("\x00" + text),
	}
}

// heapRedo has a page with tuples 1 to 3, made by transaction 700.
func heapRedo(t testing.TB, d *xlog.Dialect) *Redo {
	r := storedRedo(t, d, false)
	r.testRecord(700, heapBlock0(xlog.BlockWillInit))
	require.NoError(t, r.heap(&rmgr.HeapInsert{Offset: 1, Init: true, Tuple: plainHeapTuple("first tuple")}))
	for i, text := range []string{"second", "the third"} {
		r.testRecord(700, heapBlock0(0))
		require.NoError(t, r.heap(&rmgr.HeapInsert{Offset: uint16(i + 2), Tuple: plainHeapTuple(text)}))
	}
	return r
}

func (r *Redo) testTuple(t testing.TB, offset int) bufpage.HeapTuple {
	tuple := r.testPage(t, xlog.MainFork, 9).HeapTuple(offset)
	require.NotNil(t, tuple)
	return tuple
}

func TestHeapInsert(t *testing.T) {
	t.Parallel()
	r := heapRedo(t, xlog.Postgres15)
	tuple := r.testTuple(t, 3)
	require.Equal(t, "the third", string(tuple.Data()))
	require.Equal(t, uint32(700), tuple.Xmin())
	require.Equal(t, bufpage.TID{Block: 9, Offset: 3}, tuple.CTID())
	require.Equal(t, r.lsn, r.testPage(t, xlog.MainFork, 9).LSN())

	r.rec.End, r.lsn = r.lsn-1, r.lsn-1
	require.NoError(t, r.heap(&rmgr.HeapInsert{Offset: 4, Tuple: plainHeapTuple("again")}), "a page that has it already")
	require.Equal(t, 3, r.testPage(t, xlog.MainFork, 9).MaxOffset())
}

// An update takes bytes at either end of the old tuple.
func TestHeapUpdate(t *testing.T) {
	t.Parallel()
	r := heapRedo(t, xlog.Postgres15)
	r.testRecord(701, heapBlock0(0))
	require.NoError(t, r.heap(&rmgr.HeapUpdate{
		OldXmax: 701, OldOffset: 1, NewOffset: 4, Hot: true, New: plainHeapTuple(" updated"), Prefix: 5, Suffix: 6,
	}))
	old, updated := r.testTuple(t, 1), r.testTuple(t, 4)
	require.Equal(t, "first updated tuple", string(updated.Data()))
	require.Equal(t, uint32(701), updated.Xmin())
	require.Equal(t, uint32(701), old.Xmax())
	require.Equal(t, bufpage.TID{Block: 9, Offset: 4}, old.CTID())
	require.Equal(t, updated.CTID(), old.CTID())
	require.NotZero(t, old.Infomask2()&bufpage.HotUpdated)
	require.Zero(t, old.Infomask()&bufpage.XmaxInvalid)
	require.Equal(t, uint32(701), r.testPage(t, xlog.MainFork, 9).PruneXID())
}

func TestHeapDelete(t *testing.T) {
	t.Parallel()
	r := heapRedo(t, xlog.Postgres15)
	r.testRecord(702, heapBlock0(0))
	require.NoError(t, r.heap(&rmgr.HeapDelete{
		Xmax: 702, Offset: 2, Infobits: rmgr.KeysUpdated, Flags: deleteIsPartitionMove,
	}))
	tuple := r.testTuple(t, 2)
	require.Equal(t, uint32(702), tuple.Xmax())
	require.Equal(t, bufpage.TID{Block: ^uint32(0), Offset: bufpage.MovedPartitionsOffset}, tuple.CTID())
	require.NotZero(t, tuple.Infomask2()&bufpage.KeysUpdated)

	r.testRecord(702, heapBlock0(0))
	require.NoError(t, r.heap(&rmgr.HeapDelete{Xmax: 702, Offset: 3, Flags: deleteIsSuper}))
	require.Zero(t, r.testTuple(t, 3).Xmin())
	require.Zero(t, r.testTuple(t, 3).Xmax())
}

// A record that says that a page is no longer all-visible clears the map too, and makes it when there is none.
func TestHeapClearsVisible(t *testing.T) {
	t.Parallel()
	for _, d := range []*xlog.Dialect{xlog.Postgres15, xlog.Postgres16} {
		r := heapRedo(t, d)
		r.testRecord(0, xlog.BlockRef{Rel: testRel, Fork: xlog.VisibilityMapFork}, xlog.BlockRef{ID: 1, Rel: testRel, Block: 9})
		require.NoError(t, r.heap2(&rmgr.HeapVisible{Flags: vmValidBits}))
		require.Equal(t, uint8(3<<2), r.testPage(t, xlog.VisibilityMapFork, 0)[24+2])
		require.NotZero(t, r.testPage(t, xlog.MainFork, 9).Flags()&bufpage.AllVisible)

		r.testRecord(703, heapBlock0(0))
		require.NoError(t, r.heap(&rmgr.HeapLock{
			Xmax: 703, Offset: 1, Infobits: rmgr.XmaxLockOnly, Flags: lockAllFrozenCleared,
		}))
		require.Equal(t, uint8(1<<2), r.testPage(t, xlog.VisibilityMapFork, 0)[24+2])
		r.testRecord(703, heapBlock0(0))
		require.NoError(t, r.heap(&rmgr.HeapDelete{Xmax: 703, Offset: 1, Flags: rmgr.HeapDeleteAllVisibleCleared}))
		require.Zero(t, r.testPage(t, xlog.VisibilityMapFork, 0)[24+2])
		require.Zero(t, r.testPage(t, xlog.MainFork, 9).Flags()&bufpage.AllVisible)

		require.NoError(t, r.clearVisible(testRel, 2*32672, vmValidBits))
		n, err := r.store.Blocks(testRel, xlog.VisibilityMapFork)
		require.NoError(t, err)
		require.Equal(t, uint32(3), n)
		require.Equal(t, d != xlog.Postgres15, r.testPage(t, xlog.VisibilityMapFork, 1).IsNew())
	}
}

// The maps are cut where their relation is.
func TestTruncateMaps(t *testing.T) {
	t.Parallel()
	r := storedRedo(t, xlog.Postgres15, false)
	r.testRecord(0)
	const slots = 4069
	for block := range uint32(3) {
		require.NoError(t, r.recordFreeSpace(testRel, block*slots+7, 4096))
	}
	require.NoError(t, r.vacuumFreeSpace(testRel, 0))
	require.Equal(t, uint8(128), fsmPage(r.testPage(t, xlog.FSMFork, 0)).root())

	n, truncate, err := r.truncateFreeSpace(testRel, slots+8)
	require.NoError(t, err)
	require.True(t, truncate)
	require.Equal(t, uint32(4), n, "root, level 1, and two of level 0")
	require.NoError(t, r.store.Truncate(testRel, xlog.FSMFork, n))
	require.NoError(t, r.vacuumFreeSpace(testRel, slots+8))
	level1 := fsmPage(r.testPage(t, xlog.FSMFork, 1))
	require.Equal(t, []uint8{128, 128, 0}, []uint8{level1.slot(0), level1.slot(1), level1.slot(2)})

	n, truncate, err = r.truncateFreeSpace(testRel, slots)
	require.NoError(t, err)
	require.True(t, truncate)
	require.Equal(t, uint32(3), n)
	require.NoError(t, r.store.Truncate(testRel, xlog.FSMFork, n))
	_, truncate, err = r.truncateFreeSpace(testRel, slots)
	require.NoError(t, err)
	require.False(t, truncate, "it is as short already")

	_, truncate, err = r.truncateVisible(testRel, 0)
	require.NoError(t, err)
	require.False(t, truncate, "there is none")
	require.NoError(t, r.store.Extend(testRel, xlog.VisibilityMapFork, 2))
	buf, err := r.pinVisibilityMap(testRel, 0)
	require.NoError(t, err)
	buf.Page[24], buf.Page[25], buf.Page[26] = 0xFF, 0xFF, 0xFF
	n, truncate, err = r.truncateVisible(testRel, 5)
	require.NoError(t, err)
	require.True(t, truncate)
	require.Equal(t, uint32(1), n)
	require.Equal(t, []byte{0xFF, 0x03, 0}, []byte(r.testPage(t, xlog.VisibilityMapFork, 0)[24:27]))
}

func TestHeapMultiInsert(t *testing.T) {
	t.Parallel()
	var data []byte
	for _, text := range []string{"odd", "even"} {
		data = append(data, make([]byte, len(data)%2)...)
		data = binary.LittleEndian.AppendUint16(data, uint16(len(text)+1))
		data = append(append(data, 1, 0, 2, 8, 24, 0), text...)
	}
	r := storedRedo(t, xlog.Postgres15, false)
	insert := func(n byte) error {
		ref := heapBlock0(xlog.BlockWillInit | xlog.BlockHasData)
		ref.Data = data
		r.testRecord(704, ref)
		r.body.Main = []byte{insertAllFrozenSet, 0, n, 0}
		log := xlogtest.NewBuilder(r.dialect, xlog.DefaultSegmentSize, xlog.LSN(xlog.DefaultSegmentSize))
		log.Insert(xlogtest.Record{Rmgr: rmgr.Heap2, Info: 0xD0, Body: *r.body})
		rec, err := xlog.NewReader(xlog.ReaderConfig{
			Dialect: r.dialect, SegmentSize: log.Size, History: log.History(), Start: log.Start(),
			Source: log.Files().Source(log.Size),
		}).Next()
		require.NoError(t, err)
		p, err := r.decoder.Decode(rec)
		require.NoError(t, err)
		return r.heap2(p)
	}
	require.NoError(t, insert(2))
	require.Equal(t, "\x00odd", string(r.testTuple(t, 1)[23:]))
	require.Equal(t, "\x00even", string(r.testTuple(t, 2)[23:]))
	require.NotZero(t, r.testPage(t, xlog.MainFork, 9).Flags()&bufpage.AllVisible)
	require.ErrorContains(t, insert(1), "length mismatch")
	require.ErrorIs(t, insert(3), errTuple)
}

// Records that do not fit their page.
func TestHeapRefuses(t *testing.T) {
	t.Parallel()
	tuple, long := plainHeapTuple("x"), plainHeapTuple(strings.Repeat("x", 8192))
	update := rmgr.HeapUpdate{OldOffset: 1, NewOffset: 4, New: tuple}
	with := func(change func(p *rmgr.HeapUpdate)) rmgr.Payload {
		p := update
		change(&p)
		return &p
	}
	frozen := append(rmgr.FreezeTuples{0, 0, 0, 0, 4}, make([]byte, 7)...)
	for name, p := range map[string]rmgr.Payload{
		"no tuple":              &rmgr.HeapInsert{Offset: 4},
		"no offset":             &rmgr.HeapInsert{Offset: 0, Tuple: tuple},
		"offset far away":       &rmgr.HeapInsert{Offset: 5, Tuple: tuple},
		"used offset":           &rmgr.HeapInsert{Offset: 3, Tuple: tuple},
		"long tuple":            &rmgr.HeapInsert{Offset: 4, Tuple: long},
		"delete of nothing":     &rmgr.HeapDelete{Offset: 4},
		"delete of no offset":   &rmgr.HeapDelete{},
		"lock of nothing":       &rmgr.HeapLock{Offset: 65535},
		"lock of a version":     &rmgr.HeapLockUpdated{HeapLock: rmgr.HeapLock{Offset: 4}},
		"confirmed nothing":     &rmgr.HeapConfirm{Offset: 4},
		"in place of nothing":   &rmgr.HeapInplace{Offset: 4},
		"in place of another":   &rmgr.HeapInplace{Offset: 1, Data: []byte("too short")},
		"update of nothing":     with(func(p *rmgr.HeapUpdate) { p.OldOffset = 4 }),
		"update to far away":    with(func(p *rmgr.HeapUpdate) { p.NewOffset = 6 }),
		"update to used":        with(func(p *rmgr.HeapUpdate) { p.NewOffset = 2 }),
		"no new tuple":          with(func(p *rmgr.HeapUpdate) { p.New = rmgr.HeapTuple{} }),
		"header behind tuple":   with(func(p *rmgr.HeapUpdate) { p.New.Hoff = 255 }),
		"long prefix":           with(func(p *rmgr.HeapUpdate) { p.Prefix = 12 }),
		"long suffix":           with(func(p *rmgr.HeapUpdate) { p.Suffix = 36 }),
		"too long together":     with(func(p *rmgr.HeapUpdate) { p.New = long }),
		"vacuum of nothing":     &rmgr.HeapVacuum{HasData: true, Unused: uint16s(4)},
		"vacuum says nothing":   &rmgr.HeapVacuum{NUnused: 1},
		"dead nothing":          &rmgr.HeapPrune{HasData: true, Dead: uint16s(0)},
		"unused nothing":        &rmgr.HeapPrune{HasData: true, Unused: uint16s(65535)},
		"redirected nothing":    &rmgr.HeapPrune{HasData: true, Redirected: rmgr.Redirects(uint16s(4, 1))},
		"redirected to nothing": &rmgr.HeapPrune{HasData: true, Redirected: rmgr.Redirects(uint16s(1, 4))},
		"prune says nothing":    &rmgr.HeapPrune{NDead: 1},
		"freeze says nothing":   &rmgr.HeapFreezePage{N: 1},
		"frozen nothing":        &rmgr.HeapFreezePage{HasData: true, Tuples: frozen},
		"17 says nothing":       &rmgr.HeapPruneFreeze{Flags: rmgr.PruneHasDeadItems},
		"17 dead nothing":       &rmgr.HeapPruneFreeze{HasData: true, Dead: uint16s(4)},
		"negative offset":       &rmgr.HeapRewrite{Offset: -1},
		"other map page":        &rmgr.HeapVisible{Flags: 1},
	} {
		r := heapRedo(t, xlog.Postgres15)
		r.testRecord(705, heapBlock0(0), xlog.BlockRef{ID: 2})
		if name == "other map page" {
			vm := xlog.BlockRef{Rel: testRel, Fork: xlog.VisibilityMapFork, Block: 1}
			r.testRecord(705, vm, xlog.BlockRef{ID: 1, Rel: testRel, Block: 9})
		}
		err := r.heap(p)
		if strings.Contains(err.Error(), "no redo for") {
			err = r.heap2(p)
		}
		require.Error(t, err, name)
	}
}

// Files of mappings are cut to where the record continues them, and go at the next restart point.
func TestHeapRewrite(t *testing.T) {
	t.Parallel()
	r := storedRedo(t, xlog.Postgres15, false)
	dir := r.store.Dir()
	name := filepath.Join(dir.Path, "pg_logical/mappings/map-5-4eb-1_AB-2be-2bf")
	for _, c := range []struct {
		offset int64
		data   string
		want   string
	}{{0, "abc", "abc"}, {3, "defg", "abcdefg"}, {3, "DE", "abcDE"}} {
		r.testRecord(703)
		require.NoError(t, r.heap2(&rmgr.HeapRewrite{
			MappedXID: 702, MappedDatabase: 5, MappedRelation: 1259, Offset: c.offset, StartLSN: 0x1000000AB,
			Mappings: []byte(c.data),
		}))
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir.Path, "pg_replslot/slot"), 0o700))
	require.NoError(t, dir.CheckpointDecoding())
	require.FileExists(t, name)
	require.NoError(t, os.Remove(filepath.Join(dir.Path, "pg_replslot/slot")))
	require.NoError(t, dir.CheckpointDecoding())
	require.NoFileExists(t, name)
}

// A damaged page of a map is an empty one.
func TestDamagedMap(t *testing.T) {
	t.Parallel()
	r := storedRedo(t, xlog.Postgres15, true)
	file := filepath.Join(r.store.Dir().Path, "base/5/16384_fsm")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("damage", 8192/2)), 0o600))
	r.testRecord(0)
	require.NoError(t, r.recordFreeSpace(testRel, 3, 5000))
	page := fsmPage(r.testPage(t, xlog.FSMFork, 2))
	require.Equal(t, uint8(156), page.slot(3))
	require.Equal(t, uint8(156), page.root())
	_, err := r.store.Read(testRel, xlog.FSMFork, 0)
	require.ErrorIs(t, err, bufpage.ErrPage)
}

func TestHeapAllocates(t *testing.T) {
	r := heapRedo(t, xlog.Postgres15)
	insert := &rmgr.HeapInsert{Tuple: plainHeapTuple("more")}
	update := &rmgr.HeapUpdate{OldOffset: 1, New: plainHeapTuple("new"), Prefix: 2}
	record, blocks, body := xlog.Record{}, []xlog.BlockRef{heapBlock0(0)}, xlog.Body{}
	n := uint16(3)
	step := func(p rmgr.Payload) {
		r.store.Begin()
		r.lsn++
		record.End, body.Blocks = r.lsn, blocks
		r.rec, r.body = &record, &body
		require.NoError(t, r.heap(p))
	}
	require.Zero(t, testing.AllocsPerRun(50, func() {
		n++
		insert.Offset = n
		step(insert)
		n++
		update.NewOffset = n
		step(update)
	}))
}
