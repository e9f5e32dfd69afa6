// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"cmp"
	"fmt"
	"slices"
)

// vacant makes sure that there is a free buffer, and gives the first.
func (s *Store) vacant() (*Buffer, error) {
	if s.free == nil {
		if err := s.evict(); err != nil {
			return nil, err
		}
	}
	return s.free, nil
}

// evict takes the place of a page that was not used for a while, but never of one that the record uses which is redone
// now. The clock's hand takes the mark of use off the pages that it passes.
func (s *Store) evict() error {
	for range 2*len(s.buffers) + 1 {
		b := &s.buffers[s.hand]
		s.hand = (s.hand + 1) % len(s.buffers)
		switch {
		case b.lent == s.record:
		case b.used:
			b.used = false
		default:
			if b.dirty {
				if err := s.clean(b); err != nil {
					return err
				}
			}
			s.release(b)
			s.stats.Evictions++
			return nil
		}
	}
	return errAllInUse
}

// cleanAtOnce is how many pages are written when the first of them must be, for then the others' turn is near. All of
// them together cost one BeforeWrite.
const cleanAtOnce = 1024

// clean writes a page, and with it those that the hand comes to next.
func (s *Store) clean(b *Buffer) error {
	batch := append(s.batch[:0], b)
	for i := range min(len(s.buffers)/4, cleanAtOnce) {
		next := &s.buffers[(s.hand+i)%len(s.buffers)]
		if next.dirty && !next.used && next.lent != s.record && next != b {
			batch = append(batch, next)
		}
	}
	s.batch = batch
	slices.SortFunc(batch, func(a, b *Buffer) int {
		return cmp.Or(compareRelations(a.Rel, b.Rel), cmp.Compare(a.Fork, b.Fork), cmp.Compare(a.Block, b.Block))
	})
	for len(batch) > 0 {
		f, n := batch[0].fork, sameFork(batch)
		if err := s.cleanFork(f, batch[:n]); err != nil {
			return fmt.Errorf("%s, %s: %w", f.rel.loc, f.number, err)
		}
		batch = batch[n:]
	}
	return nil
}

// sameFork is how many of the pages, at the begin, are of one fork.
func sameFork(pages []*Buffer) int {
	n := slices.IndexFunc(pages, func(b *Buffer) bool { return b.fork != pages[0].fork })
	if n < 0 {
		return len(pages)
	}
	return n
}

func (s *Store) cleanFork(f *fork, pages []*Buffer) error {
	if err := s.shape(f); err != nil {
		return err
	}
	return s.writePages(f, pages)
}

// maxRelations is how many relations a Store knows at most, but for those of one record.
const maxRelations = 1 << 16

// spill comes before a new relation is known. When there are too many, those are forgotten of which there is nothing
// in the cache, and when there still are too many, all.
func (s *Store) spill() error {
	if s.known < s.maxRelations {
		return nil
	}
	s.forgetAll(func(r *relation) bool { return r.changedAt < 0 && !r.cached() })
	if s.known < s.maxRelations/2 {
		return nil
	}
	if err := s.writeChanged(); err != nil {
		return err
	}
	s.forgetAll(func(r *relation) bool { return !r.lent() })
	return nil
}

func (s *Store) forgetAll(which func(*relation) bool) {
	for _, db := range s.databases {
		for _, r := range db.relations {
			if which(r) {
				s.forget(r)
			}
		}
	}
}

// cached tells whether pages of the relation are in the cache.
func (r *relation) cached() bool {
	for i := range r.forks {
		if r.forks[i].pages != nil {
			return true
		}
	}
	return false
}

// lent tells whether the record that is redone uses pages of the relation.
func (r *relation) lent() bool {
	for i := range r.forks {
		for b := r.forks[i].pages; b != nil; b = b.next {
			if b.lent == r.store.record {
				return true
			}
		}
	}
	return false
}
