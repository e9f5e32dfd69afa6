// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func FuzzSPGist(f *testing.F) { fuzzIndex(f, SPGist) }

// spgLeaf and spgInner are tuples of n bytes.
func spgLeaf(n int) []byte  { return append(le(uint32(n)<<2), make([]byte, n-4)...) }
func spgInner(n int) []byte { return append(le(uint32(8), uint16(n)), make([]byte, n-6)...) }

func TestSPGistPickSplit(t *testing.T) {
	main := le(false, uint8(0), uint16(1), uint16(2), false, true, uint16(4), false, true, true, uint8(0), uint16(6),
		uint16(7), uint16(0), uint32(900), true, [3]byte{}, uint16(11), uint16(12), uint16(13), []byte{0, 1},
		spgInner(24), spgLeaf(16), spgLeaf(32))
	p, text := decodeParts(t, xlog.Postgres14, SPGist, 0x50, main)
	require.Equal(t, &SPGistPickSplit{InitDest: true, StoresNulls: true, InnerIsParent: true, InnerOffset: 4,
		ParentOffset: 6, Node: 7, State: SPGistState{900, true}, Deleted: Uint16s(le(uint16(11))),
		Inserted: Uint16s(le(uint16(12), uint16(13))), InsertedDest: []byte{0, 1}, Inner: spgInner(24),
		Leafs: append(spgLeaf(16), spgLeaf(32)...)}, p)
	require.Equal(t, "ndelete: 1, ninsert: 2, inneroff: 4, parentoff: 6, nodeI: 7 (innerIsParent) (nulls)", text)
	_, text = decodeParts(t, xlog.Greenplum7, SPGist, 0x50, main)
	require.Equal(t, "ndel 1; nins 2 (innerIsParent)", text)
}

func TestSPGistMoveLeafs(t *testing.T) {
	main := func(replace bool, rest ...any) []byte {
		head := le(uint16(2), true, replace, false, uint8(0), uint16(5), uint16(1), uint16(0), uint32(900), uint32(0))
		return append(head, le(rest...)...)
	}
	p, text := decodeParts(t, xlog.Postgres13, SPGist, 0x20, main(false, uint16(1), uint16(2), uint16(8), uint16(9),
		uint16(10), spgLeaf(16), spgLeaf(16), spgLeaf(24)))
	require.Equal(t, "2 leafs", text)
	require.Equal(t, Uint16s(le(uint16(8), uint16(9), uint16(10))), p.(*SPGistMoveLeafs).Inserted)
	p, text = decodeParts(t, xlog.CloudberryDB, SPGist, 0x20, main(true, uint16(1), uint16(2), uint16(8), spgLeaf(16)))
	require.Equal(t, "nmoves: 2, parentoff: 5, nodeI: 1 (newpage) (replacedead)", text)
	require.Equal(t, SPGistLeafTuples(spgLeaf(16)), p.(*SPGistMoveLeafs).Leafs)
}

func TestSPGistTexts(t *testing.T) {
	split := le(uint16(3), uint16(4), true, false, spgInner(8), spgInner(16))
	node := le(uint16(3), uint16(4), true, int8(-1), uint16(0), uint16(2), uint16(0), uint32(9), uint32(0),
		spgInner(8))
	texts(t, SPGist, []textCase{
		{xlog.Postgres12, 0x40, split, nil, "prefix off: 3, postfix off: 4 (same 0, new 1)"},
		{xlog.Postgres14, 0x40, split, nil, "prefixoff: 3, postfixoff: 4 (newpage)"},
		{xlog.Postgres12, 0x30, node, nil, "off 3"},
		{xlog.Postgres14, 0x30, node, nil, "off: 3, newoff: 4, parentBlk: -1, parentoff: 0, nodeI: 2 (newpage)"},
		{xlog.Postgres15, 0x80, le(uint16(1), uint16(2), uint32(7), uint16(5)), nil,
			"ntoplaceholder: 1, firstplaceholder: 2, newestredirectxid: 7"},
		{xlog.Postgres17, 0x80, le(uint16(1), uint16(2), uint32(7), true, uint8(0), uint16(5)), nil,
			"ntoplaceholder: 1, firstplaceholder: 2, snapshotConflictHorizon: 7, isCatalogRel: T"},
	})
}
