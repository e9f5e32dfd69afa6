// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// pointers are item pointers of block 7, with these offsets.
func pointers(offsets ...uint16) (list []byte) {
	for _, off := range offsets {
		list = append(list, 0, 0, 7, 0)
		list = binary.LittleEndian.AppendUint16(list, off)
	}
	return list
}

// plainTuple is an index tuple of size bytes, the item pointer included.
func plainTuple(size int, off uint16) bufpage.IndexTuple {
	t := bufpage.IndexTuple(append(pointers(off), make([]byte, size-itemPointerSize)...))
	t[size-1] = 0xAB
	t.SetInfo(uint16(size) | bufpage.IndexVarWidth)
	return t
}

func postingTuple(t *testing.T, keySize int, offsets ...uint16) bufpage.IndexTuple {
	var s scratch
	tuple, err := s.formPosting(plainTuple(keySize, 0), keySize, pointers(offsets...))
	require.NoError(t, err)
	return tuple
}

func uint16s(values ...uint16) (a rmgr.Uint16s) {
	for _, v := range values {
		a = binary.LittleEndian.AppendUint16(a, v)
	}
	return a
}

// btreePage is a leaf page, the only one of an index.
func btreePage(t testing.TB, d *xlog.Dialect, items ...bufpage.IndexTuple) bufpage.Page {
	page := make(bufpage.Page, d.BlockSize())
	page.Init(btreeOpaqueSize, d.PageLayoutVersion())
	btreeOpaque(page.Special()).setFlags(btreeLeaf | btreeRoot | btreeHasGarbage)
	for _, item := range items {
		require.NoError(t, appendItem(page, item))
	}
	return page
}

func testRedo(d *xlog.Dialect) *Redo { return &Redo{dialect: d, layout: d.PageLayoutVersion()} }

func TestBtreeSwapPosting(t *testing.T) {
	posting, tuple := postingTuple(t, 16, 1, 2, 4, 5), plainTuple(16, 3)
	require.NoError(t, swapPosting(tuple, posting, 2))
	require.Equal(t, postingTuple(t, 16, 1, 2, 3, 4), posting)
	require.Equal(t, plainTuple(16, 5), tuple)
	for _, at := range []int{0, 4, 65535} {
		require.Error(t, swapPosting(tuple, posting, at))
	}
	require.Error(t, swapPosting(tuple, plainTuple(16, 1), 1))
	posting.SetTID(bufpage.TID{Block: 24, Offset: posting.TID().Offset})
	require.ErrorIs(t, swapPosting(tuple, posting, 1), bufpage.ErrItem, "a list that reaches behind the tuple")
}

