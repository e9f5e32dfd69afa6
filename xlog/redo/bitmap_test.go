// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// bitmapLOVPage is a LOV page of n items.
func bitmapLOVPage(t testing.TB, n int) bufpage.Page {
	page := make(bufpage.Page, xlog.Greenplum7.BlockSize())
	page.Init(0, xlog.Greenplum7.PageLayoutVersion())
	for i := range n {
		_, err := page.AddItem(bytes.Repeat([]byte{byte(i + 1)}, bitmapLOVSize), i+1, false, false)
		require.NoError(t, err)
	}
	return page
}

func TestBitmapMeta(t *testing.T) {
	r := storedRedo(t, xlog.Greenplum7Dev, false)
	storedPage(t, r, 0, bytes.Repeat([]byte{0xEE}, r.dialect.BlockSize()))
	r.testRecord(700)
	require.NoError(t, r.bitmap(&rmgr.BitmapInsertMeta{Relation: testRel, LOVHeap: 5, LOVIndex: 6, LOVLastPage: 7}))
	want := make(bufpage.Page, r.dialect.BlockSize())
	want.Init(0, 14)
	copy(want[24:], []byte{0x4D, 0x54, 0x49, 0x42, 2, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0})
	want.SetLSN(r.lsn)
	require.Equal(t, want, r.testPage(t, xlog.MainFork, 0))
}

// TestBitmapLOVItem adds values. One whose place is not the next is left out, one whose place is taken is an error.
func TestBitmapLOVItem(t *testing.T) {
	r := storedRedo(t, xlog.Greenplum7, false)
	storedPage(t, r, 0, bitmapLOVPage(t, 0))
	storedPage(t, r, 1, bitmapLOVPage(t, 2))
	insert := &rmgr.BitmapInsertLOVItem{Block: 9, Raw: bytes.Repeat([]byte{3}, bitmapLOVSize), NewPage: true}
	redo := func(off uint16) error {
		r.testRecord(700, mainBlock(0, 1, 0), mainBlock(1, 0, 0))
		insert.Offset = off
		return r.bitmap(insert)
	}
	require.NoError(t, redo(4))
	require.Equal(t, bitmapLOVPage(t, 2), r.testPage(t, xlog.MainFork, 1))
	require.Equal(t, bitmapLOVPage(t, 0), r.testPage(t, xlog.MainFork, 0), "nor is the metapage changed")
	require.NoError(t, redo(3))
	want := bitmapLOVPage(t, 3)
	want.SetLSN(r.lsn)
	require.Equal(t, want, r.testPage(t, xlog.MainFork, 1))
	require.Equal(t, uint32(9), binary.LittleEndian.Uint32(r.testPage(t, xlog.MainFork, 0)[40:]))
	require.Error(t, redo(3))
}

// TestBitmapWords writes words to two pages, of which the first has its image in the record; and the last words to
// an item that is there, and to one that is not.
func TestBitmapWords(t *testing.T) {
	r := storedRedo(t, xlog.Greenplum7, false)
	page := make(bufpage.Page, r.dialect.BlockSize())
	page.Init(bitmapOpaqueSize, 14)
	storedPage(t, r, 1, bitmapLOVPage(t, 2))
	storedPage(t, r, 6, page)
	data := make([]byte, 24, 48)
	binary.LittleEndian.PutUint32(data, 6)
	binary.LittleEndian.PutUint64(data[8:], 640)
	copy(data[16:], []byte{1, 0, 1, 0, 64, 0, 1, 0})
	data = append(append(data, bytes.Repeat([]byte{0xAA}, 8)...), bytes.Repeat([]byte{0xBB}, 8)...)
	first, second := mainBlock(1, 5, xlog.BlockHasImage), mainBlock(2, 6, 0)
	first.Image, second.Data = xlog.Image{Data: page, Apply: true}, data
	r.testRecord(700, mainBlock(0, 1, 0), first, second)
	words := &rmgr.BitmapInsertWords{NumPages: 2, InitFirstPage: true, Offset: 2, Item: rmgr.BitmapLOVItem{
		LastCompWord: 0x11, LastWord: 0x22, LastSetBit: 700, WordsHeader: 3}}
	require.NoError(t, r.bitmap(words))

	_, headers := r.dialect.BitmapWords()
	got := r.testPage(t, xlog.MainFork, 6)
	require.Equal(t, data[24:32], []byte(got[24+8:][:8]))
	require.Equal(t, data[32:40], []byte(got[24+8*headers+8*64:][:8]))
	require.Equal(t, []byte{65, 0, 0, 0, 0, 0, 0, 0, 0x80, 2, 0, 0, 0, 0, 0, 0}, got.Special())
	item := r.testPage(t, xlog.MainFork, 1).Item(2)
	require.Equal(t, []byte{5, 0, 0, 0, 6, 0, 0, 0, 0x11}, item[:9], "head and tail")
	require.Equal(t, uint64(640), binary.LittleEndian.Uint64(item[24:]), "last tid: the word's begin")
	require.Equal(t, []byte{3, 2, 2}, item[40:43], "the pad stays")

	before := r.testPage(t, xlog.MainFork, 1)
	r.testRecord(700, mainBlock(0, 1, 0))
	require.NoError(t, r.bitmap(&rmgr.BitmapInsertLastWords{Offset: 3}))
	require.Equal(t, before, r.testPage(t, xlog.MainFork, 1))
	binary.LittleEndian.PutUint16(data[20:], 0xFFFF)
	r.testRecord(700, mainBlock(0, 1, 0), mainBlock(1, 5, 0), second)
	require.Error(t, r.bitmap(words), "words behind the page")
}
