// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Store is the pages of a data directory's relations, with a cache of a fixed number of bytes. What is created, changed,
// truncated or dropped shows in the files when a page must leave the cache or at Flush, not before; a relation that is
// created and dropped in between never touches the disk. It belongs to one goroutine.
type Store struct {
	dir *DataDir
}

// Buffer is a page in the cache. It may be used until the Store's next Begin.
type Buffer struct {
	Page  bufpage.Page
	Rel   xlog.RelFileLocator
	Fork  xlog.ForkNumber
	Block uint32
}

// MarkDirty says that the page was changed (MarkBufferDirty).
func (b *Buffer) MarkDirty() {}

// MarkDirtyHint says that something was changed that may be lost (MarkBufferDirtyHint in recovery): where pages have
// checksums, or wal_log_hints is on, the change alone does not make the page be written.
func (b *Buffer) MarkDirtyHint() {}

// Begin says that no Buffer from before is used any more: the next record is redone.
func (s *Store) Begin() {}

// Blocks is the number of blocks of a fork (smgrnblocks), 0 when it does not exist.
func (s *Store) Blocks(rel xlog.RelFileLocator, fork xlog.ForkNumber) (uint32, error) {
	return 0, errors.ErrUnsupported
}

// Exists tells whether a fork exists (smgrexists).
func (s *Store) Exists(rel xlog.RelFileLocator, fork xlog.ForkNumber) (bool, error) {
	return false, errors.ErrUnsupported
}

// Create makes a fork, empty; it is no error that it exists (smgrcreate with isRedo).
func (s *Store) Create(rel xlog.RelFileLocator, fork xlog.ForkNumber) error {
	return errors.ErrUnsupported
}

// Read gives a block that exists; asking for another is an error.
func (s *Store) Read(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*Buffer, error) {
	return nil, errors.ErrUnsupported
}

// Zero gives a block filled with zeros, whatever was in it, for one who fills it at once (RBM_ZERO_AND_LOCK). A fork
// that ends before the block is extended by zeros up to it; a fork that does not exist is made.
func (s *Store) Zero(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*Buffer, error) {
	return nil, errors.ErrUnsupported
}

// Extend makes the fork have at least n blocks, the new ones zero.
func (s *Store) Extend(rel xlog.RelFileLocator, fork xlog.ForkNumber, n uint32) error {
	return errors.ErrUnsupported
}

// Truncate cuts a fork to n blocks (smgrtruncate).
func (s *Store) Truncate(rel xlog.RelFileLocator, fork xlog.ForkNumber, n uint32) error {
	return errors.ErrUnsupported
}

// Drop removes all forks of a relation (smgrdounlinkall); it is no error that there is none.
func (s *Store) Drop(rel xlog.RelFileLocator) error { return errors.ErrUnsupported }
