// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// hashSplitAllocate begins the split of a bucket: block 0 is its first page, block 1 that of the new bucket.
func (r *Redo) hashSplitAllocate(p *rmgr.HashSplitAllocatePage) error {
	err := r.hashMarkBucket(0, func(o hashOpaque) {
		o.setFlags(p.OldFlag)
		o.setPrev(p.NewBucket) // the greatest bucket, when the page was last looked at
	})
	if err != nil {
		return err
	}
	buf, err := r.initBlock(1)
	if err != nil {
		return err
	}
	initHashPage(buf.Page, p.NewBucket, p.NewBucket, p.NewFlag, r.layout)
	r.changed(buf)
	return r.hashChangeMeta(2, func(m hashMeta) error { return growHashMeta(m, p) })
}

// hashMarkBucket changes the special space of a bucket's first page, even when the page came as an image: that is one
// from before the change.
func (r *Redo) hashMarkBucket(id uint8, f func(o hashOpaque)) error {
	buf, act, err := r.block(id)
	if err != nil || act != needsRedo && act != restored {
		return err
	}
	o, err := hashOpaqueOf(buf.Page)
	if err != nil {
		return r.pageError(buf, err)
	}
	f(o)
	r.changed(buf)
	return nil
}

// growHashMeta adds a bucket to the metapage.
func growHashMeta(m hashMeta, p *rmgr.HashSplitAllocatePage) error {
	const data = rmgr.HashSplitMetaUpdateMasks | rmgr.HashSplitMetaUpdateSplitpoint
	if p.Flags&data != 0 && !p.HasData {
		return errNoData
	}
	m.setMaxBucket(p.NewBucket)
	if p.Flags&rmgr.HashSplitMetaUpdateMasks != 0 {
		m.setMasks(p.HighMask, p.LowMask)
	}
	if p.Flags&rmgr.HashSplitMetaUpdateSplitpoint != 0 {
		m.setOverflowPoint(p.OvflPoint)
		return m.setSpares(p.OvflPoint, p.OvflPages)
	}
	return nil
}

// hashSplitComplete ends the split of a bucket.
func (r *Redo) hashSplitComplete(p *rmgr.HashSplitComplete) error {
	err := r.hashMarkBucket(0, func(o hashOpaque) { o.setFlags(p.OldFlag) })
	if err != nil {
		return err
	}
	return r.hashMarkBucket(1, func(o hashOpaque) { o.setFlags(p.NewFlag) })
}

// hashMove moves tuples of a bucket from one page, block 2, to another, block 1.
func (r *Redo) hashMove(p *rmgr.HashMovePageContents) error {
	if err := r.hashLockBucket(p.ToPrimary); err != nil {
		return err
	}
	_, err := r.change(1, func(page bufpage.Page) error { return addHashTuples(page, &p.HashMoved) })
	if err != nil {
		return err
	}
	_, err = r.change(2, func(page bufpage.Page) error {
		if p.Deleted.Len() == 0 {
			return nil
		}
		return page.IndexMultiDelete(r.dialect, r.scratch.offsets(p.Deleted))
	})
	return err
}

// hashLockBucket reads the first page of a bucket, block 0, when that is not block 1. A server locks it; here it only
// must be there.
func (r *Redo) hashLockBucket(toPrimary bool) error {
	if toPrimary {
		return nil
	}
	_, _, err := r.block(0)
	return err
}

// addHashTuples adds moved tuples to a page.
func addHashTuples(page bufpage.Page, p *rmgr.HashMoved) error {
	if !p.HasData && p.NTuples > 0 {
		return errNoData
	}
	tuples := p.Tuples
	for i := range int(p.NTuples) {
		var tuple []byte
		tuple, tuples = tuples.Next()
		if _, err := page.AddItem(tuple, int(p.Offsets.At(i)), false, false); err != nil {
			return fmt.Errorf("tuple %d: %w", i, err)
		}
	}
	return nil
}
