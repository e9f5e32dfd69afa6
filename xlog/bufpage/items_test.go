// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// pageOf is a page with the items, one after another.
func pageOf(t testing.TB, size, special int, items ...string) Page {
	p := make(Page, size)
	p.Init(special, layoutVersion)
	for i, item := range items {
		off, err := p.AddItem([]byte(item), 0, false, false)
		require.NoError(t, err)
		require.Equal(t, i+1, off)
	}
	return p
}

// items are the texts of a page's items, "-" for a line pointer without one.
func items(p Page) (list []string) {
	for off := 1; off <= p.MaxOffset(); off++ {
		if item := p.Item(off); item != nil {
			list = append(list, string(item))
		} else {
			list = append(list, "-")
		}
	}
	return list
}

// order is the page's items by their place, from the end of the page.
func order(p Page) string {
	type placed struct {
		at   int
		text string
	}
	var list []placed
	for off := 1; off <= p.MaxOffset(); off++ {
		if item := p.Item(off); item != nil {
			list = append(list, placed{p.ItemID(off).Offset(), string(item)})
		}
	}
	slices.SortFunc(list, func(a, b placed) int { return b.at - a.at })
	var text []byte
	for _, it := range list {
		text = append(text, it.text...)
	}
	return string(text)
}

func TestAddItem(t *testing.T) {
	p := pageOf(t, 1024, 16, "a", "b", "c")
	require.Equal(t, []string{"a", "b", "c"}, items(p))
	require.Equal(t, 36, p.Lower())
	require.Equal(t, 1008-24, p.Upper())

	off, err := p.AddItem([]byte("between"), 2, false, false)
	require.NoError(t, err)
	require.Equal(t, 2, off)
	require.Equal(t, []string{"a", "between", "b", "c"}, items(p))

	_, err = p.AddItem([]byte("x"), 2, true, false)
	require.ErrorIs(t, err, ErrItem)
	_, err = p.AddItem([]byte("x"), 6, false, false)
	require.ErrorIs(t, err, ErrItem)
	_, err = p.AddItem(make([]byte, 1024), 0, false, false)
	require.ErrorIs(t, err, ErrItem)
	require.ErrorIs(t, err, ErrPage)

	p.SetItemID(3, 0)
	off, err = p.AddItem([]byte("end"), 0, false, false) // the page does not say that there is a free one
	require.NoError(t, err)
	require.Equal(t, 5, off)
	p.SetFlags(HasFreeLines)
	off, err = p.AddItem([]byte("free"), 0, false, false)
	require.NoError(t, err)
	require.Equal(t, 3, off)
	require.Equal(t, HasFreeLines, p.Flags())
	off, err = p.AddItem([]byte("next"), 0, false, false)
	require.NoError(t, err)
	require.Equal(t, 6, off)
	require.Zero(t, p.Flags())
	p.SetItemID(1, 0)
	off, err = p.AddItem([]byte("over"), 1, true, false)
	require.NoError(t, err)
	require.Equal(t, 1, off)
	require.Equal(t, []string{"over", "between", "free", "c", "end", "next"}, items(p))
}

func TestAddItemToHeap(t *testing.T) {
	for size := MinPageSize; size <= MaxPageSize; size *= 2 {
		p := make(Page, size)
		p.Init(0, layoutVersion)
		for range MaxHeapTuples(size) {
			require.NotZero(t, p.HeapFreeSpace())
			_, err := p.AddItem([]byte("tuple"), 0, false, true)
			require.NoError(t, err)
		}
		require.NotZero(t, p.FreeSpace())
		require.Zero(t, p.HeapFreeSpace())
		_, err := p.AddItem([]byte("tuple"), 0, false, true)
		require.ErrorIs(t, err, ErrItem)
		p.SetItemID(7, 0)
		require.Zero(t, p.HeapFreeSpace())
		p.SetFlags(HasFreeLines)
		require.Equal(t, p.FreeSpace(), p.HeapFreeSpace())
	}
}

