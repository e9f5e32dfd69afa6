// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// le is numbers as they stand in records.
func le(values ...any) []byte {
	var b []byte
	for _, v := range values {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return b
}

// block is a block reference with data.
func block(id uint8, data ...[]byte) xlog.BlockRef {
	return xlog.BlockRef{ID: id, Block: 100 + uint32(id), Data: bytes.Join(data, nil)}
}

// imaged is a block reference with an image.
func imaged(id uint8) xlog.BlockRef {
	return xlog.BlockRef{ID: id, Block: 100 + uint32(id), Flags: xlog.BlockHasImage, Image: xlog.Image{Apply: true}}
}

// itup is an index tuple of n bytes.
func itup(n int) []byte {
	return append(le(uint16(0), uint16(7), uint16(1), uint16(n)), make([]byte, n-indexTupleHeader)...)
}

// decodeParts decodes and describes a record that is made of its parts.
func decodeParts(t *testing.T, d *xlog.Dialect, id xlog.RmgrID, info uint8, main []byte,
	blocks ...xlog.BlockRef) (Payload, string) {
	dec := NewDecoder(d)
	p := decodeInto(dec, id, info, main, blocks)
	require.NotNil(t, p, "unknown record")
	require.Empty(t, dec.in.err)
	require.Zero(t, dec.in.left(), "bytes left")
	return p, string(p.Describe(nil, &dec.Printing))
}

// decodeInto leaves errors in the decoder's input. The payload is nil for a record that the dialect does not have.
func decodeInto(dec *Decoder, id xlog.RmgrID, info uint8, main []byte, blocks []xlog.BlockRef) Payload {
	k := dec.kind(id, info&^xlog.XLRInfoMask)
	if k == nil {
		return nil
	}
	rec := &xlog.Record{RecordHeader: xlog.RecordHeader{Rmgr: id, Info: info}}
	dec.body = xlog.Body{Main: main, Blocks: blocks}
	dec.in = input{Dialect: dec.Dialect, rec: rec, body: &dec.body, main: main}
	k.payload.decode(&dec.in)
	return k.payload
}

// texts compares descriptions by dialect.
func texts(t *testing.T, id xlog.RmgrID, cases []textCase) {
	for _, c := range cases {
		_, text := decodeParts(t, c.d, id, c.info, c.main, c.blocks...)
		require.Equal(t, c.want, text, "%s %02x", c.d, c.info)
	}
}

type textCase struct {
	d      *xlog.Dialect
	info   uint8
	main   []byte
	blocks []xlog.BlockRef
	want   string
}

func TestIndexTuplesMalformed(t *testing.T) {
	whole := append(itup(16), itup(24)...)
	in := input{main: whole}
	require.Len(t, in.countedTuples(2), 40)
	require.Empty(t, in.err)
	for n, bad := range map[int64][]byte{2: whole[:39], 1: whole, 3: whole, 0: itup(8), 4: whole[:7]} {
		in := input{main: bad}
		require.Nil(t, in.countedTuples(n))
		require.NotEmpty(t, in.err)
	}
	in = input{main: le(uint64(0))} // a tuple without a length
	require.Nil(t, in.indexTuples())
	require.NotEmpty(t, in.err)
}

func TestAppendFloat(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 6000: "6000", 100000: "100000", 1e6: "1e+06", 1234567: "1.23457e+06", -0.5: "-0.5", 1e-5: "1e-05",
	} {
		require.Equal(t, want, string(appendFloat(nil, "", v, 'g')))
	}
	require.Equal(t, "n -1.000000", string(appendFloat(nil, "n ", -1, 'f')))
}

// fuzzIndex decodes and describes any bytes as records of an index's resource manager, in every dialect, and looks at
// all items. The seeds in testdata/fuzz are real records.
func fuzzIndex(f *testing.F, id xlog.RmgrID) {
	var decoders []*Decoder
	for _, d := range xlog.Dialects() {
		decoders = append(decoders, NewDecoder(d))
	}
	f.Add(uint8(0), false, []byte{}, []byte{}, []byte{})
	var text []byte
	f.Fuzz(func(t *testing.T, info uint8, image bool, main, even, odd []byte) {
		var blocks []xlog.BlockRef
		for i := range uint8(7) {
			data := even
			if i%2 == 1 {
				data = odd
			}
			blocks = append(blocks, xlog.BlockRef{ID: i, Data: data})
		}
		if image {
			blocks[0] = imaged(0)
		}
		for _, dec := range decoders {
			p := decodeInto(dec, id, info, main, blocks)
			if p == nil {
				continue
			}
			if dec.in.off > len(main) {
				t.Fatalf("%s: read beyond the end", dec.Dialect)
			}
			if dec.in.err == "" {
				text = p.Describe(text[:0], &dec.Printing)
				walkIndexItems(p)
			}
		}
	})
}

// walkIndexItems looks at every item of a payload.
func walkIndexItems(p Payload) {
	switch p := p.(type) {
	case *BtreeSplit:
		walkTuples(p.Right)
	case *BtreeNewRoot:
		walkTuples(p.Tuples)
	case *BtreeDedup:
		for i := range p.Intervals.Len() {
			p.Intervals.At(i)
		}
	case *BtreeVacuum:
		walkUpdates(p.Updated)
	case *BtreeDelete:
		walkUpdates(p.Updated)
	case *HashMovePageContents:
		walkTuples(p.Tuples)
	case *HashSqueezePage:
		walkTuples(p.Tuples)
	case *GinCreatePostingTree:
		for rest := p.Segments; len(rest) > 0; {
			_, rest = rest.Next()
		}
	case *GinInsert:
		walkActions(p.Recompress)
	case *GinVacuumDataLeafPage:
		walkActions(p.Recompress)
	case *GinUpdateMeta:
		walkTuples(p.Tuples)
	case *GinInsertListPage:
		walkTuples(p.Tuples)
	case *GistPageUpdate:
		walkTuples(p.Inserted)
	case *GistPageSplit:
		for _, page := range p.Pages {
			walkTuples(page)
		}
	case *SPGistMoveLeafs:
		walkLeafs(p.Leafs)
	case *SPGistPickSplit:
		walkLeafs(p.Leafs)
	}
}

func walkTuples(rest IndexTuples) {
	for len(rest) > 0 {
		_, rest = rest.Next()
	}
}

func walkUpdates(rest BtreeUpdates) {
	for rest.Len() > 0 {
		_, rest = rest.Next()
	}
}

func walkActions(rest GinRecompress) {
	for rest.Len() > 0 {
		var a GinSegmentAction
		a, rest = rest.Next()
		for i := range a.Items.Len() {
			a.Items.At(i)
		}
	}
}

func walkLeafs(rest SPGistLeafTuples) {
	for len(rest) > 0 {
		_, rest = rest.Next()
	}
}
