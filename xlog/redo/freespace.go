// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// fsmAddress is the place of a page in a free space map, which is a tree of pages (FSMAddress in
// src/backend/storage/freespace/freespace.c): level 0 has a slot for each block of the relation, the levels above a slot
// for each page of the level below.
type fsmAddress struct {
	level int
	page  uint32 // number in the level
}

// fsmDepth is the number of levels that reach every block there can be (FSM_TREE_DEPTH).
func fsmDepth(pageSize int) int {
	if fsmSlots(pageSize) >= 1626 {
		return 3
	}
	return 4
}

// fsmLocation is the page of level 0, and its slot, for a block of the relation (fsm_get_location).
func (r *Redo) fsmLocation(block uint32) (addr fsmAddress, slot int) {
	n := uint32(fsmSlots(r.dialect.BlockSize()))
	return fsmAddress{page: block / n}, int(block % n)
}

// fsmBlock is the number of the page in the fork, where pages are in the order of a walk down
// (fsm_logical_to_physical).
func (r *Redo) fsmBlock(addr fsmAddress) uint32 {
	n := uint64(fsmSlots(r.dialect.BlockSize()))
	leaf := uint64(addr.page)
	for range addr.level {
		leaf *= n
	}
	pages := uint64(0)
	for range fsmDepth(r.dialect.BlockSize()) {
		pages += leaf + 1
		leaf /= n
	}
	return uint32(pages) - uint32(addr.level) - 1
}

// fsmCategory is what the map says for a number of free bytes (fsm_space_avail_to_cat): 255 when the largest tuple fits.
func fsmCategory(free, pageSize int) uint8 {
	const lineSize = 4
	if free >= pageSize-(bufpage.HeaderSize+lineSize+7)&^7 {
		return 255
	}
	return uint8(min(free/(pageSize/256), 254))
}

// recordFreeSpace notes in the free space map how many bytes a block has left (XLogRecordPageWithFreeSpace). The levels
// above do not learn it.
func (r *Redo) recordFreeSpace(rel xlog.RelFileLocator, block uint32, free int) error {
	addr, slot := r.fsmLocation(block)
	buf, err := r.mapBlock(rel, xlog.FSMFork, r.fsmBlock(addr))
	if err != nil {
		return err
	}
	if fsmPage(buf.Page).set(slot, fsmCategory(free, r.dialect.BlockSize())) {
		r.changedFreeSpace(buf)
	}
	return nil
}

func (r *Redo) changedFreeSpace(buf *pgdata.Buffer) {
	if r.dialect.FreeSpaceIsHint() {
		buf.MarkDirtyHint()
	} else {
		buf.MarkDirty()
	}
}

// truncateFreeSpace prepares the free space map for the truncation of its relation to a number of blocks
// (FreeSpaceMapPrepareTruncateRel). It gives the number of blocks to cut the map to; truncate is false when there is
// nothing to cut. After the cut comes vacuumFreeSpace.
func (r *Redo) truncateFreeSpace(rel xlog.RelFileLocator, blocks uint32) (n uint32, truncate bool, err error) {
	if exists, err := r.store.Exists(rel, xlog.FSMFork); err != nil || !exists {
		return 0, false, err
	}
	addr, slot := r.fsmLocation(blocks)
	n = r.fsmBlock(addr)
	if slot == 0 {
		have, err := r.store.Blocks(rel, xlog.FSMFork)
		return n, have > n, err
	}
	buf, err := r.existingMapBlock(rel, xlog.FSMFork, n)
	if err != nil || buf == nil {
		return 0, false, err
	}
	fsmPage(buf.Page).truncate(slot)
	buf.MarkDirty()
	return n + 1, true, nil
}

// vacuumFreeSpace makes the upper levels of a free space map say what the level 0 says, for the blocks from start on
// (FreeSpaceMapVacuumRange to the end).
func (r *Redo) vacuumFreeSpace(rel xlog.RelFileLocator, start uint32) error {
	const end = ^uint32(0)
	if start >= end {
		return nil
	}
	_, _, err := r.vacuumFSMPage(rel, fsmAddress{level: fsmDepth(r.dialect.BlockSize()) - 1}, start, end-1)
	return err
}

// vacuumFSMPage does so for a page and those below it, for blocks from start to last; it gives the largest value on the
// page, and whether the page is there (fsm_vacuum_page).
func (r *Redo) vacuumFSMPage(rel xlog.RelFileLocator, addr fsmAddress, start, last uint32) (uint8, bool, error) {
	buf, err := r.existingMapBlock(rel, xlog.FSMFork, r.fsmBlock(addr))
	if err != nil || buf == nil {
		return 0, false, err
	}
	page := fsmPage(buf.Page)
	if addr.level > 0 {
		if err := r.vacuumFSMChildren(rel, addr, buf, start, last); err != nil {
			return 0, false, err
		}
	}
	page.resetNext()
	return page.root(), true, nil
}

func (r *Redo) vacuumFSMChildren(rel xlog.RelFileLocator, addr fsmAddress, buf *pgdata.Buffer, start, last uint32) error {
	slots := fsmSlots(r.dialect.BlockSize())
	from, to := r.fsmRange(addr, start, last)
	present := true
	for slot := from; slot <= to; slot++ {
		value := uint8(0)
		if present { // behind the end of the map everything is 0
			var err error
			child := fsmAddress{addr.level - 1, addr.page*uint32(slots) + uint32(slot)}
			if value, present, err = r.vacuumFSMPage(rel, child, start, last); err != nil {
				return err
			}
		}
		if fsmPage(buf.Page).slot(slot) != value {
			fsmPage(buf.Page).set(slot, value)
			buf.MarkDirtyHint()
		}
	}
	return nil
}

// fsmRange is the slots of a page above level 0 that stand for blocks from start to last.
func (r *Redo) fsmRange(addr fsmAddress, start, last uint32) (from, to int) {
	n := uint32(fsmSlots(r.dialect.BlockSize()))
	first, end := start/n, last/n
	for range addr.level - 1 {
		first, end = first/n, end/n
	}
	switch {
	case first/n == addr.page:
		from = int(first % n)
	case first/n > addr.page:
		from = int(n)
	}
	switch {
	case end/n == addr.page:
		to = int(end % n)
	case end/n > addr.page:
		to = int(n) - 1
	default:
		to = -1
	}
	return from, to
}