// TestCompactOrder: up to version 13 items keep their order on the page, afterwards they get that of their line
// pointers.
func TestCompactOrder(t *testing.T) {
	for _, c := range []struct {
		d     *xlog.Dialect
		order string
	}{
		{xlog.Postgres12, "ceb"}, {xlog.Postgres13, "ceb"}, {xlog.Greenplum7, "ceb"},
		{xlog.Postgres14, "bce"}, {xlog.Postgres18, "bce"}, {xlog.CloudberryDB, "bce"},
	} {
		p := pageOf(t, 1024, 0, "a", "c", "d", "e")
		_, err := p.AddItem([]byte("b"), 2, false, false) // a b c d e, and b is the last on the page
		require.NoError(t, err)
		q := Page(bytes.Clone(p))

		require.NoError(t, p.IndexMultiDelete(c.d, []uint16{1, 4, 4}[:2]))
		require.Equal(t, []string{"b", "c", "e"}, items(p))

		q.SetItemID(1, 0)
		q.SetItemID(4, 0)
		require.NoError(t, q.RepairFragmentation(c.d))
		require.Equal(t, []string{"-", "b", "c", "-", "e"}, items(q))
		require.Equal(t, c.order, order(q), "%s", c.d)
		require.Equal(t, HasFreeLines, q.Flags())
		require.Equal(t, 1024-24, q.Upper())
		require.Equal(t, "b\x00\x00\x00\x00\x00\x00\x00e\x00\x00\x00", string(q[1024-40:1024-28])) // what was there stays

		r := pageOf(t, 1024, 0, "a", "c", "d", "e", "f")
		_, err = r.AddItem([]byte("b"), 2, false, false)
		require.NoError(t, err)
		require.NoError(t, r.IndexMultiDelete(c.d, []uint16{1, 4, 6}))
		require.Equal(t, []string{"b", "c", "e"}, items(r))
		require.Equal(t, c.order, order(r), "%s", c.d)
	}
}

func TestRepairTruncates(t *testing.T) {
	for _, c := range []struct {
		d     *xlog.Dialect
		lines int
		flags uint16
	}{{xlog.Postgres14, 4, HasFreeLines}, {xlog.Postgres15, 2, 0}} {
		p := pageOf(t, 1024, 0, "a", "b", "c", "d")
		p.SetItemID(3, 0)
		p.SetItemID(4, MakeItemID(0, Unused, 3))
		require.NoError(t, p.RepairFragmentation(c.d))
		require.Equal(t, c.lines, p.MaxOffset())
		require.Equal(t, c.flags, p.Flags())
		require.Equal(t, 1024-16, p.Upper())
	}
}

func TestTruncateLines(t *testing.T) {
	p := pageOf(t, 1024, 0, "a", "b", "c", "d")
	p.SetItemID(4, 0)
	p.SetItemID(2, 0)
	p.TruncateLines()
	require.Equal(t, []string{"a", "-", "c"}, items(p))
	require.Equal(t, HasFreeLines, p.Flags())
	p.SetItemID(3, 0)
	p.TruncateLines()
	require.Equal(t, []string{"a"}, items(p))
	require.Zero(t, p.Flags())
	p.SetItemID(1, 0)
	p.TruncateLines()
	require.Equal(t, 1, p.MaxOffset())
	require.Equal(t, HasFreeLines, p.Flags())
}

func TestIndexDelete(t *testing.T) {
	p := pageOf(t, 1024, 16, "a", "a longer one", "c", "d")
	require.NoError(t, p.IndexDelete(2))
	require.Equal(t, []string{"a", "c", "d"}, items(p))
	require.Equal(t, 1008-24, p.Upper())
	require.NoError(t, p.IndexMultiDelete(xlog.Postgres15, []uint16{1, 3}))
	require.Equal(t, []string{"c"}, items(p))
	require.ErrorIs(t, p.IndexDelete(2), ErrItem)
	require.ErrorIs(t, p.IndexDelete(0), ErrItem)
	require.ErrorIs(t, p.IndexMultiDelete(xlog.Postgres15, []uint16{1, 2, 3}), ErrItem)
	require.NoError(t, p.IndexDelete(1))
	require.Empty(t, items(p))
	require.Equal(t, 1008, p.Upper())

	p = pageOf(t, 1024, 16, "a", "b", "c")
	require.ErrorIs(t, p.IndexMultiDelete(xlog.Postgres15, []uint16{1, 3, 2}), ErrItem)
	require.NoError(t, p.IndexMultiDelete(xlog.Postgres15, []uint16{1, 2, 3}))
	require.Empty(t, items(p))
	require.Equal(t, 1008, p.Upper())
}

func TestIndexDeleteNoCompact(t *testing.T) {
	p := pageOf(t, 1024, 8, "a", "b", "c")
	require.NoError(t, p.IndexDeleteNoCompact(2))
	require.Equal(t, []string{"a", "-", "c"}, items(p))
	require.NoError(t, p.IndexDeleteNoCompact(3))
	require.Equal(t, []string{"a", "-"}, items(p))
	require.Equal(t, 1016-8, p.Upper())
}

