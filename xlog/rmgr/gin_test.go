// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func FuzzGin(f *testing.F) { fuzzIndex(f, Gin) }

// posting is a posting list with n bytes behind the first item.
func posting(n int) []byte {
	return append(le(uint16(0), uint16(5), uint16(1), uint16(n)), make([]byte, n+n%2)...)
}

func TestGinRecompress(t *testing.T) {
	data := le(uint16(4), uint8(0), GinSegmentReplace, posting(3), uint8(1), GinSegmentDelete,
		uint8(2), GinSegmentAddItems, uint16(2), uint16(1), uint16(2), uint16(3), uint16(0), uint16(9), uint16(4),
		uint8(4), GinSegmentInsert, posting(2))
	main := le(GinInsertIsData | GinInsertIsLeaf)
	p, text := decodeParts(t, xlog.Postgres15, Gin, 0x20, main, block(0, data))
	require.Equal(t, "isdata: T isleaf: T 4 segments: 0 (replace) 1 (delete) 2 (add 2 items) 4 (insert)", text)
	replace, rest := p.(*GinInsert).Recompress.Next()
	require.Equal(t, GinSegmentAction{0, GinSegmentReplace, posting(3), nil}, replace)
	_, rest = rest.Next()
	add, rest := rest.Next()
	require.Equal(t, ItemPointer{1<<16 + 2, 3}, add.Items.At(0))
	require.Equal(t, ItemPointer{9, 4}, add.Items.At(1))
	insert, rest := rest.Next()
	require.Equal(t, posting(2), insert.Posting)
	require.Zero(t, rest.Len())

	for _, bad := range [][]byte{data[:len(data)-1], le(uint16(1), uint8(0), uint8(5)), le(uint16(1))} {
		dec := NewDecoder(xlog.Postgres15)
		decodeInto(dec, Gin, 0x90, nil, []xlog.BlockRef{block(0, bad)})
		require.NotEmpty(t, dec.in.err)
	}
}

func TestGinInsert(t *testing.T) {
	inner := le(GinInsertIsData, uint16(0), uint16(8), uint16(1), uint16(9))
	item := le(uint16(3), uint16(0), uint16(10), uint16(0), uint16(77), uint16(6))
	p, text := decodeParts(t, xlog.Postgres15, Gin, 0x20, inner, block(0, item))
	require.Equal(t, "isdata: T isleaf: F children: 8/65545 pitem: 10-77/6", text)
	require.Equal(t, uint16(3), p.(*GinInsert).Offset)

	p, text = decodeParts(t, xlog.Postgres15, Gin, 0x20, le(GinInsertIsLeaf),
		block(0, le(uint16(2), true, uint8(0)), itup(16)))
	require.Equal(t, "isdata: F isleaf: T isdelete: T", text)
	require.Equal(t, itup(16), p.(*GinInsert).Tuple)

	_, text = decodeParts(t, xlog.Postgres15, Gin, 0x20, le(GinInsertIsLeaf), imaged(0))
	require.Equal(t, "isdata: F isleaf: T (full page image)", text)
}

func TestGinUpdateMeta(t *testing.T) {
	meta := le(uint32(2), uint32(3), uint32(100), uint32(2), int64(50), uint32(9), uint32(4), uint32(1), uint32(0),
		int64(33), int32(2), uint32(0))
	tail := le(uint32(0xFFFFFFFF), uint32(0xFFFFFFFF), int32(1), uint32(0))
	rel := xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 70000}
	for d, node := range map[*xlog.Dialect][]byte{
		xlog.Postgres12:   le(uint32(1663), uint32(5), uint32(70000), uint32(0)),
		xlog.CloudberryDB: le(uint32(1663), uint32(5), uint64(70000)),
	} {
		p, text := decodeParts(t, d, Gin, 0x60, append(append(node, meta...), tail...), block(1, itup(16)))
		require.Empty(t, text)
		require.Equal(t, &GinUpdateMeta{Relation: rel, PrevTail: 0xFFFFFFFF, RightLink: 0xFFFFFFFF, NTuples: 1,
			HasData: true, Tuples: itup(16), Metadata: GinMetadata{Head: 2, Tail: 3, TailFree: 100, PendingPages: 2,
				PendingHeapTuples: 50, TotalPages: 9, EntryPages: 4, DataPages: 1, Entries: 33, Version: 2, Raw: meta},
		}, p)
	}
}
