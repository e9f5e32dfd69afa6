// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// hash redoes the records of Hash (src/backend/access/hash/hash_xlog.c).
func (r *Redo) hash(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.HashInitMetaPage:
		return r.hashInitMeta(p)
	case *rmgr.HashInitBitmapPage:
		return r.hashInitBitmap(p)
	case *rmgr.HashInsert:
		return r.hashInsert(p)
	case *rmgr.HashAddOvflPage:
		return r.hashAddOverflow(p)
	case *rmgr.HashSplitAllocatePage:
		return r.hashSplitAllocate(p)
	case *rmgr.HashSplitPage:
		return r.hashSplitPage()
	case *rmgr.HashSplitComplete:
		return r.hashSplitComplete(p)
	case *rmgr.HashMovePageContents:
		return r.hashMove(p)
	case *rmgr.HashSqueezePage:
		return r.hashSqueeze(p)
	case *rmgr.HashDelete:
		return r.hashDelete(p)
	case *rmgr.HashSplitCleanup:
		return r.hashSplitCleanup()
	case *rmgr.HashUpdateMetaPage:
		return r.hashChangeMeta(0, func(m hashMeta) error { m.setTuples(p.Tuples); return nil })
	case *rmgr.HashVacuumOnePage:
		return r.hashVacuumPage(p)
	}
	return unknown(p)
}

// hashChangeMeta redoes the metapage by f.
func (r *Redo) hashChangeMeta(id uint8, f func(m hashMeta) error) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		m, err := hashMetaOf(page)
		if err == nil {
			err = f(m)
		}
		return err
	})
	return err
}

// hashChangeOpaque redoes the special space of a page by f.
func (r *Redo) hashChangeOpaque(id uint8, f func(o hashOpaque)) error {
	_, err := r.change(id, func(page bufpage.Page) error {
		o, err := hashOpaqueOf(page)
		if err == nil {
			f(o)
		}
		return err
	})
	return err
}

// hashInitMeta makes the metapage of an index.
func (r *Redo) hashInitMeta(p *rmgr.HashInitMetaPage) error {
	buf, err := r.initBlock(0)
	if err != nil {
		return err
	}
	if err := initHashMeta(buf.Page, p, r.layout); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}

// hashInitBitmap makes the first bitmap page of an index. It is behind the first buckets.
func (r *Redo) hashInitBitmap(p *rmgr.HashInitBitmapPage) error {
	if err := r.hashNewBitmap(0, p.BitmapSize); err != nil {
		return err
	}
	return r.hashChangeMeta(1, func(m hashMeta) error { return m.addBitmap(m.maxBucket() + 2) })
}

// hashNewBitmap makes the bitmap page of reference id.
func (r *Redo) hashNewBitmap(id uint8, size uint16) error {
	buf, err := r.initBlock(id)
	if err != nil {
		return err
	}
	if err := initHashBitmap(buf.Page, int(size), r.layout); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}

// hashInsert adds a tuple.
func (r *Redo) hashInsert(p *rmgr.HashInsert) error {
	_, err := r.change(0, func(page bufpage.Page) error {
		if p.Tuple == nil {
			return errNoData
		}
		_, err := page.AddItem(p.Tuple, int(p.Offset), false, false)
		return err
	})
	if err != nil {
		return err
	}
	return r.hashChangeMeta(1, func(m hashMeta) error { m.setTuples(m.tuples() + 1); return nil })
}

// hashDelete removes what a vacuum or the end of a split removed from a page, block 1. Block 0, the first page of the
// bucket, is in the record for its lock only.
func (r *Redo) hashDelete(p *rmgr.HashDelete) error {
	if !p.PrimaryPage {
		if _, _, err := r.block(0); err != nil {
			return err
		}
	}
	_, err := r.change(1, func(page bufpage.Page) error {
		return r.hashRemove(page, p.Offsets, p.ClearDeadMarking)
	})
	return err
}

// hashRemove removes tuples of a page, and the mark that it has dead ones.
func (r *Redo) hashRemove(page bufpage.Page, offsets rmgr.Uint16s, clearMark bool) error {
	o, err := hashOpaqueOf(page)
	if err != nil {
		return err
	}
	if offsets.Len() > 0 {
		if err := page.IndexMultiDelete(r.dialect, r.scratch.offsets(offsets)); err != nil {
			return err
		}
	}
	if clearMark {
		o.clearFlags(hashHasDeadTuples)
	}
	return nil
}

// hashVacuumPage removes dead tuples of a page, before one is added.
func (r *Redo) hashVacuumPage(p *rmgr.HashVacuumOnePage) error {
	_, err := r.change(0, func(page bufpage.Page) error { return r.hashRemove(page, p.Offsets, true) })
	if err != nil {
		return err
	}
	n := float64(p.Offsets.Len())
	return r.hashChangeMeta(1, func(m hashMeta) error { m.setTuples(m.tuples() - n); return nil })
}

// hashSplitPage has a page that a split filled, as an image.
func (r *Redo) hashSplitPage() error {
	_, act, err := r.block(0)
	if err == nil && act != restored {
		err = errors.New("the record of a split has no full-page image")
	}
	return err
}

// hashSplitCleanup takes the mark from the first page of a bucket that it has tuples which a split moved away.
func (r *Redo) hashSplitCleanup() error {
	return r.hashChangeOpaque(0, func(o hashOpaque) { o.clearFlags(hashNeedsSplitCleanup) })
}
