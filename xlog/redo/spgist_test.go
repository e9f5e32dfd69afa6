// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// spgistInner is an inner tuple with a prefix of 8 bytes and n nodes of 8 or 16 bytes each.
func spgistInner(n int) []byte {
	t := make([]byte, spgistInnerHeader+8)
	for i := range n {
		size := 8 + 8*(i%2)
		node := make([]byte, size)
		bufpage.TID{Block: invalidBlock}.Put(node)
		binary.LittleEndian.PutUint16(node[6:], uint16(size))
		t = append(t, node...)
	}
	binary.LittleEndian.PutUint32(t, uint32(n)<<3|8<<16)
	binary.LittleEndian.PutUint16(t[4:], uint16(len(t)))
	return t
}

// spgistLeaf is a leaf tuple of n bytes, whose flags are set.
func spgistLeaf(n int, next uint16) []byte {
	t := make([]byte, n)
	binary.LittleEndian.PutUint32(t, uint32(n)<<2)
	binary.LittleEndian.PutUint16(t[4:], next|0x8000)
	return t
}

// spgistTestPage is an SP-GiST page of some tuples.
func spgistTestPage(t testing.TB, d *xlog.Dialect, flags uint16, tuples ...[]byte) bufpage.Page {
	page := make(bufpage.Page, d.BlockSize())
	spgistInit(page, flags, d.PageLayoutVersion())
	for i, tuple := range tuples {
		require.NoError(t, spgistPut(page, tuple, uint16(i+1)))
	}
	return page
}

func TestSPGistLink(t *testing.T) {
	page := spgistTestPage(t, xlog.Postgres15, 0, spgistInner(3))
	require.NoError(t, spgistLink(page, 1, 2, 70000, 5))
	item := page.Item(1)
	require.Equal(t, []byte{1, 0, 0x70, 0x11, 5, 0}, item[spgistInnerHeader+8+24:][:6])
	require.Error(t, spgistLink(page, 1, 3, 1, 1))
	require.Error(t, spgistLink(page, 2, 0, 1, 1))
	binary.LittleEndian.PutUint32(item, 0xFFFFFFFF) // a prefix and nodes that reach anywhere
	require.Error(t, spgistLink(page, 1, 0, 1, 1))
}

// TestSPGistChain adds a tuple to a chain; its first tuple keeps its flags.
func TestSPGistChain(t *testing.T) {
	page := spgistTestPage(t, xlog.Postgres15, spgistLeafPage, spgistLeaf(16, 0))
	p := &rmgr.SPGistAddLeaf{Offset: 2, HeadOffset: 1, Leaf: spgistLeaf(24, 0)}
	require.NoError(t, spgistAddToChain(page, p))
	require.Equal(t, spgistTestPage(t, xlog.Postgres15, spgistLeafPage, spgistLeaf(16, 2), spgistLeaf(24, 0)), page)
	require.ErrorContains(t, spgistAddToChain(page, p), "not a placeholder")
	p.Offset = 4
	require.ErrorIs(t, spgistAddToChain(page, p), bufpage.ErrItem)
}

