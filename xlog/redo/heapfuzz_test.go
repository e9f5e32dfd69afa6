// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"testing"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// heapPages are pages that records of Heap and Heap2 fit: one with tuples for each of the 16 kinds of records, and an
// empty one.
func heapPages(f *testing.F, d *xlog.Dialect) []bufpage.Page {
	page := heapRedo(f, d).testPage(f, xlog.MainFork, 9)
	empty := make(bufpage.Page, d.BlockSize())
	empty.Init(0, d.PageLayoutVersion())
	pages := make([]bufpage.Page, 0, 17)
	for range 16 {
		pages = append(pages, page)
	}
	return append(pages, empty)
}

func FuzzHeapPages(f *testing.F) {
	fuzzIndex(f, xlog.Postgres16, rmgr.Heap, heapPages(f, xlog.Postgres16)...)
}

func FuzzHeap2Pages(f *testing.F) {
	fuzzIndex(f, xlog.Postgres16, rmgr.Heap2, heapPages(f, xlog.Postgres16)...)
}

func FuzzPruneFreezePages(f *testing.F) {
	fuzzIndex(f, xlog.Postgres18, rmgr.Heap2, heapPages(f, xlog.Postgres18)...)
}
