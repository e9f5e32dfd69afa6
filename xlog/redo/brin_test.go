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

// brinIndex creates an index and gives its range map its first page.
func brinIndex(t *testing.T, d *xlog.Dialect, create rmgr.BrinCreateIndex, extend rmgr.BrinRevmapExtend) *Redo {
	r := storedRedo(t, d, false)
	r.testRecord(700, mainBlock(0, 0, xlog.BlockWillInit))
	require.NoError(t, r.brin(&create))
	r.testRecord(700, mainBlock(0, 0, 0), mainBlock(1, 1, xlog.BlockWillInit))
	require.NoError(t, r.brin(&extend))
	return r
}

// TestBrinLayouts makes the first pages of an index for every kind of server: where the metapage's data ends, and how
// long the special space is.
func TestBrinLayouts(t *testing.T) {
	for _, c := range []struct {
		d            *xlog.Dialect
		chain        bool
		end, special int
	}{
		{xlog.Postgres12, false, 40, 8}, {xlog.Postgres18, false, 40, 8}, {xlog.Greenplum7Dev, false, 44, 8},
		{xlog.Greenplum7, true, 1580, 16}, {xlog.Greenplum7, false, 44, 8}, {xlog.CloudberryDB, true, 1580, 16},
		{xlog.CloudberryDB, false, 44, 8},
	} {
		r := brinIndex(t, c.d, rmgr.BrinCreateIndex{PagesPerRange: 32, Version: 1},
			rmgr.BrinRevmapExtend{Block: 1, HasChain: c.chain})
		for block, kind := range []uint16{brinMeta, brinMap} {
			page := r.testPage(t, xlog.MainFork, uint32(block))
			require.NoError(t, bufpage.Check(page))
			require.Len(t, page.Special(), c.special, c.d)
			require.Equal(t, kind, binary.LittleEndian.Uint16(page[len(page)-2:]))
			require.Equal(t, r.lsn, page.LSN())
		}
		meta := r.testPage(t, xlog.MainFork, 0)
		require.Equal(t, c.end, meta.Lower(), c.d)
		require.Equal(t, []byte{0xFA, 0x9C, 0x10, 0xA8, 1, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0}, []byte(meta[24:40]))
		require.Zero(t, bytes.Count(meta[c.end:meta.Upper()], []byte{0xFF}))

		r.testRecord(700, mainBlock(0, 2, xlog.BlockWillInit), mainBlock(1, 1, 0))
		insert := &rmgr.BrinInsert{HeapBlock: 64, PagesPerRange: 32, Offset: 1, Init: true, Tuple: make([]byte, 24)}
		require.NoError(t, r.brin(insert))
		require.Len(t, r.testPage(t, xlog.MainFork, 2).Special(), c.special)
		require.Equal(t, []byte{0, 0, 2, 0, 1, 0}, []byte(r.testPage(t, xlog.MainFork, 1)[24+2*6:][:6]))
	}
}

// TestBrinChains links the pages of the range map of an append-optimized table.
func TestBrinChains(t *testing.T) {
	r := brinIndex(t, xlog.Greenplum7, rmgr.BrinCreateIndex{PagesPerRange: 1, Version: 1, AppendOptimized: true},
		rmgr.BrinRevmapExtend{Block: 1, HasChain: true, AppendOptimized: true, BlockSequence: 127, LogicalPage: 5})
	r.testRecord(700, mainBlock(0, 0, 0), mainBlock(1, 3, xlog.BlockWillInit), mainBlock(2, 1, 0))
	extend := &rmgr.BrinRevmapExtend{Block: 3, HasChain: true, AppendOptimized: true, BlockSequence: 127, LogicalPage: 6}
	require.NoError(t, r.brin(extend))
	meta := r.testPage(t, xlog.MainFork, 0)
	require.Equal(t, []byte{1, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0}, []byte(meta[meta.Lower()-12:meta.Lower()]))
	require.Zero(t, binary.LittleEndian.Uint32(meta[brinMetaLast:]))
	require.Equal(t, []byte{5, 0, 0, 0, 3, 0, 0, 0}, r.testPage(t, xlog.MainFork, 1).Special()[:8])
	require.Equal(t, []byte{6, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}, r.testPage(t, xlog.MainFork, 3).Special()[:8])
	for _, sequence := range []int32{-1, 128} {
		r.testRecord(700, mainBlock(0, 0, 0), mainBlock(1, 4, xlog.BlockWillInit))
		extend.BlockSequence = sequence
		require.Error(t, r.brin(extend))
	}
}

// TestBrinUpper has the level above the range map, of older servers, point to a new page of that.
func TestBrinUpper(t *testing.T) {
	r := storedRedo(t, xlog.Greenplum7Dev, false)
	r.testRecord(700, mainBlock(0, 0, xlog.BlockWillInit))
	require.NoError(t, r.brin(&rmgr.BrinCreateIndex{PagesPerRange: 1, Version: 1, AppendOptimized: true}))
	r.testRecord(700, mainBlock(0, 0, 0), mainBlock(1, 1, xlog.BlockWillInit))
	require.NoError(t, r.brin(&rmgr.BrinRevmapInitUpper{Block: 1}))
	r.testRecord(700, mainBlock(0, 0, 0), mainBlock(1, 2, xlog.BlockWillInit))
	require.NoError(t, r.brin(&rmgr.BrinRevmapExtend{Block: 2}))
	r.testRecord(700, mainBlock(0, 1, 0))
	const ranges = (32768 - 24 - 8) / 6
	require.NoError(t, r.brin(&rmgr.BrinRevmapExtendUpper{HeapBlock: 3 * ranges, PagesPerRange: 1}))
	page := r.testPage(t, xlog.MainFork, 1)
	require.Equal(t, uint32(2), binary.LittleEndian.Uint32(page[24+4*3:]))
	require.Equal(t, brinUpper, binary.LittleEndian.Uint16(page[len(page)-2:]))
}

// TestBrinDesummarize removes a summary, named by its range or by its place on the page of the map.
func TestBrinDesummarize(t *testing.T) {
	for _, byPlace := range []int32{-1, 5} {
		r := brinIndex(t, xlog.Postgres16, rmgr.BrinCreateIndex{PagesPerRange: 10, Version: 1},
			rmgr.BrinRevmapExtend{Block: 1})
		r.testRecord(700, mainBlock(0, 2, xlog.BlockWillInit), mainBlock(1, 1, 0))
		insert := &rmgr.BrinInsert{HeapBlock: 50, PagesPerRange: 10, Offset: 1, Init: true, Tuple: make([]byte, 24)}
		require.NoError(t, r.brin(insert))
		r.testRecord(700, mainBlock(0, 1, 0), mainBlock(1, 2, 0))
		remove := &rmgr.BrinDesummarize{PagesPerRange: 10, HeapBlock: 50, Offset: 1, MapIndex: byPlace}
		require.NoError(t, r.brin(remove))
		require.Equal(t, []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0}, []byte(r.testPage(t, xlog.MainFork, 1)[24+5*6:][:6]))
		require.Zero(t, r.testPage(t, xlog.MainFork, 2).MaxOffset())
		r.testRecord(700, mainBlock(0, 1, 0), mainBlock(1, 2, 0))
		require.Error(t, r.brin(remove))
	}
}
