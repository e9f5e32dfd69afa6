// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// Bits of a block in the visibility map (src/include/access/visibilitymapdefs.h).
const (
	vmAllVisible uint8 = 1
	vmAllFrozen  uint8 = 2
	vmValidBits        = vmAllVisible | vmAllFrozen
)

// vmPlace is where the two bits of a block of the relation are, in maps of the page size
// (src/backend/access/heap/visibilitymap.c).
type vmPlace struct {
	block uint32
	at    int // byte of the page
	shift int // of the lower bit
}

func vmPlaceOf(heapBlock uint32, pageSize int) vmPlace {
	n := uint32(pageSize-bufpage.HeaderSize) * 4
	return vmPlace{heapBlock / n, bufpage.HeaderSize + int(heapBlock%n/4), int(heapBlock % 4 * 2)}
}

// clearVisible clears bits of a block in the visibility map, which is made longer when it ends before
// (visibilitymap_pin and visibilitymap_clear). The page keeps its LSN.
func (r *Redo) clearVisible(rel xlog.RelFileLocator, heapBlock uint32, bits uint8) error {
	place := vmPlaceOf(heapBlock, r.dialect.BlockSize())
	buf, err := r.pinVisibilityMap(rel, place.block)
	if err != nil {
		return err
	}
	if mask := bits << place.shift; buf.Page[place.at]&mask != 0 {
		buf.Page[place.at] &^= mask
		buf.MarkDirty()
	}
	return nil
}

// pinVisibilityMap gives a block of the map (vm_readbuf with extend).
func (r *Redo) pinVisibilityMap(rel xlog.RelFileLocator, block uint32) (*pgdata.Buffer, error) {
	if r.dialect.VisibilityMapExtendsFilled() {
		if err := r.extendVisibilityMap(rel, block+1); err != nil {
			return nil, err
		}
	}
	return r.mapBlock(rel, xlog.VisibilityMapFork, block)
}

// extendVisibilityMap makes the map have n blocks, the new ones empty pages (vm_extend up to PostgreSQL 15).
func (r *Redo) extendVisibilityMap(rel xlog.RelFileLocator, n uint32) error {
	have, err := r.store.Blocks(rel, xlog.VisibilityMapFork)
	if err != nil {
		return err
	}
	for ; have < n; have++ {
		buf, err := r.store.Zero(rel, xlog.VisibilityMapFork, have)
		if err != nil {
			return err
		}
		buf.Page.Init(0, r.layout)
		buf.MarkDirty()
	}
	return nil
}

// setVisible sets the bits of a block on a page of the map, and gives the page the record's LSN when that changed
// anything (visibilitymap_set).
func (r *Redo) setVisible(buf *pgdata.Buffer, heapBlock uint32, bits uint8) error {
	place := vmPlaceOf(heapBlock, len(buf.Page))
	if buf.Block != place.block {
		return r.pageError(buf, fmt.Errorf("the visibility map has heap block %d on block %d", heapBlock, place.block))
	}
	if bits != buf.Page[place.at]>>place.shift&vmValidBits {
		buf.Page[place.at] |= bits << place.shift
		r.changed(buf)
	}
	return nil
}

// truncateVisible prepares the visibility map for the truncation of its relation to a number of blocks
// (visibilitymap_prepare_truncate). It gives the number of blocks to cut the map to; truncate is false when there is
// nothing to cut.
func (r *Redo) truncateVisible(rel xlog.RelFileLocator, blocks uint32) (n uint32, truncate bool, err error) {
	if exists, err := r.store.Exists(rel, xlog.VisibilityMapFork); err != nil || !exists {
		return 0, false, err
	}
	place := vmPlaceOf(blocks, r.dialect.BlockSize())
	n = place.block
	if place.at > bufpage.HeaderSize || place.shift > 0 {
		buf, err := r.existingMapBlock(rel, xlog.VisibilityMapFork, n)
		if err != nil || buf == nil {
			return 0, false, err
		}
		clear(buf.Page[place.at+1:])
		buf.Page[place.at] &= 1<<place.shift - 1
		buf.MarkDirty()
		n++
	}
	have, err := r.store.Blocks(rel, xlog.VisibilityMapFork)
	return n, have > n, err
}
