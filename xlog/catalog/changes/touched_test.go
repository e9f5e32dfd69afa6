// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

var (
	classFile = xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 1259}
	typeFile  = xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 1247}
	classID   = catalogID{5, 1259}
	typeID    = catalogID{5, 1247}
)

func TestTouched(t *testing.T) {
	t.Parallel()
	touched := touched{xacts: map[uint32]*footprint{}, max: 5}
	touched.add(700, classID, classFile, 3)
	touched.add(700, classID, classFile, 3)
	touched.add(702, typeID, typeFile, 1)
	touched.add(702, classID, classFile, 4)
	touched.add(701, classID, classFile, 9)
	require.Equal(t, 4, touched.blocks)

	touched.forget(701)
	sum := touched.take([]uint32{700, 701, 702, 703})
	require.Equal(t, []touchedFile{
		{catalog: classID, file: classFile, blocks: map[uint32]struct{}{3: {}, 4: {}}},
		{catalog: typeID, file: typeFile, blocks: map[uint32]struct{}{1: {}}},
	}, sum.files)
	require.Empty(t, touched.xacts)
	require.Zero(t, touched.blocks)

	for block := range uint32(9) {
		touched.add(710, classID, classFile, block)
		touched.add(1<<31+710, typeID, typeFile, block)
	}
	require.LessOrEqual(t, touched.blocks, 5)
	require.True(t, touched.xacts[710].files[0].all)
	touched.expire(711)
	require.Len(t, touched.xacts, 1)
	touched.forget(1<<31 + 710)
	require.Zero(t, touched.blocks)
}

// tuple is a version with an OID, and where the next one is.
func tuple(oid byte, xmin uint32, at, next uint16) version {
	t := make(bufpage.HeapTuple, 32)
	t[22], t[24] = 24, oid
	t.SetXmin(xmin)
	t.SetCTID(bufpage.TID{Offset: next})
	return version{tid: bufpage.TID{Offset: at}, tuple: t}
}

func TestPair(t *testing.T) {
	t.Parallel()
	old := func(v version, by uint32) version { v.deleted, v.updater = true, by; return v }
	made := func(v version) version { v.inserted = true; return v }
	found := []version{
		old(tuple(1, 3, 1, 4), 700),            // updated twice
		old(tuple(2, 3, 2, 2), 700),            // deleted
		made(tuple(3, 700, 3, 3)),              // inserted
		made(old(tuple(1, 700, 4, 6), 701)),    // the version between
		made(old(tuple(5, 700, 5, 5), 701)),    // inserted and deleted
		made(tuple(1, 701, 6, 6)),              // the last one of the first
		old(tuple(7, 3, 7, 8), 700),            // updated, then deleted
		made(old(tuple(7, 700, 8, 8), 700)),    // its other version
		made(old(tuple(9, 700, 9, 10), 700)),   // inserted, then updated
		made(tuple(9, 700, 10, 10)),            // its other version
		old(tuple(11, 3, 11, 3), 699),          // what it leads to is another's
		made(old(tuple(12, 700, 12, 12), 700)), // a circle
		made(old(tuple(13, 700, 13, 14), 700)), // another
		made(old(tuple(13, 700, 14, 13), 700)), // and back
		old(tuple(15, 3, 15, 99), 700),         // leads nowhere
	}
	var got [][2]uint16
	for _, row := range pair(classID, found) {
		var at [2]uint16
		if row.old != nil {
			at[0] = row.old.tid.Offset
		}
		if row.updated != nil {
			at[1] = row.updated.tid.Offset
		}
		got = append(got, at)
	}
	require.Equal(t, [][2]uint16{{1, 6}, {2, 0}, {0, 3}, {7, 0}, {0, 10}, {11, 0}, {15, 0}}, got)
}

func TestPairByOID(t *testing.T) {
	t.Parallel()
	visible := func(v version) version { v.visible = true; return v }
	made := func(v version) version { v.inserted = true; return v }
	gone := func(v version) version { v.deleted = true; return v }
	changed := tuple(3, 700, 9, 9)
	changed.tuple[30] = 1
	before := []version{
		visible(tuple(1, 3, 1, 1)), visible(tuple(2, 3, 2, 2)), visible(gone(tuple(3, 3, 3, 3))), visible(tuple(5, 3, 5, 5)),
		made(tuple(6, 700, 6, 6)),
	}
	overwritten := tuple(2, 3, 7, 7)
	overwritten.tuple[31] = 1
	after := []version{
		visible(tuple(1, 3, 8, 8)), visible(overwritten), visible(gone(tuple(3, 3, 4, 9))), made(changed),
		made(tuple(6, 700, 10, 10)), made(gone(tuple(7, 700, 11, 11))), tuple(8, 3, 12, 12),
	}
	var got [][2]uint32
	for _, row := range pairByOID(classID, before, after) {
		var oids [2]uint32
		if row.old != nil {
			oids[0] = firstOID(row.old.tuple)
		}
		if row.updated != nil {
			oids[1] = firstOID(row.updated.tuple)
		}
		got = append(got, oids)
	}
	require.Equal(t, [][2]uint32{{2, 2}, {3, 3}, {0, 6}, {5, 0}}, got)
}