func TestBtreeShortenPosting(t *testing.T) {
	var s scratch
	for _, c := range []struct {
		deleted rmgr.Uint16s
		want    bufpage.IndexTuple
	}{
		{uint16s(0, 3), postingTuple(t, 16, 2, 3)},
		{uint16s(1), postingTuple(t, 16, 1, 3, 4)},
		{uint16s(0, 1, 2), plainTuple(16, 4)},
	} {
		got, err := s.shortenPosting(postingTuple(t, 16, 1, 2, 3, 4), c.deleted)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	for _, deleted := range []rmgr.Uint16s{uint16s(4), uint16s(2, 1), uint16s(0, 1, 2, 3)} {
		_, err := s.shortenPosting(postingTuple(t, 16, 1, 2, 3, 4), deleted)
		require.ErrorIs(t, err, bufpage.ErrItem)
	}
}

func TestBtreeDedup(t *testing.T) {
	d := xlog.Postgres18
	page := btreePage(t, d, plainTuple(16, 1), plainTuple(16, 2), postingTuple(t, 16, 3, 4), plainTuple(24, 5),
		plainTuple(16, 6), plainTuple(16, 7))
	intervals := rmgr.DedupIntervals(uint16s(1, 3, 5, 2))
	require.NoError(t, testRedo(d).btreeDedup(page, &rmgr.BtreeDedup{HasData: true, Intervals: intervals}))
	want := btreePage(t, d, postingTuple(t, 16, 1, 2, 3, 4), plainTuple(24, 5), postingTuple(t, 16, 6, 7))
	btreeOpaque(want.Special()).clearFlags(btreeHasGarbage)
	require.Equal(t, want, page)

	wrong := rmgr.DedupIntervals(uint16s(2, 1))
	require.Error(t, testRedo(d).btreeDedup(page, &rmgr.BtreeDedup{HasData: true, Intervals: wrong}))
}

// TestBtreeLeftHalf splits a page in the middle of a posting list.
func TestBtreeLeftHalf(t *testing.T) {
	d := xlog.Postgres16
	page := btreePage(t, d, plainTuple(16, 1), postingTuple(t, 16, 2, 4, 5), plainTuple(16, 9))
	split := &rmgr.BtreeSplit{HasData: true, NewItemLeft: true, NewItemOffset: 3, FirstRight: 3, Posting: 1,
		NewItem: plainTuple(16, 3), HighKey: plainTuple(8, 9)}
	require.NoError(t, testRedo(d).btreeLeftHalf(page, split, 77))
	want := btreePage(t, d, plainTuple(8, 9), plainTuple(16, 1), postingTuple(t, 16, 2, 3, 4), plainTuple(16, 5))
	o := btreeOpaque(want.Special())
	o.setFlags(btreeLeaf | btreeIncompleteSplit)
	o.setNext(77)
	require.Equal(t, want, page)
}

func TestBtreeRestorePage(t *testing.T) {
	d := xlog.Postgres12
	want := btreePage(t, d, plainTuple(16, 1), plainTuple(40, 2), plainTuple(8, 3))
	page := btreePage(t, d)
	require.NoError(t, restoreBtreePage(page, rmgr.IndexTuples(want[want.Upper():want.SpecialOffset()])))
	require.Equal(t, want, page)

	many := make([]byte, 0, len(page))
	for len(many) < len(page)-100 {
		many = append(many, plainTuple(8, 1)...)
	}
	require.ErrorIs(t, restoreBtreePage(btreePage(t, d), many), bufpage.ErrItem)
}

// FuzzBtreePages changes pages that hold anything.
func FuzzBtreePages(f *testing.F) {
	d := xlog.Postgres18
	f.Add([]byte(btreePage(f, d, plainTuple(16, 1), plainTuple(16, 2))), []byte(plainTuple(16, 3)), uint16(1), uint16(2))
	f.Fuzz(func(t *testing.T, content, data []byte, a, b uint16) {
		if len(data) < indexTupleHeader {
			return
		}
		r := testRedo(d)
		fresh := func() bufpage.Page {
			page := make(bufpage.Page, d.BlockSize())
			copy(page, content)
			return page
		}
		deletion := rmgr.BtreeDeletion{HasData: true, Deleted: uint16s(a, b)}
		_ = r.btreeAdd(fresh(), &rmgr.BtreeInsert{HasData: true, Offset: a, Post: true, Posting: b, Tuple: data})
		_ = r.btreeAdd(fresh(), &rmgr.BtreeInsert{HasData: true, Offset: a, Tuple: data})
		_ = r.btreeLeftHalf(fresh(), &rmgr.BtreeSplit{HasData: true, NewItemLeft: true, NewItemOffset: a, FirstRight: b,
			NewItem: data, HighKey: data}, 9)
		_ = r.btreeLeftHalf(fresh(), &rmgr.BtreeSplit{HasData: true, NewItemOffset: a, FirstRight: b, Posting: 1,
			NewItem: data, HighKey: data}, 9)
		_ = r.btreeDedup(fresh(), &rmgr.BtreeDedup{HasData: true, Intervals: rmgr.DedupIntervals(uint16s(a, b))})
		_ = r.btreeDelete(fresh(), &deletion)
		_ = r.btreeShorten(fresh(), rmgr.BtreeUpdate{Offset: a, Deleted: uint16s(b)})
		_ = dropDownlink(fresh(), int(a))
	})
}

// storedPage puts a page into the store, as block.
func storedPage(t testing.TB, r *Redo, block uint32, page bufpage.Page) {
	buf, err := r.store.Zero(testRel, xlog.MainFork, block)
	require.NoError(t, err)
	copy(buf.Page, page)
	buf.MarkDirty()
}

// mainBlock is a reference to a block of testRel.
func mainBlock(id uint8, block uint32, flags uint8) xlog.BlockRef {
	return xlog.BlockRef{ID: id, Rel: testRel, Block: block, Flags: flags}
}

// TestBtreeVacuumCycle has pages of a split that happened during the vacuum.
func TestBtreeVacuumCycle(t *testing.T) {
	for d, want := range map[*xlog.Dialect]uint16{xlog.Postgres17: 9, xlog.Postgres18: 0} {
		page := btreePage(t, d, plainTuple(16, 1), plainTuple(16, 2))
		btreeOpaque(page.Special()).setCycleID(9)
		vacuum := &rmgr.BtreeVacuum{BtreeDeletion: rmgr.BtreeDeletion{HasData: true, Deleted: uint16s(1)}}
		require.NoError(t, testRedo(d).btreeVacuum(page, vacuum))
		require.Equal(t, want, binary.LittleEndian.Uint16(page.Special()[14:]), "PostgreSQL %d", d.Base())
		require.Equal(t, btreeLeaf|btreeRoot, btreeOpaque(page.Special()).flags())
		require.Equal(t, 1, page.MaxOffset())
	}
}

// TestBtreeDeletedPage compares deleted pages with what PostgreSQL 13 and 14 leave.
func TestBtreeDeletedPage(t *testing.T) {
	for _, c := range []struct {
		dialect *xlog.Dialect
		lower   int
		opaque  []byte
	}{
		{xlog.Postgres13, 24, []byte{3, 0, 0, 0, 4, 0, 0, 0, 0x2C, 1, 0, 0, 4, 0, 0, 0}},
		{xlog.Postgres14, 32, []byte{3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0}},
	} {
		r := storedRedo(t, c.dialect, false)
		for block := range uint32(6) {
			storedPage(t, r, block, btreePage(t, c.dialect))
		}
		r.testRecord(0, mainBlock(0, 5, xlog.BlockWillInit), mainBlock(1, 3, 0), mainBlock(2, 4, 0))
		require.NoError(t, r.btree(&rmgr.BtreeUnlinkPage{Left: 3, Right: 4, SafeXid: 300}))
		page := r.testPage(t, xlog.MainFork, 5)
		require.Equal(t, c.opaque, page.Special())
		require.Equal(t, c.lower, page.Lower())
		require.Equal(t, uint32(4), btreeOpaque(r.testPage(t, xlog.MainFork, 3).Special()).next())
	}
}

func TestBtreeInsertAllocates(t *testing.T) {
	d := xlog.Postgres15
	r := storedRedo(t, d, false)
	storedPage(t, r, 0, btreePage(t, d, postingTuple(t, 16, 1, 200, 300, 400)))
	plain := &rmgr.BtreeInsert{Leaf: true, HasData: true, Offset: 1, Tuple: plainTuple(16, 7)}
	post := &rmgr.BtreeInsert{Post: true, HasData: true, Offset: 3, Posting: 1, Tuple: plainTuple(16, 8)}
	dedup := &rmgr.BtreeDedup{HasData: true, Intervals: rmgr.DedupIntervals(uint16s(1, 2))}
	r.testRecord(0, mainBlock(0, 0, 0))
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for _, p := range []rmgr.Payload{plain, post, dedup} {
			r.store.Begin()
			r.lsn++
			if err := r.btree(p); err != nil {
				t.Fatal(err)
			}
		}
	}))
}
