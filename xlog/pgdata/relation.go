// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// forkCount is the number of forks that a relation can have.
const forkCount = int(xlog.InitFork) + 1

// relation is what is known of a relation.
type relation struct {
	loc   xlog.RelFileLocator
	store *Store
	db    *database
	forks [forkCount]fork

	changedAt int // its index in Store.changed, or -1
}

// fork is a file of a relation: what it is, and what there is of it on disk. Of its blocks those below valid that are
// not in the cache are to be read; others that are not in the cache are zero.
type fork struct {
	rel    *relation
	pages  *Buffer // those in the cache, linked by Buffer.next
	number xlog.ForkNumber
	known  bool // what follows was found out

	exists   bool
	blocks   uint32
	segments uint32 // files that a server would have: those behind the last block are left empty by a truncation

	onDisk       bool
	diskBlocks   uint32
	diskSegments uint32
	valid        uint32 // how many blocks on disk still belong to the fork
	dropped      bool   // the files are those of a relation that was dropped
	emptyBehind  bool   // files behind diskSegments are to be made empty

	cutAt uint64 // the record that truncated or dropped it last, while the disk does not show it
}

// recentRelations is the number of slots of Store.recent.
const recentRelations = 1024

func recentSlot(loc xlog.RelFileLocator) uint32 {
	return (uint32(loc.RelNumber) ^ loc.Database*31) % recentRelations
}

// fork finds a fork and what there is of it on disk.
func (s *Store) fork(loc xlog.RelFileLocator, number xlog.ForkNumber) (*fork, error) {
	r := s.recent[recentSlot(loc)]
	if r == nil || r.loc != loc {
		var err error
		if r, err = s.relation(loc); err != nil {
			return nil, err
		}
	}
	if int(number) >= forkCount {
		return nil, fmt.Errorf("%s: there is no %s", loc, number)
	}
	f := &r.forks[number]
	if !f.known {
		if err := s.look(f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// relation finds a relation, or begins to know it.
func (s *Store) relation(loc xlog.RelFileLocator) (*relation, error) {
	db, err := s.database(databaseKey{loc.Tablespace, loc.Database})
	if err != nil {
		return nil, err
	}
	r := db.relations[loc.RelNumber]
	if r == nil {
		if err := s.spill(); err != nil {
			return nil, err
		}
		r = s.newRelation(loc, db)
		db.relations[loc.RelNumber] = r
		s.known++
	}
	s.recent[recentSlot(loc)] = r
	return r, nil
}

func (s *Store) newRelation(loc xlog.RelFileLocator, db *database) *relation {
	var r *relation
	if n := len(s.spare); n > 0 {
		r, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		r = new(relation)
	}
	*r = relation{loc: loc, store: s, db: db, changedAt: -1}
	for i := range r.forks {
		r.forks[i].rel, r.forks[i].number = r, xlog.ForkNumber(i)
	}
	return r
}

// look finds out what there is of a fork on disk.
func (s *Store) look(f *fork) error {
	f.onDisk = s.onDisk(f)
	if f.onDisk {
		var err error
		if f.diskBlocks, f.diskSegments, err = s.size(f); err != nil {
			return err
		}
	}
	f.exists, f.known = f.onDisk, true
	f.blocks, f.valid, f.segments = f.diskBlocks, f.diskBlocks, f.diskSegments
	return nil
}

// created gives a fork, which it makes if there is none.
func (s *Store) created(loc xlog.RelFileLocator, number xlog.ForkNumber) (*fork, error) {
	f, err := s.fork(loc, number)
	if err != nil || f.exists {
		return f, err
	}
	if err := s.makeDatabase(f.rel.db); err != nil {
		return nil, err
	}
	f.exists, f.segments = true, 1
	s.noteChange(f.rel)
	return f, nil
}

// extended gives a fork that has the block, which may be a new one.
func (s *Store) extended(loc xlog.RelFileLocator, number xlog.ForkNumber, block uint32) (*fork, error) {
	f, err := s.created(loc, number)
	if err != nil || block < f.blocks {
		return f, err
	}
	if block+1 == 0 {
		return nil, fmt.Errorf("%s, %s: block %d", loc, number, block)
	}
	f.blocks = block + 1
	f.segments = max(f.segments, block/s.segBlocks+1)
	s.noteChange(f.rel)
	return f, nil
}

// cut leaves the first n blocks, fewer than there are.
func (s *Store) cut(f *fork, n uint32) {
	for b := f.pages; b != nil; {
		next := b.next
		if b.Block >= n {
			s.release(b)
		}
		b = next
	}
	f.blocks, f.valid, f.cutAt = n, min(f.valid, n), s.record
	s.noteChange(f.rel)
}

// drop makes all forks not exist. Nothing is left to know of a relation that has no files.
func (s *Store) drop(r *relation) {
	if !s.anyOnDisk(r) {
		s.forget(r)
		return
	}
	for i := range r.forks {
		f := &r.forks[i]
		if !f.known { // how long its files are does not matter
			f.known, f.onDisk = true, s.onDisk(f)
		}
		s.cut(f, 0)
		f.exists, f.segments, f.dropped = false, 0, true
	}
}

// noteChange has the relation's files brought up to date at Flush.
func (s *Store) noteChange(r *relation) {
	if r.changedAt < 0 {
		r.changedAt = len(s.changed)
		s.changed = append(s.changed, r)
	}
}

func (s *Store) unnoteChange(r *relation) {
	if r.changedAt < 0 {
		return
	}
	last := len(s.changed) - 1
	moved := s.changed[last]
	s.changed[r.changedAt] = moved
	moved.changedAt = r.changedAt
	s.changed[last] = nil
	s.changed = s.changed[:last]
	r.changedAt = -1
}

// forget ends the knowledge of a relation, whose pages in the cache must have been given up or written.
func (s *Store) forget(r *relation) {
	for i := range r.forks {
		for r.forks[i].pages != nil {
			s.release(r.forks[i].pages)
		}
	}
	s.unnoteChange(r)
	delete(r.db.relations, r.loc.RelNumber)
	s.known--
	if slot := &s.recent[recentSlot(r.loc)]; *slot == r {
		*slot = nil
	}
	s.spare = append(s.spare, r)
}
