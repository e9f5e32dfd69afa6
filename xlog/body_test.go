// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// imageInfo is the bimg_info that a dialect has for an image.
func imageInfo(d *xlog.Dialect, hole bool, c xlog.Compression, apply bool) (info uint8) {
	bits := map[xlog.Compression]uint8{xlog.PGLZ: 0x02, xlog.Zstd: 0x02}
	applyBit := uint8(0x04)
	if d.Base() >= 15 {
		bits = map[xlog.Compression]uint8{xlog.PGLZ: 0x04, xlog.LZ4: 0x08, xlog.Zstd: 0x10}
		applyBit = 0x02
	}
	if hole {
		info |= 0x01
	}
	if apply {
		info |= applyBit
	}
	return info | bits[c]
}

// methods are the ways in which a dialect compresses images.
func methods(d *xlog.Dialect) []xlog.Compression {
	switch {
	case d.Flavour() != xlog.PostgreSQL:
		return []xlog.Compression{xlog.Zstd}
	case d.Base() >= 15:
		return []xlog.Compression{xlog.PGLZ, xlog.LZ4, xlog.Zstd}
	}
	return []xlog.Compression{xlog.PGLZ}
}

// everything is a payload with all that a dialect knows.
func everything(d *xlog.Dialect) xlog.Body {
	rel := xlog.RelFileLocator{Tablespace: 1663, Database: 16384, RelNumber: 16385}
	if d.RelNodeSize() == 16 {
		rel.RelNumber = 1<<40 + 5
	}
	other := xlog.RelFileLocator{Tablespace: 1664, RelNumber: 1262}
	size := d.BlockSize()
	b := xlog.Body{
		Main: []byte("main data"), Origin: 7,
		Blocks: []xlog.BlockRef{
			{ID: 0, Rel: rel, Block: 17, Flags: xlog.BlockHasData | xlog.BlockWillInit, Data: []byte("tuple")},
			{ID: 1, Rel: rel, Fork: xlog.VisibilityMapFork, Block: math.MaxUint32 - 1, Flags: xlog.BlockHasImage, Image: xlog.Image{
				Data: bytes.Repeat([]byte{1}, size), Info: imageInfo(d, false, 0, true), Apply: true}},
			{ID: 5, Rel: other, Fork: xlog.InitFork, Flags: xlog.BlockHasImage | xlog.BlockHasData, Data: []byte("d"),
				Image: xlog.Image{Data: bytes.Repeat([]byte{2}, size-100), HoleOffset: 40, HoleLength: 100,
					Info: imageInfo(d, true, 0, false)}},
		},
	}
	for i, c := range methods(d) {
		b.Blocks = append(b.Blocks,
			xlog.BlockRef{ID: uint8(10 + 2*i), Rel: rel, Flags: xlog.BlockHasImage, Image: xlog.Image{
				Data: []byte("compressed"), HoleOffset: 40, HoleLength: 4000, Compression: c,
				Info: imageInfo(d, true, c, true), Apply: true}},
			xlog.BlockRef{ID: uint8(11 + 2*i), Rel: rel, Flags: xlog.BlockHasImage, Image: xlog.Image{
				Data: []byte("no hole"), Compression: c, Info: imageInfo(d, false, c, true), Apply: true}})
	}
	if d.Base() >= 14 {
		b.TopXID = 4711
	}
	return b
}

func rawRecord(d *xlog.Dialect, b *xlog.Body) []byte {
	return b.Append(d, make([]byte, xlog.RecordHeaderSize))
}

func TestBodyAllDialects(t *testing.T) {
	t.Parallel()
	for _, d := range xlog.Dialects() {
		want := everything(d)
		raw := rawRecord(d, &want)
		var got xlog.Body
		for range 2 { // used again, it holds nothing of before
			require.NoError(t, got.Decode(d, raw), d.Name())
			require.Len(t, got.Blocks, len(want.Blocks))
			for i := range want.Blocks {
				requireBlock(t, &want.Blocks[i], &got.Blocks[i])
			}
			require.Equal(t, want.Main, got.Main)
			require.Equal(t, want.Origin, got.Origin)
			require.Equal(t, want.TopXID, got.TopXID)
			require.Equal(t, uint32(17), got.Block(0).Block)
			require.Nil(t, got.Block(3))

			plain := xlog.Body{Blocks: []xlog.BlockRef{{ID: 2, Rel: want.Blocks[0].Rel, Block: 9}}}
			require.NoError(t, got.Decode(d, rawRecord(d, &plain)))
			requireBlock(t, &plain.Blocks[0], &got.Blocks[0])
			require.Empty(t, got.Main)
			require.Zero(t, got.Origin)
		}
	}
}

func requireBlock(t *testing.T, want, got *xlog.BlockRef) {
	t.Helper()
	require.Equal(t, want.ID, got.ID)
	require.Equal(t, want.Flags, got.Flags&^0x80)
	require.Equal(t, want.Fork, got.Fork)
	require.Equal(t, want.Rel, got.Rel)
	require.Equal(t, want.Block, got.Block)
	require.Equal(t, want.Data, got.Data)
	require.Equal(t, want.Image, got.Image)
	require.Equal(t, want.Image.Data != nil, got.HasImage())
}

