// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Store is the pages of a data directory's relations, with a cache of a fixed number of bytes. What is created, changed,
// truncated or dropped shows in the files when a page must leave the cache or at Flush, not before; a relation that is
// created and dropped in between never touches the disk. It belongs to one goroutine; Checkpoint works beside it.
//
// A directory of a database (type database) knows its relations, a relation (relation) its forks, and a fork (fork)
// what it is and what its files are, which may differ: the files are brought up to date by settle.
type Store struct {
	dir       *DataDir
	cfg       StoreConfig
	blockSize int
	segBlocks uint32 // blocks of a segment file
	checksums bool
	keepHints bool // write changes that may be lost (the contrary of XLogHintBitIsNeeded)

	databases map[databaseKey]*database
	recent    [recentRelations]*relation // by recentSlot
	changed   []*relation                // those whose files are not up to date
	spare     []*relation                // forgotten ones, to be used again
	known     int                        // number of relations

	maxRelations int

	frames
	files   segmentFiles
	batch   []*Buffer // those that are being written
	staging []byte    // what is written at once

	record uint64 // counts Begin
	safe   uint64 // what was done up to this record may reach the files
	failed error  // of an fsync: final

	stats StoreStats
}

// StoreConfig is how a Store works. The zero value works.
type StoreConfig struct {
	// Budget is the size in bytes of the cached pages; 0 is DefaultBudget.
	Budget int64
	// BeforeWrite, if there is one, is called before the files get to show anything that was done since it was called
	// last. It returns when a recovery that begins anew would go at least to the end of the record which is redone now:
	// when minRecoveryPoint says so and is durable.
	BeforeWrite func() error
	// DBID is the gp_dbid of a server of Greenplum, which is part of the path of its tablespaces; else 0.
	DBID int
	// TablespaceLocation says where a tablespace is made whose location on the primary is given; nil: at the same path.
	TablespaceLocation func(location string) string
}

// DefaultBudget is StoreConfig.Budget when nobody says otherwise, in bytes.
const DefaultBudget = 256 << 20

// StoreStats counts what a Store did.
type StoreStats struct {
	Hits      uint64 // pages that were in the cache
	Misses    uint64 // pages that were read from files
	New       uint64 // pages that were made, and not read
	Evictions uint64 // pages that left the cache for others
	Written   uint64 // pages that were written to files
	Cached    int    // pages in the cache now
	Capacity  int    // pages that it can hold
	Relations int    // relations that the Store knows
}

// NewStore makes a Store of a data directory on which nobody else works.
func NewStore(dir *DataDir, cfg StoreConfig) (*Store, error) {
	if cfg.Budget == 0 {
		cfg.Budget = DefaultBudget
	}
	s := &Store{
		dir: dir, cfg: cfg, blockSize: dir.Dialect.BlockSize(), segBlocks: dir.Control.RelsegSize,
		checksums: dir.Control.DataChecksumVersion != 0, databases: make(map[databaseKey]*database), record: 1,
		staging: make([]byte, 0, maxWrite), maxRelations: maxRelations,
	}
	s.keepHints = !s.checksums && !dir.Control.WalLogHints
	if s.segBlocks == 0 {
		return nil, fmt.Errorf("%w: segments of no blocks", ErrControlCorrupt)
	}
	if err := s.frames.init(cfg.Budget, s.blockSize); err != nil {
		return nil, err
	}
	if err := s.files.init(dir, int64(s.segBlocks)*int64(s.blockSize)); err != nil {
		return nil, errors.Join(err, s.frames.close())
	}
	return s, nil
}

// Close gives up the memory and the files. What was not flushed is lost.
func (s *Store) Close() error { return errors.Join(s.files.close(), s.frames.close()) }

// Stats is what was done so far.
func (s *Store) Stats() StoreStats {
	st := s.stats
	st.Cached, st.Capacity, st.Relations = s.used, len(s.buffers), s.known
	return st
}

