// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// heapPage is a page with two tuples, of 30 and 40 bytes.
func heapPage(t testing.TB, d *xlog.Dialect) bufpage.Page {
	page := make(bufpage.Page, d.BlockSize())
	page.Init(0, d.PageLayoutVersion())
	for _, size := range []int{30, 40} {
		_, err := page.AddItem(bytes.Repeat([]byte{1}, size), 0, false, true)
		require.NoError(t, err)
	}
	return page
}

// TestCheckConsistency: a page that differs is found, and one that differs in what is masked is not.
func TestCheckConsistency(t *testing.T) {
	d := xlog.Postgres18
	r := storedRedo(t, d, false)
	r.CheckConsistency(true)
	check := func(change func(page bufpage.Page), flags uint8) error {
		page := heapPage(t, d)
		r.testRecord(0, xlog.BlockRef{
			Rel: testRel, Block: 3, Flags: xlog.BlockHasImage, Image: xlog.Image{Data: bytes.Clone(page)},
		})
		r.rec.Rmgr, r.rec.Info = rmgr.Heap, flags
		buf, err := r.store.Zero(testRel, xlog.MainFork, 3)
		require.NoError(t, err)
		copy(buf.Page, page)
		change(buf.Page)
		r.changed(buf)
		return r.checkConsistency()
	}
	tuple := func(page bufpage.Page) bufpage.HeapTuple { return page.HeapTuple(2) }
	for name, change := range map[string]func(page bufpage.Page){
		"nothing":     func(bufpage.Page) {},
		"hint bits":   func(page bufpage.Page) { tuple(page).SetInfomask(tuple(page).Infomask() | bufpage.XmaxInvalid) },
		"command":     func(page bufpage.Page) { tuple(page).SetCID(9) },
		"the hole":    func(page bufpage.Page) { page[page.Upper()-1] = 9 },
		"padding":     func(page bufpage.Page) { page[len(page)-1] = 9 },
		"prune xid":   func(page bufpage.Page) { page.SetPruneXID(7) },
		"page full":   func(page bufpage.Page) { page.SetFlags(bufpage.PageFull) },
		"checksum":    func(page bufpage.Page) { page.SetChecksum(3) },
		"all visible": func(page bufpage.Page) { page.SetFlags(bufpage.AllVisible) },
	} {
		before := r.Compared()
		require.NoError(t, check(change, xlog.XLRCheckConsistency), name)
		require.Equal(t, before+1, r.Compared(), name)
	}
	for name, change := range map[string]func(page bufpage.Page){
		"data":          func(page bufpage.Page) { tuple(page)[30] = 9 },
		"xmin":          func(page bufpage.Page) { tuple(page).SetXmin(9) },
		"ctid":          func(page bufpage.Page) { tuple(page).SetCTID(bufpage.TID{Block: 3, Offset: 2}) },
		"line pointer":  func(page bufpage.Page) { page.SetItemID(1, 0) },
		"lower":         func(page bufpage.Page) { page.SetLower(page.Lower() + 4) },
		"a broken page": func(page bufpage.Page) { page.SetLower(9) },
	} {
		before := r.Compared()
		err := check(change, xlog.XLRCheckConsistency)
		require.Error(t, err, name)
		require.Equal(t, name != "a broken page", errors.Is(err, ErrInconsistent), "%v", err)
		require.Equal(t, before, r.Compared(), name)
		require.NoError(t, check(change, 0), "not to be compared")
	}
}

// TestMaskRefuses: pages that make no sense are errors.
func TestMaskRefuses(t *testing.T) {
	for _, d := range xlog.Dialects() {
		for id := range masks {
			require.ErrorIs(t, mask(d, id, make(bufpage.Page, d.BlockSize()), 0), bufpage.ErrPage, "%s, %s", d, d.RmgrName(id))
		}
	}
}

// FuzzMask: whatever a page says, nothing outside of it is touched.
func FuzzMask(f *testing.F) {
	f.Add(uint8(0), uint8(10), []byte(heapPage(f, xlog.Postgres15)))
	f.Fuzz(func(t *testing.T, dialect, id uint8, content []byte) {
		all := bytes.Repeat([]byte{0xEE}, 8192+64)
		page := bufpage.Page(all[:8192:8192])
		copy(page, content)
		d := xlog.Dialects()[int(dialect)%len(xlog.Dialects())]
		if err := mask(d, xlog.RmgrID(id), page, 1); err != nil {
			require.ErrorIs(t, err, bufpage.ErrPage)
		}
		require.Equal(t, bytes.Repeat([]byte{0xEE}, 64), all[8192:])
	})
}
