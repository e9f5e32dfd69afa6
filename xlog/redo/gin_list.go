// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// writeGinMeta makes the metapage anew, whatever is there.
func (r *Redo) writeGinMeta(m *rmgr.GinMetadata) error {
	buf, err := r.initBlock(0)
	if err != nil {
		return err
	}
	ginInit(buf.Page, ginMeta, r.layout)
	copy(buf.Page[bufpage.HeaderSize:], m.Raw)
	buf.Page.SetLower(bufpage.HeaderSize + len(m.Raw))
	r.changed(buf)
	return nil
}

func (r *Redo) ginUpdateMeta(p *rmgr.GinUpdateMeta) error {
	if err := r.writeGinMeta(&p.Metadata); err != nil {
		return err
	}
	switch {
	case p.NTuples > 0:
		_, err := r.change(1, func(page bufpage.Page) error {
			if !p.HasData {
				return errNoData
			}
			return ginAppendRow(page, p.Tuples)
		})
		return err
	case p.PrevTail != invalidBlock:
		return r.ginSetRightLink(1, p.RightLink)
	}
	return nil
}

// ginAppendRow adds the entries of a table's row to a page of the pending list.
func ginAppendRow(page bufpage.Page, tuples rmgr.IndexTuples) error {
	o, err := ginOpaqueOf(page)
	if err != nil {
		return err
	}
	if err := appendTuples(page, tuples); err != nil {
		return err
	}
	o.setMaxOff(o.maxOff() + 1)
	return nil
}

// appendTuples adds index tuples behind those of a page.
func appendTuples(page bufpage.Page, tuples rmgr.IndexTuples) error {
	for off := page.MaxOffset() + 1; len(tuples) > 0; off++ {
		var tuple []byte
		tuple, tuples = tuples.Next()
		if _, err := page.AddItem(tuple, off, false, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *Redo) ginInsertListPage(p *rmgr.GinInsertListPage) error {
	buf, err := r.initBlock(0)
	if err != nil {
		return err
	}
	o := ginInit(buf.Page, ginList, r.layout)
	o.setRightLink(p.RightLink)
	if p.RightLink == invalidBlock {
		o.setFlags(ginList | ginListFullRow)
		o.setMaxOff(1)
	}
	if err := appendTuples(buf.Page, p.Tuples); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}

func (r *Redo) ginDeleteListPages(p *rmgr.GinDeleteListPages) error {
	if err := r.writeGinMeta(&p.Metadata); err != nil {
		return err
	}
	for i := range p.NDeleted {
		buf, err := r.initBlock(uint8(min(i+1, 255)))
		if err != nil {
			return err
		}
		ginInit(buf.Page, ginDeleted, r.layout)
		r.changed(buf)
	}
	return nil
}
