// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// brinExtendMap adds a page, block 1, to the range map.
func (r *Redo) brinExtendMap(p *rmgr.BrinRevmapExtend) error {
	continues := r.body.Block(2) != nil
	if continues {
		_, err := r.change(2, func(page bufpage.Page) error { return linkBrinMap(page, p.Block) })
		if err != nil {
			return err
		}
	}
	_, err := r.change(0, func(page bufpage.Page) error {
		switch {
		case !p.HasChain:
			brinUnchainMeta(page, r.dialect)
			return setBrinLastMap(page, p.Block, brinMetaEndOf(false, r.dialect))
		case len(page) < brinMetaEnd:
			return errors.New("no room for chains")
		case page[brinMetaIsAO] == 0:
			return setBrinLastMap(page, p.Block, brinMetaEnd)
		}
		return setBrinChain(page, p.BlockSequence, p.Block, p.LogicalPage, !continues)
	})
	if err != nil {
		return err
	}
	return r.brinInitMap(p)
}

func (r *Redo) brinInitMap(p *rmgr.BrinRevmapExtend) error {
	buf, err := r.initBlock(1)
	if err != nil {
		return err
	}
	special := brinSpecial
	if p.HasChain {
		special = brinChainedSpecial
	}
	brinInit(buf.Page, brinMap, special, r.layout)
	if p.AppendOptimized {
		binary.LittleEndian.PutUint32(buf.Page.Special(), p.LogicalPage)
	}
	r.changed(buf)
	return nil
}

// linkBrinMap links a page of the range map to the next one of its chain.
func linkBrinMap(page bufpage.Page, block uint32) error {
	special, err := brinSpecialOf(page)
	if err != nil {
		return err
	}
	if len(special) != brinChainedSpecial {
		return errors.New("a page without chain")
	}
	binary.LittleEndian.PutUint32(special[4:], block)
	return nil
}

// setBrinLastMap writes into the metapage the last page of the range map. Indexes from before 11 have pd_lower wrong.
func setBrinLastMap(page bufpage.Page, block uint32, end int) error {
	if _, err := brinSpecialOf(page); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(page[brinMetaLast:], block)
	page.SetLower(end)
	return nil
}

// brinInitUpper makes a page, block 1, of the level above the range map that tables once had.
func (r *Redo) brinInitUpper(p *rmgr.BrinRevmapInitUpper) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		brinUnchainMeta(page, r.dialect)
		return setBrinLastMap(page, p.Block, page.Lower())
	})
	if err != nil {
		return err
	}
	buf, err := r.initBlock(1)
	if err != nil {
		return err
	}
	brinInit(buf.Page, brinUpper, brinSpecial, r.layout)
	r.changed(buf)
	return nil
}

// brinExtendUpper has a page of the level above point to the page that the range map just got. The record should say
// which that is, but does not (the server takes what is behind the record in its memory); the metapage does.
func (r *Redo) brinExtendUpper(p *rmgr.BrinRevmapExtendUpper) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		block, err := r.lastBrinMap()
		if err != nil {
			return err
		}
		return setBrinUpper(page, p, block)
	})
	return err
}

// lastBrinMap is the last page of the range map of the index.
func (r *Redo) lastBrinMap() (uint32, error) {
	buf, err := r.store.Read(r.body.Block(0).Rel, xlog.MainFork, 0)
	if err != nil {
		return 0, err
	}
	if buf.Page.LSN() > r.lsn {
		return 0, errors.New("the range map has got more pages since")
	}
	return binary.LittleEndian.Uint32(buf.Page[brinMetaLast:]), nil
}

// setBrinUpper writes where the page of the range map is that has a range of a table.
func setBrinUpper(page bufpage.Page, p *rmgr.BrinRevmapExtendUpper, block uint32) error {
	items, err := brinMapItems(page)
	if err != nil {
		return err
	}
	if p.PagesPerRange == 0 {
		return errors.New("ranges of no pages")
	}
	ranges, pages := uint32(len(items)/itemPointerSize), uint32(len(items)/4)
	i := p.HeapBlock / p.PagesPerRange / ranges % pages
	binary.LittleEndian.PutUint32(page[bufpage.HeaderSize+4*i:], block)
	return nil
}
