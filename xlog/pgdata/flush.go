// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Flush makes everything that was done so far durable in the files. After an error nothing is known of them; that of
// an fsync is final.
func (s *Store) Flush() error {
	if s.failed != nil {
		return s.failed
	}
	if err := s.writeChanged(); err != nil {
		return err
	}
	if err := s.files.sync(); err != nil {
		s.failed = fmt.Errorf("the store cannot go on: %w", err)
		return s.failed
	}
	return nil
}

// beforeWrite is to come before anything that a record did shows in a file.
func (s *Store) beforeWrite(record uint64) error {
	if record <= s.safe || s.cfg.BeforeWrite == nil {
		return nil
	}
	if err := s.cfg.BeforeWrite(); err != nil {
		return err
	}
	s.safe = s.record
	return nil
}

// writeChanged brings the files of all relations up to date, in the order of the files.
func (s *Store) writeChanged() error {
	// The first file comes last: from there relations go off the list.
	slices.SortFunc(s.changed, func(a, b *relation) int { return compareRelations(b.loc, a.loc) })
	for i, r := range s.changed {
		r.changedAt = i
	}
	for len(s.changed) > 0 {
		if err := s.writeRelation(s.changed[len(s.changed)-1]); err != nil {
			return err
		}
	}
	return nil
}

func compareRelations(a, b xlog.RelFileLocator) int {
	return cmp.Or(cmp.Compare(a.Tablespace, b.Tablespace), cmp.Compare(a.Database, b.Database),
		cmp.Compare(a.RelNumber, b.RelNumber))
}

// writeRelation brings the files of a relation up to date.
func (s *Store) writeRelation(r *relation) error {
	exists, err := s.settleForks(r, s.writeDirty)
	if err != nil {
		return err
	}
	s.unnoteChange(r)
	if !exists {
		s.forget(r)
	}
	return nil
}

// settleForks gives the files of a relation the length that its forks have, and calls write for the pages of each; exists
// tells whether the relation has a fork.
func (s *Store) settleForks(r *relation, write func(*fork) error) (exists bool, err error) {
	for i := range r.forks {
		f := &r.forks[i]
		if !f.known {
			continue
		}
		err := s.shape(f)
		if err == nil && f.exists {
			exists = true
			if err = write(f); err == nil {
				err = s.lengthen(f)
			}
		}
		if err != nil {
			return false, fmt.Errorf("%s, %s: %w", r.loc, f.number, err)
		}
	}
	return exists, nil
}

// writeDirty writes the pages of a fork that its files do not have.
func (s *Store) writeDirty(f *fork) error {
	s.batch = s.batch[:0]
	for b := f.pages; b != nil; b = b.next {
		if b.dirty {
			s.batch = append(s.batch, b)
		}
	}
	slices.SortFunc(s.batch, func(a, b *Buffer) int { return cmp.Compare(a.Block, b.Block) })
	return s.writePages(f, s.batch)
}

// lengthen makes the files as long as the fork, by zeros.
func (s *Store) lengthen(f *fork) error {
	if err := s.reach(f, f.blocks); err != nil {
		return err
	}
	return s.needSegments(f, f.segments)
}

// maxWrite is the greatest number of bytes that are written at once.
const maxWrite = 512 << 10

// writePages writes pages of a fork, which are in the order of their blocks.
func (s *Store) writePages(f *fork, pages []*Buffer) error {
	for len(pages) > 0 {
		n := s.run(pages)
		if err := s.writeRun(f, pages[:n]); err != nil {
			return err
		}
		pages = pages[n:]
	}
	return nil
}

// run is the number of pages that can be written at once: they follow each other in one file.
func (s *Store) run(pages []*Buffer) int {
	limit := min(len(pages), maxWrite/s.blockSize, int(s.segBlocks-pages[0].Block%s.segBlocks))
	n := 1
	for n < limit && pages[n].Block == pages[n-1].Block+1 {
		n++
	}
	return n
}

// writeRun writes pages that follow each other in one file.
func (s *Store) writeRun(f *fork, pages []*Buffer) error {
	key, at, err := s.prepare(f, pages[0].Block)
	if err != nil {
		return err
	}
	content, err := s.gather(s.staging[:0], pages)
	if err != nil {
		return err
	}
	if err := s.files.write(key, content, at); err != nil {
		return err
	}
	for _, b := range pages {
		s.noteWritten(b)
	}
	return nil
}

// prepare makes a place for a block, and says where it is.
func (s *Store) prepare(f *fork, block uint32) (key fileKey, at int64, err error) {
	segment := block / s.segBlocks
	if err := s.reach(f, segment*s.segBlocks); err != nil {
		return fileKey{}, 0, err
	}
	key, at = s.place(f, block)
	return key, at, s.needSegments(f, segment+1)
}

// noteWritten says that a page is as in its file.
func (s *Store) noteWritten(b *Buffer) {
	b.dirty = false
	f, end := b.fork, b.Block+1
	f.diskBlocks, f.valid = max(f.diskBlocks, end), max(f.valid, end)
	s.stats.Written++
}

// gather appends pages to out, with their checksums, when they may be written.
func (s *Store) gather(out []byte, pages []*Buffer) ([]byte, error) {
	for _, b := range pages {
		if err := s.beforeWrite(b.dirtied); err != nil {
			return nil, err
		}
		at := len(out)
		out = append(out, b.Page...)
		if s.checksums {
			bufpage.Page(out[at:]).SetChecksum(b.Block)
		}
	}
	return out, nil
}
