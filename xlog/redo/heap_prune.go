// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

var errNoPruning = errors.New("the record does not say what was pruned or frozen")

// heapPrune is heap_xlog_prune up to PostgreSQL 16, heap_xlog_clean up to 13.
func (r *Redo) heapPrune(p *rmgr.HeapPrune) error {
	return r.pruned(func(page bufpage.Page) error {
		if !p.HasData && p.NRedirected+p.NDead > 0 {
			return errNoPruning
		}
		if err := pruneLines(page, p.Redirected, p.Dead, p.Unused); err != nil {
			return err
		}
		return page.RepairFragmentation(r.dialect)
	})
}

// heapVacuum is heap_xlog_vacuum of PostgreSQL 14 to 16.
func (r *Redo) heapVacuum(p *rmgr.HeapVacuum) error {
	return r.pruned(func(page bufpage.Page) error {
		if !p.HasData {
			return errNoPruning
		}
		if err := pruneLines(page, nil, nil, p.Unused); err != nil {
			return err
		}
		page.TruncateLines()
		return nil
	})
}

// pruned redoes block 0, and notes in the free space map what the page has left, also when it came as an image.
func (r *Redo) pruned(f func(page bufpage.Page) error) error {
	buf, err := r.heapChange(f)
	if err != nil || buf == nil {
		return err
	}
	return r.recordFreeSpace(buf.Rel, buf.Block, buf.Page.HeapFreeSpace())
}

// heapChange is change of block 0; it gives the block, nil when there is none.
func (r *Redo) heapChange(f func(page bufpage.Page) error) (*pgdata.Buffer, error) {
	buf, act, err := r.block(0)
	if err != nil || act != needsRedo {
		return buf, err
	}
	if err := f(buf.Page); err != nil {
		return nil, r.pageError(buf, err)
	}
	r.changed(buf)
	return buf, nil
}

// Bits of HeapPruneFreeze.Flags that say that line pointers change.
const pruneLinesChange = rmgr.PruneHasRedirections | rmgr.PruneHasDeadItems | rmgr.PruneHasNowUnusedItems

// heapPruneFreeze is heap_xlog_prune_freeze, from PostgreSQL 17 on.
func (r *Redo) heapPruneFreeze(p *rmgr.HeapPruneFreeze) error {
	f := func(page bufpage.Page) error { return r.pruneFreeze(page, p) }
	if p.Flags&pruneLinesChange != 0 {
		return r.pruned(f)
	}
	_, err := r.heapChange(f)
	return err
}

func (r *Redo) pruneFreeze(page bufpage.Page, p *rmgr.HeapPruneFreeze) error {
	if !p.HasData && p.Flags&(pruneLinesChange|rmgr.PruneHasFreezePlans) != 0 {
		return errNoPruning
	}
	if p.Redirected.Len()+p.Dead.Len()+p.Unused.Len() > 0 {
		if err := pruneLines(page, p.Redirected, p.Dead, p.Unused); err != nil {
			return err
		}
		if p.Flags&rmgr.PruneCleanupLock == 0 { // nothing that has storage was freed
			page.TruncateLines()
		} else if err := page.RepairFragmentation(r.dialect); err != nil {
			return err
		}
	}
	return freezePlans(page, p.Plans)
}

// pruneLines changes line pointers (heap_page_prune_execute in src/backend/access/heap/pruneheap.c).
func pruneLines(page bufpage.Page, redirected rmgr.Redirects, dead, unused rmgr.Uint16s) error {
	for i := range redirected.Len() {
		line := redirected.At(i)
		if err := setLine(page, line.From, bufpage.MakeItemID(int(line.To), bufpage.Redirect, 0)); err != nil {
			return err
		}
	}
	for i := range dead.Len() {
		if err := setLine(page, dead.At(i), bufpage.MakeItemID(0, bufpage.Dead, 0)); err != nil {
			return err
		}
	}
	for i := range unused.Len() {
		if err := setLine(page, unused.At(i), bufpage.MakeItemID(0, bufpage.Unused, 0)); err != nil {
			return err
		}
	}
	return nil
}

func setLine(page bufpage.Page, offset uint16, line bufpage.ItemID) error {
	n := page.MaxOffset()
	if offset == 0 || int(offset) > n || line.Flags() == bufpage.Redirect && line.Offset() > n {
		return fmt.Errorf("%w: %d of %d", errLine, offset, n)
	}
	page.SetItemID(int(offset), line)
	return nil
}

// heapFreezePage is heap_xlog_freeze_page, up to PostgreSQL 16.
func (r *Redo) heapFreezePage(p *rmgr.HeapFreezePage) error {
	_, err := r.heapChange(func(page bufpage.Page) error {
		if !p.HasData && p.N > 0 {
			return errNoPruning
		}
		for i := range p.Tuples.Len() {
			f := p.Tuples.At(i)
			plan := rmgr.FreezePlan{Xmax: f.Xmax, Infomask2: f.Infomask2, Infomask: f.Infomask, Flags: f.Flags}
			if err := freezeTuple(page, f.Offset, plan); err != nil {
				return err
			}
		}
		return freezePlans(page, p.Plans)
	})
	return err
}

func freezePlans(page bufpage.Page, plans rmgr.FreezePlans) error {
	var first error
	plans.Each(func(plan rmgr.FreezePlan) {
		for i := range plan.Offsets.Len() {
			if err := freezeTuple(page, plan.Offsets.At(i), plan); err != nil && first == nil {
				first = err
			}
		}
	})
	return first
}

// Bits of FreezePlan.Flags.
const (
	freezeXvac  uint8 = 0x02 // XLH_FREEZE_XVAC
	invalidXvac uint8 = 0x04 // XLH_INVALID_XVAC

	frozenXID = 2 // FrozenTransactionId
)

// freezeTuple is heap_execute_freeze_tuple.
func freezeTuple(page bufpage.Page, offset uint16, plan rmgr.FreezePlan) error {
	t, err := tupleAt(page, offset)
	if err != nil {
		return err
	}
	t.SetXmax(plan.Xmax)
	if plan.Flags&freezeXvac != 0 {
		t.SetCID(frozenXID)
	}
	if plan.Flags&invalidXvac != 0 {
		t.SetCID(0)
	}
	t.SetInfomask(plan.Infomask)
	t.SetInfomask2(plan.Infomask2)
	return nil
}
