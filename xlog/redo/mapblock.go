// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// mapBlock gives a block of a free space map or visibility map, whatever there is: it is made when the fork ends before
// it, and it is empty when its page makes no sense (XLogReadBufferExtended with RBM_ZERO_ON_ERROR). A page of zeros
// gets a header; that alone does not make it be written.
func (r *Redo) mapBlock(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*pgdata.Buffer, error) {
	buf, err := r.store.ReadOrZero(rel, fork, block)
	if err == nil && buf.Page.IsNew() {
		buf.Page.Init(0, r.layout)
	}
	return buf, err
}

// existingMapBlock is mapBlock, but nil where the fork ends before the block or does not exist.
func (r *Redo) existingMapBlock(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*pgdata.Buffer, error) {
	n, err := r.store.Blocks(rel, fork)
	if err != nil || block >= n {
		return nil, err
	}
	return r.mapBlock(rel, fork, block)
}

// mapReference finds the block of reference id, which is in a map, as mapBlock does.
func (r *Redo) mapReference(id uint8) (*pgdata.Buffer, action, error) {
	ref, err := r.heapRef(id)
	if err != nil {
		return nil, notFound, err
	}
	if ref.Flags&xlog.BlockWillInit != 0 {
		return nil, notFound, fmt.Errorf("block %d: to be made anew, but the record does not do that", id)
	}
	if ref.Image.Data != nil && ref.Image.Apply {
		return r.restore(ref)
	}
	buf, err := r.mapBlock(ref.Rel, ref.Fork, ref.Block)
	if err != nil {
		return nil, notFound, err
	}
	if r.lsn <= buf.Page.LSN() {
		return buf, done, nil
	}
	return buf, needsRedo, nil
}
