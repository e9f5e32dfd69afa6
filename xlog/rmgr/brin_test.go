// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func FuzzBRIN(f *testing.F) { fuzzIndex(f, BRIN) }

func TestBrinUpdate(t *testing.T) {
	main := le(uint16(3), uint16(0), uint32(256), uint32(128), uint16(7))
	p, text := decodeParts(t, xlog.Postgres15, BRIN, 0xA0, main, block(0, []byte("summary")))
	require.Equal(t, &BrinUpdate{OldOffset: 3, BrinInsert: BrinInsert{HeapBlock: 256, PagesPerRange: 128, Offset: 7,
		Init: true, Tuple: []byte("summary")}}, p)
	require.Equal(t, "heapBlk 256 pagesPerRange 128 old offnum 3, new offnum 7", text)
}

// TestBrinAppendOptimized has the records of Greenplum and Cloudberry for append-optimized tables, which the recorded
// development build has otherwise than the release.
func TestBrinAppendOptimized(t *testing.T) {
	extend := le(uint32(5), true, [3]byte{}, int32(2), uint32(33))
	create := le(uint32(128), uint16(1), true)
	texts(t, BRIN, []textCase{
		{xlog.Postgres12, 0x00, create[:6], nil, "v1 pagesPerRange 128"},
		{xlog.Greenplum7Dev, 0x00, create, nil, "v1 pagesPerRange 128"},
		{xlog.Greenplum7, 0x00, create, nil, "v1 pagesPerRange 128"},
		{xlog.CloudberryDB, 0x00, create, nil, "v1 pagesPerRange 128 isAO true"},
		{xlog.Greenplum7Dev, 0x40, extend[:4], nil, "targetBlk 5"},
		{xlog.CloudberryDB, 0x40, extend[:4], nil, "targetBlk 5"},
		{xlog.Greenplum7, 0x40, extend, nil, "targetBlk 5 isAO true"},
		{xlog.CloudberryDB, 0x70, le(uint32(1), uint32(128)), nil, ""},
	})
	p, _ := decodeParts(t, xlog.Greenplum7, BRIN, 0x40, extend)
	require.Equal(t, &BrinRevmapExtend{5, true, true, 2, 33}, p)
	require.Equal(t, "UNKNOWN (60)", NewDecoder(xlog.CloudberryDB).Name(BRIN, 0x60))
	require.Nil(t, NewDecoder(xlog.Postgres14).kind(BRIN, 0x60))
}
