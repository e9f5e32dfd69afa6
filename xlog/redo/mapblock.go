// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// mapBlock gives a block of a free space map or visibility map, whatever there is: it is made when the fork ends before
// it, and it is empty when its page makes no sense (XLogReadBufferExtended with RBM_ZERO_ON_ERROR). A page of zeros gets
// a header; that alone does not make it be written.
func (r *Redo) mapBlock(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*pgdata.Buffer, error) {
	n, err := r.store.Blocks(rel, fork)
	if err != nil {
		return nil, err
	}
	if block >= n {
		if err := r.store.Extend(rel, fork, block+1); err != nil {
			return nil, err
		}
	}
	return r.readMapBlock(rel, fork, block)
}

// existingMapBlock is mapBlock, but nil where the fork ends before the block or does not exist.
func (r *Redo) existingMapBlock(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*pgdata.Buffer, error) {
	n, err := r.store.Blocks(rel, fork)
	if err != nil || block >= n {
		return nil, err
	}
	return r.readMapBlock(rel, fork, block)
}

func (r *Redo) readMapBlock(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*pgdata.Buffer, error) {
	buf, err := r.store.Read(rel, fork, block)
	if errors.Is(err, bufpage.ErrPage) {
		buf, err = r.store.Zero(rel, fork, block)
	}
	if err != nil {
		return nil, err
	}
	if buf.Page.IsNew() {
		buf.Page.Init(0, r.layout)
	}
	return buf, nil
}

// mapReference finds the block of reference id, which is in a map, as mapBlock does.
func (r *Redo) mapReference(id uint8) (*pgdata.Buffer, action, error) {
	ref := r.body.Block(id)
	if ref == nil {
		return nil, notFound, fmt.Errorf("block %d: %w", id, errNoBlock)
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
