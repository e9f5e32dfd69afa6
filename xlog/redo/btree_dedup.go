// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// pendingPosting is a run of equal tuples that become one (BTDedupStateData). The item pointers of them are in the
// scratch memory.
type pendingPosting struct {
	base    bufpage.IndexTuple
	keySize int // of base without its item pointers
	offset  int // of base on the old page
	items   int
}

// btreeDedup merges equal tuples of a leaf page as the intervals say (btree_xlog_dedup). All tuples go to a new page in
// the order of their numbers.
func (r *Redo) btreeDedup(page bufpage.Page, p *rmgr.BtreeDedup) error {
	if !p.HasData {
		return errNoData
	}
	o, err := btreeOpaqueOf(page)
	if err != nil {
		return err
	}
	temp := r.scratch.copySpecial(page, r.layout)
	btreeOpaque(temp.Special()).clearFlags(btreeHasGarbage)
	first := o.firstKey()
	if first > btreeHighKey {
		if err := appendItem(temp, page.Item(btreeHighKey)); err != nil {
			return err
		}
	}
	if err := r.scratch.dedup(temp, page, first, p.Intervals); err != nil {
		return err
	}
	copy(page, temp)
	return nil
}

func (s *scratch) dedup(dst, src bufpage.Page, first int, intervals rmgr.DedupIntervals) error {
	if first > src.MaxOffset() {
		return fmt.Errorf("%w %d: nothing to merge", bufpage.ErrItem, first)
	}
	var pending pendingPosting
	done := 0
	for off := first; off <= src.MaxOffset(); off++ {
		tuple, err := btreeItem(src, off)
		if err != nil {
			return err
		}
		if off > first && done < intervals.Len() && pending.takes(intervals.At(done)) {
			err = s.mergePosting(&pending, tuple)
		} else {
			done += pending.merged()
			err = errors.Join(s.finishPosting(dst, &pending), s.startPosting(&pending, tuple, off))
		}
		if err != nil {
			return err
		}
	}
	done += pending.merged()
	if done != intervals.Len() {
		return fmt.Errorf("%d of %d intervals found", done, intervals.Len())
	}
	return s.finishPosting(dst, &pending)
}

// takes tells whether the next tuple belongs to the run.
func (p *pendingPosting) takes(i rmgr.DedupInterval) bool {
	return p.offset == int(i.Base) && p.items < int(i.Items)
}

// merged is 1 when the run has more than one tuple.
func (p *pendingPosting) merged() int {
	if p.items > 1 {
		return 1
	}
	return 0
}

// startPosting begins a run with a tuple (_bt_dedup_start_pending).
func (s *scratch) startPosting(p *pendingPosting, tuple bufpage.IndexTuple, off int) error {
	keySize, pointers, err := postingParts(tuple)
	if err != nil {
		return err
	}
	*p = pendingPosting{base: tuple, keySize: keySize, offset: off, items: 1}
	s.pointers = append(s.pointers[:0], pointers...)
	return nil
}

// mergePosting adds a tuple to the run (_bt_dedup_save_htid).
func (s *scratch) mergePosting(p *pendingPosting, tuple bufpage.IndexTuple) error {
	_, pointers, err := postingParts(tuple)
	if err != nil {
		return err
	}
	s.pointers = append(s.pointers, pointers...)
	p.items++
	return nil
}

// finishPosting adds the tuple of the run to a page (_bt_dedup_finish_pending).
func (s *scratch) finishPosting(page bufpage.Page, p *pendingPosting) error {
	switch {
	case p.items == 0:
		return nil
	case p.items == 1:
		if p.base.Size() > len(p.base) {
			return fmt.Errorf("%w: tuple of %d bytes", bufpage.ErrItem, p.base.Size())
		}
		return appendItem(page, p.base[:p.base.Size()])
	}
	tuple, err := s.formPosting(p.base, p.keySize, s.pointers)
	if err != nil {
		return err
	}
	return appendItem(page, tuple)
}
