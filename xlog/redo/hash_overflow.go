// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// hashAddOverflow adds an overflow page, block 0, behind a page of a bucket, block 1.
func (r *Redo) hashAddOverflow(p *rmgr.HashAddOvflPage) error {
	page, left := r.body.Block(0), r.body.Block(1)
	if page == nil || left == nil {
		return errNoBlock
	}
	newBlock, prev := page.Block, left.Block
	buf, err := r.initBlock(0)
	if err != nil {
		return err
	}
	initHashPage(buf.Page, prev, p.Bucket, hashOverflowPage, r.layout)
	r.changed(buf)
	if err := r.hashChangeOpaque(1, func(o hashOpaque) { o.setNext(newBlock) }); err != nil {
		return err
	}
	if r.body.Block(2) != nil {
		if err := r.hashSetBit(2, p.Bit, p.HasBit, true); err != nil {
			return err
		}
	}
	return r.hashCountOverflow(p)
}

// hashSetBit says in a bitmap page whether an overflow page is in use.
func (r *Redo) hashSetBit(id uint8, bit uint32, hasBit, used bool) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		if !hasBit {
			return errNoData
		}
		return setHashBit(page, bit, used)
	})
	return err
}

// hashCountOverflow counts a new overflow page in the metapage, and the new bitmap page, block 3, that it may need.
func (r *Redo) hashCountOverflow(p *rmgr.HashAddOvflPage) error {
	bitmap := r.body.Block(3)
	bitmapBlock := uint32(hashNone)
	if bitmap != nil {
		bitmapBlock = bitmap.Block
		if err := r.hashNewBitmap(3, p.BitmapSize); err != nil {
			return err
		}
	}
	return r.hashChangeMeta(4, func(m hashMeta) error {
		if !p.HasFree {
			return errNoData
		}
		m.setFirstFree(p.FirstFree)
		switch {
		case p.BitmapFound:
			return nil
		case bitmapBlock == hashNone:
			return m.addSpares(1)
		}
		if err := m.addBitmap(bitmapBlock); err != nil {
			return err
		}
		return m.addSpares(2)
	})
}

// hashSqueeze frees the last page of a bucket, block 2, and moves its tuples to another, block 1.
func (r *Redo) hashSqueeze(p *rmgr.HashSqueezePage) error {
	if err := r.hashLockBucket(p.ToPrimary); err != nil {
		return err
	}
	if err := r.hashSqueezeInto(p); err != nil {
		return err
	}
	_, err := r.change(2, func(page bufpage.Page) error {
		initHashPage(page, hashNone, hashNone, 0, r.layout)
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.hashUnlink(p); err != nil {
		return err
	}
	if err := r.hashSetBit(5, p.Bit, p.HasBit, false); err != nil || r.body.Block(6) == nil {
		return err
	}
	return r.hashChangeMeta(6, func(m hashMeta) error {
		if !p.HasFree {
			return errNoData
		}
		m.setFirstFree(p.FirstFree)
		return nil
	})
}

// hashSqueezeInto changes the page that gets the tuples. It may get none, and then it may not even be in the record.
func (r *Redo) hashSqueezeInto(p *rmgr.HashSqueezePage) error {
	unchanged := p.NTuples == 0 && !p.ToPrevious && r.dialect.HashSqueezeSparesUnchanged()
	if unchanged {
		if !p.ToPrimary {
			return nil
		}
		_, _, err := r.block(1)
		return err
	}
	_, err := r.change(1, func(page bufpage.Page) error {
		o, err := hashOpaqueOf(page)
		if err != nil {
			return err
		}
		if p.ToPrevious {
			o.setNext(p.Next)
		}
		return addHashTuples(page, &p.HashMoved)
	})
	return err
}

// hashUnlink takes the freed page out of the bucket: block 3 is the page before it, unless that is block 1, block 4 the
// one behind it, if any.
func (r *Redo) hashUnlink(p *rmgr.HashSqueezePage) error {
	if !p.ToPrevious {
		if err := r.hashChangeOpaque(3, func(o hashOpaque) { o.setNext(p.Next) }); err != nil {
			return err
		}
	}
	if r.body.Block(4) == nil {
		return nil
	}
	return r.hashChangeOpaque(4, func(o hashOpaque) { o.setPrev(p.Prev) })
}
