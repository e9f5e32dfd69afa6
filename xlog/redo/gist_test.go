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

func gistTestPage(d *xlog.Dialect, flags uint16) bufpage.Page {
	page := make(bufpage.Page, d.BlockSize())
	gistInit(page, d.PageLayoutVersion()).setFlags(flags)
	return page
}

// TestGistSplit splits a leaf in three, which completes the split of another page.
func TestGistSplit(t *testing.T) {
	r := storedRedo(t, xlog.Postgres13, false)
	storedPage(t, r, 3, gistTestPage(r.dialect, gistLeaf|gistFollowRight))
	split := &rmgr.GistPageSplit{RightLink: 77, NSN: 0x5_00000009, Leaf: true, MarkFollowRight: true}
	for off := range uint16(3) {
		split.Pages = append(split.Pages, rmgr.IndexTuples(plainTuple(16, off+1)))
	}
	const anew = xlog.BlockWillInit
	r.testRecord(700, mainBlock(0, 3, 0), mainBlock(1, 5, anew), mainBlock(2, 8, anew), mainBlock(3, 9, anew))
	require.NoError(t, r.gist(split))
	for i, block := range []uint32{5, 8, 9} {
		want := gistTestPage(r.dialect, gistLeaf|gistFollowRight)
		o := gistOpaque(want.Special())
		o.setNSN(split.NSN)
		o.setRightLink([]uint32{8, 9, 77}[i])
		if i == 2 {
			o.clearFlags(gistFollowRight)
		}
		require.NoError(t, appendTuples(want, split.Pages[i]))
		want.SetLSN(r.lsn)
		require.Equal(t, want, r.testPage(t, xlog.MainFork, block))
	}
	o := gistOpaque(r.testPage(t, xlog.MainFork, 3).Special())
	require.Equal(t, gistLeaf, o.flags())
	require.Equal(t, r.lsn, bufpage.LSN(o), "the NSN")
}

// TestGistSplitRoot splits a root that is a leaf: it gets a tuple for each new page, and none of them waits for that.
func TestGistSplitRoot(t *testing.T) {
	r := storedRedo(t, xlog.Postgres17, false)
	split := &rmgr.GistPageSplit{RightLink: invalidBlock, Leaf: true, MarkFollowRight: true,
		Pages: make([]rmgr.IndexTuples, 3)}
	const anew = xlog.BlockWillInit
	r.testRecord(700, mainBlock(1, 0, anew), mainBlock(2, 1, anew), mainBlock(3, 2, anew))
	require.NoError(t, r.gist(split))
	for block, link := range []uint32{invalidBlock, 2, invalidBlock} {
		o := gistOpaque(r.testPage(t, xlog.MainFork, uint32(block)).Special())
		require.Equal(t, block != 0, o.flags() == gistLeaf)
		require.Equal(t, link, binary.LittleEndian.Uint32(o[8:]))
	}
}

// TestGistPageDelete deletes a page as the release of PostgreSQL 12 does, and as before it.
func TestGistPageDelete(t *testing.T) {
	for _, full := range []bool{true, false} {
		r := storedRedo(t, xlog.Postgres12, false)
		storedPage(t, r, 4, gistTestPage(r.dialect, gistLeaf))
		parent := gistTestPage(r.dialect, 0)
		require.NoError(t, appendTuples(parent, rmgr.IndexTuples(append(plainTuple(16, 1), plainTuple(16, 2)...))))
		storedPage(t, r, 1, parent)
		r.testRecord(0, mainBlock(0, 4, 0), mainBlock(1, 1, 0))
		require.NoError(t, r.gist(&rmgr.GistPageDelete{Xid: 0x3_00000007, HasEpoch: full, DownlinkOffset: 2}))
		page := r.testPage(t, xlog.MainFork, 4)
		require.Equal(t, gistLeaf|gistDeleted, gistOpaque(page.Special()).flags())
		if full {
			require.Equal(t, uint64(0x3_00000007), binary.LittleEndian.Uint64(page[bufpage.HeaderSize:]))
			require.Equal(t, bufpage.HeaderSize+8, page.Lower())
		} else {
			require.Equal(t, uint32(7), page.PruneXID())
		}
		require.Equal(t, 1, r.testPage(t, xlog.MainFork, 1).MaxOffset())
	}
}

// TestGistEndSplit: what ends a split is not in the image of its left page.
func TestGistEndSplit(t *testing.T) {
	r := storedRedo(t, xlog.Postgres16, false)
	storedPage(t, r, 2, gistTestPage(r.dialect, gistLeaf))
	image := gistTestPage(r.dialect, gistLeaf|gistFollowRight)
	left := mainBlock(1, 3, xlog.BlockHasImage)
	left.Image = xlog.Image{Data: image, Apply: true}
	r.testRecord(700, mainBlock(0, 2, 0), left)
	tuple := rmgr.IndexTuples(plainTuple(16, 1))
	require.NoError(t, r.gist(&rmgr.GistPageUpdate{NInserted: 1, HasData: true, Inserted: tuple}))
	o := gistOpaque(r.testPage(t, xlog.MainFork, 3).Special())
	require.Equal(t, gistLeaf, o.flags())
	require.Equal(t, r.lsn, bufpage.LSN(o))
	require.Equal(t, 1, r.testPage(t, xlog.MainFork, 2).MaxOffset())
	r.testRecord(700, mainBlock(0, 2, 0))
	require.ErrorIs(t, r.gist(&rmgr.GistPageUpdate{NInserted: 1}), errNoData)
}
