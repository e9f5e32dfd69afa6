// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func FuzzGist(f *testing.F) { fuzzIndex(f, Gist) }

func TestGistPageSplit(t *testing.T) {
	main := le(uint32(12), uint32(0), uint64(0x1234), true, uint8(0), uint16(2), true, [3]byte{})
	p, text := decodeParts(t, xlog.Postgres14, Gist, 0x30, main,
		block(1, le(int32(1)), itup(16)), block(2, le(int32(2)), itup(24), itup(16)))
	split := p.(*GistPageSplit)
	require.Equal(t, uint32(12), split.RightLink)
	require.Equal(t, xlog.LSN(0x1234), split.NSN)
	require.True(t, split.Leaf && split.MarkFollowRight)
	require.Equal(t, []IndexTuples{itup(16), append(itup(24), itup(16)...)}, split.Pages)
	require.Equal(t, "page_split: splits to 2 pages", text)
}

func TestGistPageUpdate(t *testing.T) {
	p, _ := decodeParts(t, xlog.Postgres14, Gist, 0x00, le(uint16(2), uint16(1)),
		block(0, le(uint16(3), uint16(5)), itup(32)))
	require.Equal(t, &GistPageUpdate{NDeleted: 2, NInserted: 1, HasData: true,
		Deleted: Uint16s(le(uint16(3), uint16(5))), Inserted: itup(32)}, p)
}

func TestGistTexts(t *testing.T) {
	rel := le(uint32(1663), uint32(5), uint32(16384))
	texts(t, Gist, []textCase{
		{xlog.Greenplum7Dev, 0x60, le(uint32(9), uint16(2)), nil, "deleteXid 9; downlink 2"},
		{xlog.Greenplum7, 0x60, le(uint64(9), uint16(2)), nil, "deleteXid 0:9; downlink 2"},
		{xlog.Greenplum7Dev, 0x20, append(rel, le(uint32(7), uint32(800))...), nil,
			"rel 1663/5/16384; blk 7; latestRemovedXid 800"},
		{xlog.Postgres12, 0x20, append(rel, le(uint32(7), uint64(1<<32+800))...), nil,
			"rel 1663/5/16384; blk 7; latestRemovedXid 1:800"},
		{xlog.CloudberryDB, 0x20, le(uint32(1663), uint32(5), uint64(16384), uint64(7), uint64(1<<32+800)), nil,
			"rel 1663/5/16384; blk 7; latestRemovedXid 1:800"},
		{xlog.Postgres13, 0x10, le(uint32(500), uint16(1), uint16(3)), nil, "delete: latestRemovedXid 500, nitems: 1"},
		{xlog.Postgres13, 0x70, le(int32(0)), nil, ""},
	})
}
