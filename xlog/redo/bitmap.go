// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// bitmap is bitmap_redo (src/backend/access/bitmap/bitmapxlog.c of Greenplum).
func (r *Redo) bitmap(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.BitmapInsertLOVItem:
		return r.bitmapInsertLOVItem(p)
	case *rmgr.BitmapInsertMeta:
		return r.bitmapInsertMeta(p)
	case *rmgr.BitmapInsertLastWords:
		return r.bitmapInsertLastWords(p)
	case *rmgr.BitmapInsertWords:
		return r.bitmapInsertWords(p)
	case *rmgr.BitmapUpdateWord:
		return r.bitmapUpdateWord(p)
	case *rmgr.BitmapUpdateWords:
		return r.bitmapUpdateWords(p)
	}
	return unknown(p)
}

// bitmapInsertLOVItem adds a value. Its place may be further behind than the next one after an aborted transaction, and
// then nothing is done.
func (r *Redo) bitmapInsertLOVItem(p *rmgr.BitmapInsertLOVItem) error {
	buf, act, err := r.block(0)
	if err != nil {
		return err
	}
	if act == needsRedo {
		off := buf.Page.MaxOffset() + 1
		if off < int(p.Offset) {
			return nil
		}
		if err := bitmapAddLOVItem(buf.Page, off, p); err != nil {
			return r.pageError(buf, err)
		}
		r.changed(buf)
	}
	if !p.NewPage {
		return nil
	}
	_, err = r.change(1, func(page bufpage.Page) error {
		binary.LittleEndian.PutUint32(page[bitmapMetaLast:], p.Block)
		return nil
	})
	return err
}

func bitmapAddLOVItem(page bufpage.Page, off int, p *rmgr.BitmapInsertLOVItem) error {
	if off > int(p.Offset) {
		return fmt.Errorf("the next LOV item is %d, not %d", off, p.Offset)
	}
	_, err := page.AddItem(p.Raw, off, false, false)
	return err
}

// bitmapInsertMeta makes the metapage anew, whatever is there.
func (r *Redo) bitmapInsertMeta(p *rmgr.BitmapInsertMeta) error {
	buf, err := r.store.Zero(p.Relation, xlog.ForkNumber(p.Fork), 0)
	if err != nil {
		return err
	}
	buf.Page.Init(0, r.layout)
	for i, v := range [...]uint32{bitmapMagic, bitmapVersion, p.LOVHeap, p.LOVIndex, p.LOVLastPage} {
		binary.LittleEndian.PutUint32(buf.Page[bufpage.HeaderSize+4*i:], v)
	}
	r.changed(buf)
	return nil
}

// bitmapInsertLastWords does nothing where there is no such item.
func (r *Redo) bitmapInsertLastWords(p *rmgr.BitmapInsertLastWords) error {
	buf, act, err := r.block(0)
	if err != nil || act != needsRedo || buf.Page.ItemID(int(p.Offset)).Flags() == bufpage.Unused {
		return err
	}
	item, err := bitmapLOVOf(buf.Page, p.Offset)
	if err != nil {
		return r.pageError(buf, err)
	}
	item.setLast(&p.Item, p.Item.LastTidLocation)
	r.changed(buf)
	return nil
}

func (r *Redo) bitmapInsertWords(p *rmgr.BitmapInsertWords) error {
	first, err := r.refBlock(1)
	if err != nil {
		return err
	}
	last := first
	for i := range p.NumPages {
		id := uint8(min(i+1, 255))
		buf, act, err := r.block(id)
		if err != nil {
			return err
		}
		if act == needsRedo {
			if last, err = r.bitmapWritePage(buf, id, i+1 < p.NumPages); err != nil {
				return r.pageError(buf, err)
			}
		}
	}
	_, err = r.change(0, func(page bufpage.Page) error {
		item, err := bitmapLOVOf(page, p.Offset)
		if err != nil {
			return err
		}
		item.setLast(&p.Item, p.Item.LastSetBit-p.Item.LastSetBit%bitmapWordBits)
		item.setTail(last)
		if p.InitFirstPage {
			item.setHead(first)
		}
		return nil
	})
	return err
}

// bitmapWritePage writes words to a page, which links to the page of the next reference. It gives the page's number as the
// record has it. Where the record does not have the link, from before the release of Greenplum 7, the server looks for it
// in the wrong place, and finds whatever is in its memory.
func (r *Redo) bitmapWritePage(buf *pgdata.Buffer, id uint8, more bool) (uint32, error) {
	p, ok := rmgr.BitmapPageOf(r.body.Block(id).Data)
	if !ok {
		return 0, errNoData
	}
	content, headers := r.dialect.BitmapWords()
	b, err := bitmapPageOf(buf.Page, content, headers)
	if err != nil {
		return 0, err
	}
	if err := b.write(p); err != nil {
		return 0, err
	}
	if p.HasNext {
		b.setNext(p.Next)
	} else if next := r.body.Block(id + 1); more && next != nil {
		b.setNext(next.Block)
	}
	r.changed(buf)
	return p.Block, nil
}

func (r *Redo) bitmapUpdateWord(p *rmgr.BitmapUpdateWord) error {
	content, headers := r.dialect.BitmapWords()
	_, err := r.change(0, func(page bufpage.Page) error {
		b, err := bitmapPageOf(page, content, headers)
		if err != nil {
			return err
		}
		if p.Number < 0 || int(p.Number) >= content {
			return fmt.Errorf("no word %d", p.Number)
		}
		binary.LittleEndian.PutUint64(b.words[8*p.Number:], p.Word)
		binary.LittleEndian.PutUint64(b.headers[8*(p.Number/bitmapWordBits):], p.Header)
		return nil
	})
	return err
}

func (r *Redo) bitmapUpdateWords(p *rmgr.BitmapUpdateWords) error {
	next, lov := p.Next, uint8(1)
	if p.TwoPages {
		next, lov = p.Second.Block, 2
	}
	if err := r.bitmapRewrite(0, &p.First, next); err != nil {
		return err
	}
	if p.TwoPages {
		if err := r.bitmapRewrite(1, &p.Second, p.Next); err != nil {
			return err
		}
	}
	if !p.NewLastPage {
		return nil
	}
	_, err := r.change(lov, func(page bufpage.Page) error {
		item, err := bitmapLOVOf(page, p.Offset)
		if err == nil {
			item.setTail(p.Second.Block)
		}
		return err
	})
	return err
}

func (r *Redo) bitmapRewrite(id uint8, p *rmgr.BitmapWholePage, next uint32) error {
	content, headers := r.dialect.BitmapWords()
	_, err := r.change(id, func(page bufpage.Page) error {
		b, err := bitmapPageOf(page, content, headers)
		if err == nil {
			b.writeWhole(p, next)
		}
		return err
	})
	return err
}
