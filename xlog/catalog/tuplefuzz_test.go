// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// fuzzRelation has a column of every length and alignment.
func fuzzRelation(network bool) *Relation {
	r := &Relation{RelationInfo: RelationInfo{Name: "fuzz", Kind: KindTable}}
	for i, t := range []TypeInfo{
		{Len: 1, Align: 'c'}, {Len: 2, Align: 's'}, {Len: 4, Align: 'i'}, {Len: 8, Align: 'd'}, {Len: 64, Align: 'c'},
		{Len: -1, Align: 'i'}, {Len: -1, Align: 'd'}, {Len: -2, Align: 'c'}, {Len: -1, Align: 'i'}, {Len: 6, Align: 's'},
	} {
		t.NetworkOrder = network
		r.columns = append(r.columns, Column{Name: "c", Num: int16(i + 1), Type: t})
	}
	return r
}

// FuzzTuple takes tuples apart whose bytes are anything. Nothing panics, values lie within the tuple or are no longer than
// compression can make them, and a tuple that was formed of the values is taken apart to the same.
func FuzzTuple(f *testing.F) {
	for _, network := range []bool{false, true} {
		r := fuzzRelation(network)
		values := make([]Value, len(r.columns))
		for i := range values {
			n := int(r.columns[i].Type.Len)
			if n < 0 {
				n = 3 + 60*i
			}
			values[i].Raw = bytes.Repeat([]byte{'v'}, n)
		}
		tuple, err := Form(r.columns, values)
		require.NoError(f, err)
		f.Add([]byte(tuple), network)
		values[5], values[9] = Value{Null: true}, Value{Null: true}
		tuple, err = Form(r.columns, values)
		require.NoError(f, err)
		f.Add([]byte(tuple), network)
	}
	f.Add(compressedTuple(), false)
	f.Fuzz(func(t *testing.T, tuple []byte, network bool) {
		r := fuzzRelation(network)
		row, err := r.Deform(tuple)
		if err != nil {
			return
		}
		values, ok := valuesOf(row, len(tuple))
		if !ok {
			return
		}
		formed, err := Form(r.columns, values)
		require.NoError(t, err)
		again, err := r.Deform(formed)
		require.NoError(t, err)
		for i := range values {
			value, err := again.Value(i)
			require.NoError(t, err)
			require.Equal(t, values[i].Null, value == nil)
			require.True(t, bytes.Equal(values[i].Raw, value))
		}
	})
}

// valuesOf are the values of a row; ok tells whether all could be had.
func valuesOf(row *Row, size int) (values []Value, ok bool) {
	ok = true
	for i := range row.rel.columns {
		value, err := row.Value(i)
		if len(value) > 255*(size+1) {
			panic("a value is longer than it can be")
		}
		ok = ok && err == nil
		values = append(values, Value{Raw: value, Null: value == nil})
	}
	return values, ok
}

// compressedTuple has a column that is compressed, and one that is out of line.
func compressedTuple() []byte {
	tuple := make([]byte, 24, 100)
	tuple[22] = 24
	binary.LittleEndian.PutUint16(tuple[18:], 6)
	tuple = append(tuple, make([]byte, 84)...)
	binary.LittleEndian.PutUint32(tuple[104:], 14<<2|2)
	return append(tuple, 5, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o')
}

// FuzzToast puts a value together from chunks that are anything, of a pointer that is anything.
func FuzzToast(f *testing.F) {
	f.Add([]byte{8, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0}, []byte{0, 2, 'a', 'b', 1, 2, 'c', 'd'})
	f.Add([]byte{9, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0}, []byte{1, 2, 'c', 'd', 0, 2, 'a', 'b'})
	f.Fuzz(func(t *testing.T, pointer, chunks []byte) {
		if len(pointer) < toastPointerSize {
			return
		}
		p, err := parseToastPointer(pointer)
		if err != nil {
			return
		}
		c := toastChunks{p: &p, parts: map[uint32][]byte{}}
		for len(chunks) >= 2 {
			n := min(int(chunks[1]), len(chunks)-2)
			if err := c.put(uint32(chunks[0]), chunks[2:2+n]); err != nil {
				require.ErrorIs(t, err, ErrValue)
				return
			}
			chunks = chunks[2+n:]
		}
		content, err := c.join()
		if err != nil {
			require.ErrorIs(t, err, ErrValue)
			return
		}
		require.Len(t, content, p.size)
		plain, err := p.plain(content)
		if err == nil {
			require.Len(t, plain, p.rawSize-varlenaHeader)
		}
	})
}

// FuzzPage reads pages that are anything, as a scan does when their header was found to make sense.
func FuzzPage(f *testing.F) {
	page := make(bufpage.Page, 1024)
	page.Init(0, 4)
	f.Add([]byte(page))
	for range 2 {
		_, err := page.AddItem(compressedTuple(), 0, false, true)
		require.NoError(f, err)
	}
	f.Add([]byte(page))
	page.Init(btreeOpaque, 4)
	page.Special()[12] = btreeLeaf
	for _, item := range []bufpage.IndexTuple{
		{1: 0, 4: 1, 6: 16, 8: 7, 15: 0}, {0: 16, 4: 2, 5: 0x20, 6: 28, 7: 0x20, 8: 7, 27: 0},
	} {
		_, err := page.AddItem(item, 0, false, false)
		require.NoError(f, err)
	}
	f.Add([]byte(page))
	f.Fuzz(func(t *testing.T, page []byte) {
		if len(page) < bufpage.MinPageSize || bufpage.Check(page) != nil {
			return
		}
		if b := (&btree{page: page}); len(b.page.Special()) == btreeOpaque {
			_, _, err := b.collectPage(nil, 7)
			b.child(7)
			require.True(t, err == nil || errors.Is(err, xlog.ErrCorrupt))
		}
		r := fuzzRelation(false)
		row := &Row{rel: r}
		err := row.page(page, 7, func(row *Row) error {
			r.deform(row)
			valuesOf(row, len(page))
			_ = lockedOnly(row.tuple.Infomask())
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, xlog.ErrCorrupt)
		}
	})
}
