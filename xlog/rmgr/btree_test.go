// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func FuzzBtree(f *testing.F) { fuzzIndex(f, Btree) }

func TestBtreeInsert(t *testing.T) {
	p, _ := decodeParts(t, xlog.Postgres13, Btree, 0x50, le(uint16(4)), block(0, le(uint16(9)), itup(16)))
	insert := p.(*BtreeInsert)
	require.Equal(t, uint16(4), insert.Offset)
	require.Equal(t, uint16(9), insert.Posting)
	require.Equal(t, itup(16), insert.Tuple)
	require.True(t, insert.Post && !insert.Leaf && insert.HasData)

	p, _ = decodeParts(t, xlog.Postgres14, Btree, 0x20, le(uint16(2)), imaged(0),
		block(2, le(uint32(4), uint32(3), uint32(1), uint32(3), uint32(1), uint32(77), uint32(1))))
	insert = p.(*BtreeInsert)
	require.False(t, insert.HasData)
	require.Equal(t, BtreeMetadata{Version: 4, Root: 3, Level: 1, FastRoot: 3, FastLevel: 1, CleanupDeletedPages: 77,
		AllEqualImage: true}, insert.Meta)
}

func TestBtreeSplit(t *testing.T) {
	main := le(uint32(0), uint16(50), uint16(51), uint16(3))
	right := append(itup(24), itup(16)...)
	p, text := decodeParts(t, xlog.Postgres16, Btree, 0x40, main, block(0, itup(16), itup(8)), block(1, right))
	split := p.(*BtreeSplit)
	require.Equal(t, itup(16), split.NewItem, "a split of a posting list has the item even when it goes to the right")
	require.Equal(t, itup(8), split.HighKey)
	first, rest := split.Right.Next()
	require.Equal(t, itup(24), first)
	require.Equal(t, itup(16), []byte(rest))
	require.Equal(t, "level: 0, firstrightoff: 50, newitemoff: 51, postingoff: 3", text)

	p, text = decodeParts(t, xlog.Postgres12, Btree, 0x40, main[:8], block(0, itup(8)), block(1, right))
	split = p.(*BtreeSplit)
	require.Nil(t, split.NewItem)
	require.Equal(t, itup(8), split.HighKey)
	require.Equal(t, "level 0, firstright 50, newitemoff 51", text)
}

func TestBtreeVacuum(t *testing.T) {
	data := le(uint16(5), uint16(8), uint16(2), uint16(6), uint16(1), uint16(0), uint16(2), uint16(1), uint16(4))
	p, text := decodeParts(t, xlog.Postgres17, Btree, 0xC0, le(uint16(2), uint16(2)), block(0, data))
	vacuum := p.(*BtreeVacuum)
	first, rest := vacuum.Updated.Next()
	second, rest := rest.Next()
	require.Equal(t, BtreeUpdate{2, Uint16s(le(uint16(0)))}, first)
	require.Equal(t, BtreeUpdate{6, Uint16s(le(uint16(1), uint16(4)))}, second)
	require.Zero(t, rest.Len())
	require.Equal(t, "ndeleted: 2, nupdated: 2, deleted: [5, 8], updated: [{ off: 2, nptids: 1, ptids: [0] }, "+
		"{ off: 6, nptids: 2, ptids: [1, 4] }]", text)

	dec := NewDecoder(xlog.Postgres17)
	decodeInto(dec, Btree, 0xC0, le(uint16(2), uint16(2)), []xlog.BlockRef{block(0, data[:16])})
	require.NotEmpty(t, dec.in.err, "a list that is cut off")
}

// TestBtreeTexts has what no server at hand says.
func TestBtreeTexts(t *testing.T) {
	meta12 := le(uint32(3), uint32(9), uint32(2), uint32(9), uint32(2), uint32(700), -1.0)
	meta13 := append(le(uint32(4), uint32(9), uint32(2), uint32(9), uint32(2), uint32(700), 12.5), make([]byte, 8)...)
	meta14 := le(uint32(4), uint32(9), uint32(2), uint32(9), uint32(2), uint32(5), uint32(1))
	rel := le(uint32(1663), uint32(5), uint32(16384))
	wideRel := le(uint32(1663), uint32(5), uint64(1<<33))
	insert := []xlog.BlockRef{block(0, itup(16)), block(2, meta12)}
	texts(t, Btree, []textCase{
		{xlog.Greenplum7, 0x20, le(uint16(3)), insert, "off 3; add length 16 item at offset 3 in page 100; " +
			"restore metadata page 0 (root page value 9, level 2, fastroot page value 9, fastlevel 2)"},
		{xlog.Postgres12, 0x20, le(uint16(3)), insert, "off 3"},
		{xlog.CloudberryDB, 0x50, le(uint16(3)), []xlog.BlockRef{block(0, le(uint16(1)), itup(16))},
			"off 3; add length 18 item at offset 3 in page 100"},
		{xlog.CloudberryDB, 0x70, le(uint32(8), uint16(0), uint16(0)), nil,
			"latestRemovedXid 8; ndeleted 0; nupdated 0"},
		{xlog.Postgres12, 0x70, le(uint32(8), int32(1), uint16(4)), nil, "1 items, latest removed xid 8"},
		{xlog.Postgres13, 0x70, le(uint32(8), uint32(1)), []xlog.BlockRef{block(0, le(uint16(4)))},
			"latestRemovedXid 8; ndeleted 1"},
		{xlog.Postgres12, 0xE0, nil, []xlog.BlockRef{block(0, meta12)},
			"oldest_btpo_xact 700; last_cleanup_num_heap_tuples: -1.000000"},
		{xlog.Postgres13, 0xE0, nil, []xlog.BlockRef{block(0, meta13)},
			"oldest_btpo_xact 700; last_cleanup_num_heap_tuples: 12.500000"},
		{xlog.Postgres14, 0xE0, nil, []xlog.BlockRef{block(0, meta14)}, "last_cleanup_num_delpages 5"},
		{xlog.Postgres13, 0xD0, append(rel, le(uint32(7), uint32(800))...), nil,
			"rel 1663/5/16384; latestRemovedXid 800"},
		{xlog.Postgres14, 0xD0, append(rel, le(uint32(7), uint64(1<<32+800))...), nil,
			"rel 1663/5/16384; latestRemovedXid 1:800"},
		{xlog.CloudberryDB, 0xD0, append(wideRel, le(uint64(7), uint64(1<<32+800))...), nil,
			"rel 1663/5/8589934592; latestRemovedXid 1:800"},
		{xlog.Postgres13, 0x80, le(uint32(1), uint32(2), uint32(3), uint32(4), uint32(5), uint32(900)), nil,
			"left 1; right 2; btpo_xact 900; leafleft 3; leafright 4; topparent 5"},
	})
}
