// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// ginNumbers are n items in ascending order.
func ginNumbers(n int) (items []uint64) {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	for v := uint64(1); len(items) < n; v += 1 + rnd.Uint64()>>(20+rnd.IntN(44)) {
		items = append(items, v)
	}
	return items
}

func ginListOf(t testing.TB, items ...uint64) []byte {
	list, err := appendGinPosting(nil, items)
	require.NoError(t, err)
	return list
}

// ginPointers are item pointers as a record has them.
func ginPointers(items ...uint64) (list rmgr.ItemPointers) {
	for _, v := range items {
		var b [itemPointerSize]byte
		bufpage.TID{Block: uint32(v >> ginOffsetBits), Offset: uint16(v & (1<<ginOffsetBits - 1))}.Put(b[:])
		list = append(list, b[:]...)
	}
	return list
}

func TestGinPosting(t *testing.T) {
	require.Equal(t, []byte{0, 0, 0, 0, 5, 0, 3, 0, 1, 0x82, 1, 0}, ginListOf(t, 5, 6, 6+130), "the pad as well")
	for _, n := range []int{1, 2, 3, 1000} {
		items := ginNumbers(n)
		list := ginListOf(t, items...)
		cut, rest, err := nextGinPosting(append(list, 0xFF))
		require.NoError(t, err)
		require.Equal(t, list, cut)
		require.Equal(t, []byte{0xFF}, rest)
		got, err := appendGinItems(nil, list)
		require.NoError(t, err)
		require.Equal(t, items, got)
	}
	_, err := appendGinPosting(nil, []uint64{5, 5})
	require.ErrorIs(t, err, errPosting)
	_, err = appendGinItems(nil, []byte{0, 0, 0, 0, 5, 0, 1, 0, 0x80, 0})
	require.ErrorIs(t, err, errPosting, "a distance without end")
	_, err = appendGinItems(nil, []byte{0, 0, 0, 0, 5, 0x80, 0, 0})
	require.ErrorIs(t, err, errPosting, "an offset of more than 11 bits")
}

func TestGinMerge(t *testing.T) {
	for _, c := range []struct{ a, b, want []uint64 }{
		{[]uint64{1, 5}, []uint64{7, 8}, []uint64{1, 5, 7, 8}},
		{[]uint64{7, 8}, []uint64{1, 5}, []uint64{1, 5, 7, 8}},
		{[]uint64{1, 5, 9}, []uint64{2, 5, 6, 11}, []uint64{1, 2, 5, 6, 9, 11}},
		{[]uint64{3}, nil, []uint64{3}},
	} {
		_, merged, err := mergeGinItems(slices.Clone(c.a), ginPointers(c.b...))
		require.NoError(t, err)
		require.Equal(t, c.want, merged)
	}
}

// ginLeafPage is a leaf of a posting tree.
func ginLeafPage(t testing.TB, segments ...[]byte) bufpage.Page {
	d := xlog.Postgres16
	page := make(bufpage.Page, d.BlockSize())
	ginInit(page, ginData|ginLeaf|ginCompressed, d.PageLayoutVersion())
	require.NoError(t, setGinLeaf(page, bytes.Join(segments, nil)))
	return page
}

// ginActions has a payload decoded from the data of a block.
func ginActions(t testing.TB, r *Redo, data []byte) rmgr.GinRecompress {
	p := decodeRecord(t, r, rmgr.Gin, 0x90, nil, xlog.BlockRef{Rel: testRel, Data: data})
	return p.(*rmgr.GinVacuumDataLeafPage).Recompress
}

// TestGinRecompress makes every change of a segment at once. What was behind the segments stays on the page.
func TestGinRecompress(t *testing.T) {
	r := storedRedo(t, xlog.Postgres16, false)
	a, b, c, d := ginListOf(t, 1, 2, 3), ginListOf(t, 10, 12), ginListOf(t, 20, 40), ginListOf(t, 50, 600, 70000, 80000)
	page := ginLeafPage(t, a, b, c, d)
	inserted, replaced := ginListOf(t, 5), ginListOf(t, 41, 42)
	actions := slices.Concat([]byte{4, 0}, []byte{1, rmgr.GinSegmentInsert}, inserted,
		[]byte{1, rmgr.GinSegmentAddItems, 1, 0}, ginPointers(11), []byte{2, rmgr.GinSegmentReplace}, replaced,
		[]byte{3, rmgr.GinSegmentDelete})
	require.NoError(t, r.scratch.ginRecompress(page, ginActions(t, r, actions)))
	want := ginLeafPage(t, a, b, c, d)
	require.NoError(t, setGinLeaf(want, slices.Concat(a, inserted, ginListOf(t, 10, 11, 12), replaced)))
	require.Equal(t, want, page)
	require.NotZero(t, binary.LittleEndian.Uint64(page[page.Lower():]), "what was there")

	for _, bad := range [][]byte{
		{1, 0, 9, rmgr.GinSegmentDelete},
		{2, 0, 1, rmgr.GinSegmentDelete, 0, rmgr.GinSegmentDelete},
		slices.Concat([]byte{1, 0, 4, rmgr.GinSegmentAddItems, 1, 0}, ginPointers(11)),
	} {
		page := ginLeafPage(t, a, b, c, d)
		require.Error(t, r.scratch.ginRecompress(page, ginActions(t, r, bad)))
	}
}

