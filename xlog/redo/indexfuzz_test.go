// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"testing"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

func FuzzGinPages(f *testing.F) {
	inner := ginLeafPage(f)
	ginOpaque(inner.Special()).setFlags(ginData)
	fuzzIndex(f, xlog.Postgres16, rmgr.Gin, ginLeafPage(f, ginListOf(f, 1, 2, 900)), inner)
}

func FuzzGistPages(f *testing.F) {
	page := gistTestPage(xlog.Postgres16, gistLeaf)
	_ = appendTuples(page, rmgr.IndexTuples(append(plainTuple(16, 1), plainTuple(16, 2)...)))
	fuzzIndex(f, xlog.Postgres16, rmgr.Gist, page)
}

func FuzzSPGistPages(f *testing.F) {
	leaf := spgistTestPage(f, xlog.Postgres16, spgistLeafPage, spgistLeaf(16, 2), spgistLeaf(24, 0))
	fuzzIndex(f, xlog.Postgres16, rmgr.SPGist, leaf, spgistTestPage(f, xlog.Postgres16, 0, spgistInner(4)))
}

func FuzzBrinPages(f *testing.F) {
	page := func(kind uint16) bufpage.Page {
		page := make(bufpage.Page, xlog.Greenplum7.BlockSize())
		brinInit(page, kind, brinChainedSpecial, 14)
		return page
	}
	meta := page(brinMeta)
	brinInitMeta(meta, 1, 1, true, true, xlog.Greenplum7)
	fuzzIndex(f, xlog.Greenplum7, rmgr.BRIN, meta, page(brinMap), page(brinRegular), page(brinUpper))
}

func FuzzBitmapPages(f *testing.F) {
	page := make(bufpage.Page, xlog.Greenplum7.BlockSize())
	page.Init(bitmapOpaqueSize, 14)
	fuzzIndex(f, xlog.Greenplum7, rmgr.Bitmap, bitmapLOVPage(f, 2), page)
}