// TestSPGistMove moves a chain to a new page: a redirection stays, or a placeholder while the index is built.
func TestSPGistMove(t *testing.T) {
	for _, build := range []bool{false, true} {
		r := storedRedo(t, xlog.Postgres14, false)
		source := spgistTestPage(t, r.dialect, spgistLeafPage, spgistLeaf(16, 0), spgistLeaf(32, 3), spgistLeaf(24, 0))
		storedPage(t, r, 3, source)
		storedPage(t, r, 1, spgistTestPage(t, r.dialect, 0, spgistInner(2)))
		r.testRecord(700, mainBlock(0, 3, 0), mainBlock(1, 4, xlog.BlockWillInit), mainBlock(2, 1, 0))
		require.NoError(t, r.spgist(&rmgr.SPGistMoveLeafs{
			NewPage: true, StoresNulls: true, ParentOffset: 1, Node: 1,
			State:   rmgr.SPGistState{RedirectXid: 700, IsBuild: build},
			Deleted: uint16s(3, 2), Inserted: uint16s(1, 2, 3),
			Leafs: slices.Concat(spgistLeaf(24, 0), spgistLeaf(32, 1), spgistLeaf(16, 2)),
		}))
		dest := spgistTestPage(t, r.dialect, spgistLeafPage|spgistNulls,
			spgistLeaf(24, 0), spgistLeaf(32, 1), spgistLeaf(16, 2))
		dest.SetLSN(r.lsn)
		require.Equal(t, dest, r.testPage(t, xlog.MainFork, 4))
		left := r.testPage(t, xlog.MainFork, 3)
		first, counts := spgistDeadTuple(spgistRedirect, 4, 3, 700), []byte{1, 0, 1, 0}
		if build {
			first, counts = spgistDeadTuple(spgistPlaceholder, 4, 3, 700), []byte{0, 0, 2, 0}
		}
		rest := spgistDeadTuple(spgistPlaceholder, 0, 0, 0)
		require.Equal(t, first[:], left.Item(3), "the first that was named")
		require.Equal(t, rest[:], left.Item(2))
		require.Equal(t, counts, left.Special()[2:6])
		require.Equal(t, []byte{0, 0, 4, 0, 3, 0}, r.testPage(t, xlog.MainFork, 1).Item(1)[spgistInnerHeader+16:][:6])
	}
}

func TestSPGistVacuumRedirect(t *testing.T) {
	r := storedRedo(t, xlog.Postgres18, false)
	redirect, free := spgistDeadTuple(spgistRedirect, 9, 1, 600), spgistDeadTuple(spgistPlaceholder, 0, 0, 0)
	page := spgistTestPage(t, r.dialect, spgistLeafPage, redirect[:], spgistLeaf(16, 0), redirect[:], free[:])
	o := spgistOpaque(page.Special())
	o.addRedirections(2)
	o.addPlaceholders(1)
	storedPage(t, r, 3, page)
	r.testRecord(0, mainBlock(0, 3, 0))
	require.NoError(t, r.spgist(&rmgr.SPGistVacuumRedirect{FirstPlaceholder: 3, Redirections: uint16s(1, 3)}))
	page = r.testPage(t, xlog.MainFork, 3)
	require.Equal(t, 2, page.MaxOffset())
	require.Equal(t, []byte{0, 0, 1, 0}, page.Special()[2:6])
	require.Equal(t, spgistPlaceholder, spgistState(page.Item(1)))
	require.Equal(t, uint32(600), binary.LittleEndian.Uint32(page.Item(1)[12:]), "the transaction stays")
	r.testRecord(0, mainBlock(0, 3, 0))
	require.Error(t, r.spgist(&rmgr.SPGistVacuumRedirect{FirstPlaceholder: 3}))
}

// TestSPGistAddNode moves an inner tuple that grew. Its parent is on the page that it leaves, the one that it goes to, or
// another.
func TestSPGistAddNode(t *testing.T) {
	for parent := range int8(3) {
		r := storedRedo(t, xlog.Postgres12, false)
		for block := range uint32(3) {
			storedPage(t, r, block, spgistTestPage(t, r.dialect, 0, spgistInner(2), spgistInner(2)))
		}
		r.testRecord(700, mainBlock(0, 0, 0), mainBlock(1, 1, 0), mainBlock(2, 2, 0))
		require.NoError(t, r.spgist(&rmgr.SPGistAddNode{
			Offset: 2, NewOffset: 3, ParentBlock: parent, ParentOffset: 1, Node: 0,
			State: rmgr.SPGistState{RedirectXid: 700}, Inner: spgistInner(3),
		}))
		redirect := spgistDeadTuple(spgistRedirect, 1, 3, 700)
		require.Equal(t, redirect[:], r.testPage(t, xlog.MainFork, 0).Item(2))
		require.Equal(t, spgistInner(3), r.testPage(t, xlog.MainFork, 1).Item(3))
		for block := range int8(3) {
			link := r.testPage(t, xlog.MainFork, uint32(block)).Item(1)[spgistInnerHeader+8:][:6]
			require.Equal(t, block == parent, bytes.Equal(link, []byte{0, 0, 1, 0, 3, 0}), "parent %d", parent)
		}
	}
}