// TestGinOldLeaf changes a leaf from before 9.4.
func TestGinOldLeaf(t *testing.T) {
	r := storedRedo(t, xlog.Postgres12, false)
	page := ginLeafPage(t)
	o := ginOpaque(page.Special())
	o.setFlags(ginData | ginLeaf)
	o.setMaxOff(3)
	copy(page[ginDataStart:], ginPointers(4, 8, 20))
	page.SetLower(bufpage.HeaderSize)
	actions := slices.Concat([]byte{1, 0, 0, rmgr.GinSegmentAddItems, 1, 0}, ginPointers(9))
	require.NoError(t, r.scratch.ginRecompress(page, ginActions(t, r, actions)))
	want := ginLeafPage(t)
	copy(want[ginDataStart:], ginPointers(4, 8, 20))
	require.NoError(t, setGinLeaf(want, ginListOf(t, 4, 8, 9, 20)))
	require.Equal(t, want, page)
}

func TestGinPostingItems(t *testing.T) {
	page := ginLeafPage(t)
	o := ginOpaque(page.Special())
	o.setFlags(ginData)
	o.setMaxOff(1)
	copy(page[ginDataStart:], []byte{0, 0, 3, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}) // the right bound: to block 3
	p := &rmgr.GinInsert{Offset: 1, Child: 3, Key: rmgr.ItemPointer{Block: 70, Offset: 7}, RightChild: 4}
	require.NoError(t, ginInsertPostingItem(page, p))
	items := []byte{0, 0, 3, 0, 0, 0, 70, 0, 7, 0, 0, 0, 4, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	require.Equal(t, items, []byte(page[ginDataStart:page.Lower()]))
	p.Offset = 3
	require.Error(t, ginInsertPostingItem(page, p))
	require.NoError(t, ginDeletePostingItem(page, 1))
	require.Equal(t, items[10:], []byte(page[ginDataStart:page.Lower()]))
	require.Equal(t, 1, o.maxOff())
	require.Error(t, ginDeletePostingItem(page, 2))
	o.setMaxOff(0xFFFF)
	require.Error(t, ginDeletePostingItem(page, 1))
}

// TestGinPendingList makes a page of the pending list, adds a row, and frees the page.
func TestGinPendingList(t *testing.T) {
	r := storedRedo(t, xlog.Postgres14, false)
	r.testRecord(700, mainBlock(0, 2, xlog.BlockWillInit))
	tuples := rmgr.IndexTuples(append(plainTuple(16, 1), plainTuple(24, 1)...))
	require.NoError(t, r.gin(&rmgr.GinInsertListPage{RightLink: invalidBlock, Tuples: tuples}))
	meta := rmgr.GinMetadata{Raw: bytes.Repeat([]byte{7}, 56)}
	r.testRecord(700, mainBlock(0, 0, xlog.BlockWillInit), mainBlock(1, 2, 0))
	more := rmgr.IndexTuples(plainTuple(16, 2))
	require.NoError(t, r.gin(&rmgr.GinUpdateMeta{Metadata: meta, NTuples: 1, HasData: true, Tuples: more}))
	page := r.testPage(t, xlog.MainFork, 2)
	require.Equal(t, 3, page.MaxOffset())
	o := ginOpaque(page.Special())
	require.Equal(t, ginList|ginListFullRow, o.flags())
	require.Equal(t, 2, o.maxOff())
	require.Equal(t, meta.Raw, []byte(r.testPage(t, xlog.MainFork, 0)[bufpage.HeaderSize:][:56]))

	r.testRecord(700, mainBlock(0, 0, xlog.BlockWillInit), mainBlock(1, 2, xlog.BlockWillInit))
	require.NoError(t, r.gin(&rmgr.GinDeleteListPages{Metadata: meta, NDeleted: 1}))
	page = r.testPage(t, xlog.MainFork, 2)
	require.Equal(t, ginDeleted, ginOpaque(page.Special()).flags())
	require.Equal(t, r.lsn, page.LSN())
	require.Error(t, r.gin(&rmgr.GinDeleteListPages{Metadata: meta, NDeleted: 2}))
	require.Equal(t, invalidBlock, binary.LittleEndian.Uint32(page.Special()))
}
