// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// action says what is to be done with a block (XLogRedoAction).
type action uint8

const (
	needsRedo action = iota // BLK_NEEDS_REDO: the record's change is to be made
	done                    // BLK_DONE: the page has it already
	restored                // BLK_RESTORED: it came with the full-page image
	notFound                // BLK_NOTFOUND: the block does not exist; it must be dropped or truncated later
)

// invalidBlock is InvalidBlockNumber.
const invalidBlock uint32 = 0xFFFFFFFF

var errNoBlock = errors.New("the record has no such block reference")

// block finds the block of reference id, and restores it where the record has its image
// (XLogReadBufferForRedo in src/backend/access/transam/xlogutils.c). The Buffer is nil when the block was not found.
func (r *Redo) block(id uint8) (*pgdata.Buffer, action, error) {
	ref := r.body.Block(id)
	if ref == nil {
		return nil, notFound, fmt.Errorf("block %d: %w", id, errNoBlock)
	}
	if ref.Flags&xlog.BlockWillInit != 0 {
		return nil, notFound, fmt.Errorf("block %d: to be made anew, but the record does not do that", id)
	}
	if ref.Image.Data != nil && ref.Image.Apply {
		return r.restore(ref)
	}
	buf, err := r.read(ref.Rel, ref.Fork, ref.Block)
	switch {
	case err != nil:
		return nil, notFound, err
	case buf == nil:
		return nil, notFound, nil
	case r.lsn <= buf.Page.LSN():
		return buf, done, nil
	}
	return buf, needsRedo, nil
}

// restore fills a block from its image.
func (r *Redo) restore(ref *xlog.BlockRef) (*pgdata.Buffer, action, error) {
	buf, err := r.store.Overwrite(ref.Rel, ref.Fork, ref.Block)
	if err != nil {
		return nil, notFound, err
	}
	if err := bufpage.RestoreImage(buf.Page, &ref.Image); err != nil {
		return nil, notFound, fmt.Errorf("block %d: %w", ref.ID, err)
	}
	if !buf.Page.IsNew() {
		buf.Page.SetLSN(r.lsn)
	}
	buf.MarkDirty()
	return buf, restored, nil
}

// read gives a block that must exist and be initialized (XLogReadBufferExtended with RBM_NORMAL); nil, and the block is
// remembered, when it does not.
func (r *Redo) read(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*pgdata.Buffer, error) {
	buf, err := r.store.Find(rel, fork, block)
	switch {
	case err != nil:
		return nil, err
	case buf == nil:
		return nil, r.invalid.log(rel, fork, block, false)
	case buf.Page.IsNew():
		return nil, r.invalid.log(rel, fork, block, true)
	}
	return buf, nil
}

// initBlock gives the block of reference id filled with zeros, to be made anew (XLogInitBufferForRedo). The record's
// image, if there is one, is of no interest.
func (r *Redo) initBlock(id uint8) (*pgdata.Buffer, error) {
	ref := r.body.Block(id)
	if ref == nil {
		return nil, fmt.Errorf("block %d: %w", id, errNoBlock)
	}
	if ref.Flags&xlog.BlockWillInit == 0 {
		return nil, fmt.Errorf("block %d: not to be made anew, but the record does that", id)
	}
	return r.store.Zero(ref.Rel, ref.Fork, ref.Block)
}

// changed gives a page that was redone its LSN and has it written.
func (r *Redo) changed(buf *pgdata.Buffer) {
	buf.Page.SetLSN(r.lsn)
	buf.MarkDirty()
}

// change redoes the block of reference id by f, which gets the page, when that is needed; it tells what was done.
func (r *Redo) change(id uint8, f func(page bufpage.Page) error) (action, error) {
	buf, act, err := r.block(id)
	if err != nil || act != needsRedo {
		return act, err
	}
	if err := f(buf.Page); err != nil {
		return act, r.pageError(buf, err)
	}
	r.changed(buf)
	return act, nil
}

// pageError says on which page something was not as the record expects.
func (r *Redo) pageError(buf *pgdata.Buffer, err error) error {
	return fmt.Errorf("%s, %s, block %d, page LSN %s, lower %d, upper %d, special %d: %w", buf.Rel, buf.Fork, buf.Block,
		buf.Page.LSN(), buf.Page.Lower(), buf.Page.Upper(), buf.Page.SpecialOffset(), err)
}