func TestIndexOverwrite(t *testing.T) {
	for _, d := range []*xlog.Dialect{xlog.Postgres12, xlog.Postgres13} {
		p := pageOf(t, 1024, 8, "a", "b", "c")
		p.SetItemID(2, p.ItemID(2)|MakeItemID(0, Dead, 0))
		require.NoError(t, p.IndexOverwrite(d, 2, []byte("longer than before")))
		require.Equal(t, []string{"a", "longer than before", "c"}, items(p))
		require.Equal(t, d == xlog.Postgres13, p.ItemID(2).Flags() == Dead)
		require.NoError(t, p.IndexOverwrite(d, 2, []byte("short")))
		require.Equal(t, []string{"a", "short", "c"}, items(p))
		require.Equal(t, 1016-24, p.Upper())
		require.ErrorIs(t, p.IndexOverwrite(d, 2, make([]byte, 1000)), ErrItem)
		require.Equal(t, []string{"a", "short", "c"}, items(p))
	}
}

// TestIndexMultiDelete compares with deleting one by one, which must leave the same items.
func TestIndexMultiDelete(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, d := range []*xlog.Dialect{xlog.Postgres12, xlog.Postgres18} {
		for size := MinPageSize; size <= MaxPageSize; size *= 2 {
			for range 20 {
				p := make(Page, size)
				p.Init(16, layoutVersion)
				for n := 0; p.FreeSpace() > 60; n++ {
					_, err := p.AddItem(bytes.Repeat([]byte{byte('a' + n%26)}, 16+random.IntN(20)), 1+random.IntN(n+1), false, false)
					require.NoError(t, err)
				}
				var offs []uint16
				for off := 1; off <= p.MaxOffset(); off++ {
					if random.IntN(3) == 0 {
						offs = append(offs, uint16(off))
					}
				}
				q := Page(bytes.Clone(p))
				require.NoError(t, p.IndexMultiDelete(d, offs))
				for i := len(offs) - 1; i >= 0; i-- {
					require.NoError(t, q.IndexDelete(int(offs[i])))
				}
				require.Equal(t, items(q), items(p))
				require.Equal(t, q[12:24], p[12:24])
			}
		}
	}
}

func TestItemsAllocate(t *testing.T) {
	p := pageOf(t, 8192, 16, "a", "b", "c", "d", "e", "f", "g")
	offs, item := []uint16{2, 3, 5}, []byte("item")
	for _, d := range []*xlog.Dialect{xlog.Postgres12, xlog.Postgres18} {
		q := make(Page, len(p))
		require.Zero(t, testing.AllocsPerRun(20, func() {
			copy(q, p)
			_, err := q.AddItem(item, 2, false, true)
			if err != nil || q.IndexMultiDelete(d, offs) != nil || q.RepairFragmentation(d) != nil ||
				q.IndexOverwrite(d, 1, item) != nil || q.IndexDelete(2) != nil {
				t.Fatal(items(q))
			}
		}))
	}
}

// FuzzItems: whatever a page says, nothing outside of it is touched.
func FuzzItems(f *testing.F) {
	f.Add(uint8(3), uint16(2), []byte(pageOf(f, 1024, 16, "a", "bb", "c", "d")))
	f.Fuzz(func(t *testing.T, what uint8, off uint16, page []byte) {
		all := bytes.Repeat([]byte{0xEE}, MinPageSize+64)
		p := Page(all[:MinPageSize:MinPageSize])
		copy(p, page)
		d := xlog.Dialects()[int(what/8)%len(xlog.Dialects())]
		switch n := int(off); what % 8 {
		case 0:
			_, _ = p.AddItem([]byte("item"), n, n&1 != 0, n&2 != 0)
		case 1:
			_ = p.IndexDelete(n)
		case 2:
			_ = p.IndexMultiDelete(d, []uint16{off, off + 1, off + 3, off + 6})
		case 3:
			_ = p.RepairFragmentation(d)
		case 4:
			_ = p.IndexOverwrite(d, n, []byte("an item of some length"))
		case 5:
			_ = p.IndexDeleteNoCompact(n)
		case 6:
			p.TruncateLines()
		case 7:
			_, _, _ = p.HeapFreeSpace(), p.Item(n), p.Special()
		}
		require.Equal(t, bytes.Repeat([]byte{0xEE}, 64), all[MinPageSize:])
	})
}