// A payload that is cut is an error, but where what is left happens to be as long as its heads say.
func TestBodyCutAnywhere(t *testing.T) {
	t.Parallel()
	for _, d := range xlog.Dialects() {
		b := everything(d)
		b.Blocks = append(b.Blocks[:1:1], b.Blocks[3:]...) // without the large images
		raw := rawRecord(d, &b)
		var got xlog.Body
		legal := 0
		for n := range raw {
			if got.Decode(d, raw[:n:n]) == nil {
				legal++
			}
		}
		require.Less(t, legal, len(raw)/10, d.Name())
		require.Error(t, got.Decode(d, append(raw, 0)))
	}
}

// Every rule that DecodeXLogRecord enforces.
func TestBodyRules(t *testing.T) {
	t.Parallel()
	d := xlog.Postgres13
	tag := []byte{0x7F, 6, 0, 0, 0, 64, 0, 0, 1, 64, 0, 0, 9, 0, 0, 0}
	with := func(parts ...[]byte) []byte {
		return append(make([]byte, xlog.RecordHeaderSize), bytes.Join(parts, nil)...)
	}
	image := func(n int, holeOffset int, info byte, more ...byte) []byte {
		return append([]byte{byte(n), byte(n >> 8), byte(holeOffset), byte(holeOffset >> 8), info}, more...)
	}
	page := make([]byte, 8192)
	for say, raw := range map[string][]byte{
		"invalid block_id 33":                               with([]byte{33}, tag),
		"invalid block_id 252":                              with([]byte{252, 0, 0, 0, 0}),
		"out-of-order block_id 0":                           with([]byte{1, 0, 0, 0}, tag, []byte{0, 0, 0, 0}, tag, page[:1]),
		"out-of-order block_id 1":                           with([]byte{1, 0, 0, 0}, tag, []byte{1, 0, 0, 0}, tag, page[:1]),
		"BKPBLOCK_HAS_DATA is true, but data length is 0":   with([]byte{0, 0x20, 0, 0}, tag),
		"BKPBLOCK_HAS_DATA is false, but data length is 5":  with([]byte{0, 0, 5, 0}, tag, page[:5]),
		"BKPBLOCK_SAME_REL set but no previous rel":         with([]byte{0, 0x80, 0, 0, 9, 0, 0, 0}),
		"record with invalid length":                        with([]byte{255, 9}, page[:8]),
		"hole offset 0 length 192":                          with([]byte{0, 0x10, 0, 0}, image(8000, 0, 1), tag, page[:8000]),
		"hole offset 9 length 0":                            with([]byte{0, 0x10, 0, 0}, image(8192, 9, 1), tag, page),
		"NOT_HOLE":                                          with([]byte{0, 0x10, 0, 0}, image(8000, 0, 4), tag, page[:8000]),
		"NOT_HOLE ":                                         with([]byte{0, 0x10, 0, 0}, image(8192, 7, 4), tag, page),
		"block image is compressed, but its length is 8192": with([]byte{0, 0x10, 0, 0}, image(8192, 0, 2), tag, page),
		"is longer than a block": with([]byte{0, 0x10, 0, 0}, image(9000, 0, 0), tag,
			make([]byte, 9000)),
		"reaches beyond the block": with([]byte{0, 0x10, 0, 0}, image(50, 8000, 3, 0xFF, 0xFF), tag,
			page[:50]),
	} {
		if say[:3] == "NOT" {
			say = "BKPIMAGE_HAS_HOLE not set, but hole offset"
		}
		var b xlog.Body
		require.ErrorContains(t, b.Decode(d, raw), say)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "main", xlog.MainFork.String())
	require.Equal(t, "vm", xlog.VisibilityMapFork.String())
	require.Equal(t, "fork(9)", xlog.ForkNumber(9).String())
	require.Equal(t, "lz4", xlog.LZ4.String())
	require.Equal(t, "compression(9)", xlog.Compression(9).String())
	require.Equal(t, "1663/5/16384", xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 16384}.String())
	require.Equal(t, "Cloudberry", xlog.Cloudberry.String())
	require.Equal(t, "Flavour(9)", xlog.Flavour(9).String())
}

// FuzzRecord decodes any bytes as a payload. What is decoded lies within them and, written again, is the same.
func FuzzRecord(f *testing.F) {
	for i, d := range xlog.Dialects() {
		b := everything(d)
		b.Blocks = append(b.Blocks[:1:1], b.Blocks[3:]...)
		f.Add(uint8(i), rawRecord(d, &b)[xlog.RecordHeaderSize:])
	}
	f.Fuzz(func(t *testing.T, dialect uint8, payload []byte) {
		all := xlog.Dialects()
		d := all[int(dialect)%len(all)]
		raw := append(make([]byte, xlog.RecordHeaderSize), payload...)
		var b xlog.Body
		if b.Decode(d, raw) != nil {
			return
		}
		total := len(b.Main)
		for i := range b.Blocks {
			total += len(b.Blocks[i].Data) + len(b.Blocks[i].Image.Data)
		}
		require.LessOrEqual(t, total, len(payload))
		var back xlog.Body
		require.NoError(t, back.Decode(d, rawRecord(d, &b)))
		require.Equal(t, b.Main, back.Main)
		require.Len(t, back.Blocks, len(b.Blocks))
		for i := range b.Blocks {
			require.Equal(t, b.Blocks[i].Image, back.Blocks[i].Image)
			require.Equal(t, b.Blocks[i].Data, back.Blocks[i].Data)
			require.Equal(t, b.Blocks[i].Rel, back.Blocks[i].Rel)
		}
	})
}