// Begin says that no Buffer from before is used any more: the next record is redone.
func (s *Store) Begin() { s.record++ }

// Blocks is the number of blocks of a fork (smgrnblocks), 0 when it does not exist.
func (s *Store) Blocks(rel xlog.RelFileLocator, fork xlog.ForkNumber) (uint32, error) {
	f, err := s.fork(rel, fork)
	if err != nil {
		return 0, err
	}
	return f.blocks, nil
}

// Exists tells whether a fork exists (smgrexists).
func (s *Store) Exists(rel xlog.RelFileLocator, fork xlog.ForkNumber) (bool, error) {
	f, err := s.fork(rel, fork)
	if err != nil {
		return false, err
	}
	return f.exists, nil
}

// Create makes a fork, empty; it is no error that it exists (smgrcreate with isRedo).
func (s *Store) Create(rel xlog.RelFileLocator, fork xlog.ForkNumber) error {
	_, err := s.created(rel, fork)
	return err
}

// Find is Read that says with nil that there is no such block. It makes the fork when there is none.
func (s *Store) Find(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*Buffer, error) {
	f, err := s.created(rel, fork)
	if err != nil || block >= f.blocks {
		return nil, err
	}
	return s.read(f, block)
}

// Read gives a block that exists; asking for another is an error. A page that is damaged is an ErrPage of package
// bufpage.
func (s *Store) Read(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*Buffer, error) {
	f, err := s.fork(rel, fork)
	if err != nil {
		return nil, err
	}
	if block >= f.blocks {
		return nil, fmt.Errorf("%s, %s: block %d of %d", rel, fork, block, f.blocks)
	}
	return s.read(f, block)
}

// ReadOrZero is Read that extends the fork up to the block, and gives zeros for a page that is damaged
// (RBM_ZERO_ON_ERROR).
func (s *Store) ReadOrZero(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*Buffer, error) {
	f, err := s.extended(rel, fork, block)
	if err != nil {
		return nil, err
	}
	b, err := s.read(f, block)
	if errors.Is(err, bufpage.ErrPage) {
		if b, err = s.overwrite(f, block); err == nil {
			clear(b.Page)
		}
	}
	return b, err
}

// Zero gives a block filled with zeros, whatever was in it, for one who fills it at once (RBM_ZERO_AND_LOCK). A fork
// that ends before the block is extended by zeros up to it; a fork that does not exist is made.
func (s *Store) Zero(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*Buffer, error) {
	b, err := s.Overwrite(rel, fork, block)
	if err != nil {
		return nil, err
	}
	clear(b.Page)
	return b, nil
}

// Overwrite is Zero for one who sets every byte of the page: they may be anything.
func (s *Store) Overwrite(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) (*Buffer, error) {
	f, err := s.extended(rel, fork, block)
	if err != nil {
		return nil, err
	}
	return s.overwrite(f, block)
}

// Extend makes the fork have at least n blocks, the new ones zero.
func (s *Store) Extend(rel xlog.RelFileLocator, fork xlog.ForkNumber, n uint32) error {
	if n == 0 {
		return s.Create(rel, fork)
	}
	_, err := s.extended(rel, fork, n-1)
	return err
}

// Truncate cuts a fork to n blocks (smgrtruncate); one that has no more is left as it is.
func (s *Store) Truncate(rel xlog.RelFileLocator, fork xlog.ForkNumber, n uint32) error {
	f, err := s.fork(rel, fork)
	if err != nil {
		return err
	}
	if len(f.behind()) > 0 {
		f.emptyBehind = true
		s.cut(f, min(n, f.blocks))
	} else if n < f.blocks {
		s.cut(f, n)
	}
	return nil
}

// Drop removes all forks of a relation (smgrdounlinkall); it is no error that there is none.
func (s *Store) Drop(rel xlog.RelFileLocator) error {
	r, err := s.relation(rel)
	if err == nil {
		s.drop(r)
	}
	return err
}
