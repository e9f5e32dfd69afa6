// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
)

// TransactionsConfig is what Transactions needs to know.
type TransactionsConfig struct {
	Dir     *DataDir
	Dialect *xlog.Dialect // nil: that of Dir
	NextXID uint64        // of the checkpoint at which recovery begins: epoch and transaction id
	// CommitTimes tells whether times of commits are recorded: track_commit_timestamp of the control file.
	CommitTimes bool
	// BeforeWrite is called before something changes on disk at another time than Flush; when it returns, minRecoveryPoint
	// in the control file is durably not before the end of the record that is being redone. nil: nothing is done.
	BeforeWrite func() error
}

// Transactions is the part of a data directory that tells about transactions: pg_xact, pg_multixact, pg_commit_ts,
// Greenplum's pg_distributedlog, pg_twophase, and the replication origins' progress. What is recorded shows on disk
// when memory is short, or at Flush. It belongs to one goroutine. After an error it is of no more use.
type Transactions struct {
	Commits     CommitLog
	MultiXacts  MultiXacts
	CommitTimes CommitTimes
	Distributed DistributedLog
	Prepared    Prepared
	Origins     Origins
}

// OpenTransactions looks at what the directory has, as a server does before it redoes the first record: prepared
// transactions that are no more, or not yet, are removed (restoreTwoPhaseData in
// src/backend/access/transam/twophase.c), and the file for the next times of commits is made (StartupCommitTs).
func OpenTransactions(cfg TransactionsConfig) (*Transactions, error) {
	t, err := newTransactions(cfg)
	if err != nil {
		return nil, err
	}
	if err := t.start(cfg); err != nil {
		return nil, err
	}
	return t, nil
}

// ReadTransactions is for one who only asks what Commits and MultiXacts know of a directory at rest. Nothing is changed.
func ReadTransactions(dir *DataDir) (*Transactions, error) {
	return newTransactions(TransactionsConfig{Dir: dir})
}

func newTransactions(cfg TransactionsConfig) (*Transactions, error) {
	if cfg.Dialect == nil {
		cfg.Dialect = cfg.Dir.Dialect
	}
	if cfg.BeforeWrite == nil {
		cfg.BeforeWrite = func() error { return nil }
	}
	perm, err := FileMode(cfg.Dir.fsys, cfg.Dir.Path)
	if err != nil {
		return nil, err
	}
	open := func(name string, perPage uint32) slru {
		return slru{
			fsys: cfg.Dir.fsys, dir: filepath.Join(cfg.Dir.Path, name), perm: perm,
			pageSize: cfg.Dialect.BlockSize(), pages: (1<<32-1)/int64(perPage) + 1,
			precedes: pagePrecedes(perPage, xlog.FirstNormalXID+1), beforeWrite: cfg.BeforeWrite, dirty: map[int64]struct{}{},
		}
	}
	t := new(Transactions)
	t.Commits.init(open, cfg.Dialect)
	t.MultiXacts.init(open, cfg.Dialect)
	t.CommitTimes.init(open, cfg.Dialect)
	t.Distributed.init(open, cfg.Dialect)
	t.Prepared.init(cfg, perm)
	return t, t.Origins.init(cfg, perm)
}

func (t *Transactions) start(cfg TransactionsConfig) error {
	if cfg.CommitTimes {
		if err := t.CommitTimes.Activate(uint32(cfg.NextXID)); err != nil {
			return fmt.Errorf("pg_commit_ts: %w", err)
		}
	}
	if err := t.Origins.read(); err != nil {
		return err
	}
	return t.Prepared.restore(cfg.NextXID, &t.Commits)
}

// Flush makes everything durable. Of the prepared transactions those get a file whose record ended at redo or before,
// the position from where the next recovery begins (CheckPointGuts in src/backend/access/transam/xlog.c).
func (t *Transactions) Flush(redo xlog.LSN) error {
	for _, s := range t.slrus() {
		if err := s.write(); err != nil {
			return err
		}
	}
	return errors.Join(t.Origins.write(t.Origins.encode()), t.Prepared.write(redo))
}

func (t *Transactions) slrus() []*slru {
	return []*slru{
		&t.Commits.slru, &t.CommitTimes.slru, &t.MultiXacts.offsets, &t.MultiXacts.members, &t.Distributed.slru,
	}
}

// Checkpoint is Flush beside a goroutine that goes on, see Store.Checkpoint.
func (t *Transactions) Checkpoint(redo xlog.LSN, between Between) error {
	for _, s := range t.slrus() {
		if err := s.checkpoint(between); err != nil {
			return err
		}
	}
	var origins []byte
	if err := between(func() error {
		origins = t.Origins.encode()
		return nil
	}); err != nil {
		return err
	}
	if err := t.Origins.write(origins); err != nil {
		return err
	}
	return between(func() error { return t.Prepared.write(redo) }) // there are few that a checkpoint finds
}

// openSLRU makes the slru of a directory in which a page has perPage transactions.
type openSLRU func(name string, perPage uint32) slru

// xidPrecedes tells whether a is older than b (TransactionIdPrecedes, of normal ids).
func xidPrecedes(a, b uint32) bool { return int32(a-b) < 0 }

// pagePrecedes compares pages of perPage items, the first of which is item first (CLOGPagePrecedes and its like).
func pagePrecedes(perPage, first uint32) func(a, b int64) bool {
	return func(a, b int64) bool {
		x, y := uint32(a)*perPage+first, uint32(b)*perPage+first
		return xidPrecedes(x, y) && xidPrecedes(x, y+perPage-1)
	}
}
