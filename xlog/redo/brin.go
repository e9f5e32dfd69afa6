// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// brin is brin_redo (src/backend/access/brin/brin_xlog.c).
func (r *Redo) brin(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.BrinCreateIndex:
		return r.brinCreateIndex(p)
	case *rmgr.BrinInsert:
		return r.brinInsert(p)
	case *rmgr.BrinUpdate:
		return r.brinUpdate(p)
	case *rmgr.BrinSamepageUpdate:
		return r.brinSamepageUpdate(p)
	case *rmgr.BrinRevmapExtend:
		return r.brinExtendMap(p)
	case *rmgr.BrinDesummarize:
		return r.brinDesummarize(p)
	case *rmgr.BrinRevmapInitUpper:
		return r.brinInitUpper(p)
	case *rmgr.BrinRevmapExtendUpper:
		return r.brinExtendUpper(p)
	}
	return unknown(p)
}

func (r *Redo) brinCreateIndex(p *rmgr.BrinCreateIndex) error {
	buf, err := r.initBlock(0)
	if err != nil {
		return err
	}
	chained := r.dialect.BRINChains() && len(buf.Page) >= brinMetaEnd+brinChainedSpecial
	brinInitMeta(buf.Page, p.PagesPerRange, uint32(p.Version), p.AppendOptimized, chained, r.dialect)
	r.changed(buf)
	return nil
}

// brinInsert adds a summary, and has the range map, block 1, point to it.
func (r *Redo) brinInsert(p *rmgr.BrinInsert) error {
	mapPage, mapAction, err := r.block(1)
	if err != nil {
		return err
	}
	block, err := r.refBlock(0)
	if err != nil {
		return err
	}
	buf, act, err := r.brinSummaryPage(p.Init, mapPage)
	if err != nil {
		return err
	}
	if act == needsRedo {
		if err := brinAddSummary(buf.Page, p); err != nil {
			return r.pageError(buf, err)
		}
		r.changed(buf)
	}
	if mapAction == needsRedo {
		if err := setBrinSummary(mapPage.Page, p.PagesPerRange, p.HeapBlock, block, p.Offset); err != nil {
			return r.pageError(mapPage, err)
		}
		r.changed(mapPage)
	}
	return nil
}

// brinSummaryPage is block 0, made anew if init is set, with the special space that the index's other pages have.
func (r *Redo) brinSummaryPage(init bool, other *pgdata.Buffer) (*pgdata.Buffer, action, error) {
	if !init {
		return r.block(0)
	}
	buf, err := r.initBlock(0)
	if err != nil {
		return nil, notFound, err
	}
	special := brinSpecial
	if other != nil && len(other.Page.Special()) == brinChainedSpecial {
		special = brinChainedSpecial
	}
	brinInit(buf.Page, brinRegular, special, r.layout)
	return buf, needsRedo, nil
}

func brinAddSummary(page bufpage.Page, p *rmgr.BrinInsert) error {
	if p.Tuple == nil {
		return errNoData
	}
	_, err := page.AddItem(p.Tuple, int(p.Offset), true, false)
	return err
}

func (r *Redo) brinUpdate(p *rmgr.BrinUpdate) error {
	_, err := r.change(2, func(page bufpage.Page) error { return page.IndexDeleteNoCompact(int(p.OldOffset)) })
	if err != nil {
		return err
	}
	return r.brinInsert(&p.BrinInsert)
}

func (r *Redo) brinSamepageUpdate(p *rmgr.BrinSamepageUpdate) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		if p.Tuple == nil {
			return errNoData
		}
		return page.IndexOverwrite(r.dialect, int(p.Offset), p.Tuple)
	})
	return err
}

func (r *Redo) brinDesummarize(p *rmgr.BrinDesummarize) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		if p.MapIndex < 0 {
			return setBrinSummary(page, p.PagesPerRange, p.HeapBlock, invalidBlock, 0)
		}
		return setBrinSummary(page, 1, uint32(p.MapIndex), invalidBlock, 0)
	})
	if err != nil {
		return err
	}
	_, err = r.change(1, func(page bufpage.Page) error { return page.IndexDeleteNoCompact(int(p.Offset)) })
	return err
}
