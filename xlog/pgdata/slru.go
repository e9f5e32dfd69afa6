// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"fmt"
	"io/fs"

	"github.com/walmirror/walmirror/xlog/vfs"
)

const (
	slruSegmentPages = 32 // SLRU_PAGES_PER_SEGMENT
	slruSlots        = 64 // pages in memory; servers have 8 to 128 by default
)

// slru is a directory of files of pages that are numbered from 0 and are used by and by, such as pg_xact; "simple LRU"
// for the pages in memory (src/backend/access/transam/slru.c). Pages are written when another needs their place, and
// by write.
type slru struct {
	fsys     vfs.FS
	dir      string // absolute
	perm     fs.FileMode
	pageSize int
	pages    int64 // numbers are below it
	// precedes tells whether page a is older than page b; numbers of pages wrap around.
	precedes func(a, b int64) bool
	// beforeWrite is called before a page is written to make room for another.
	beforeWrite func() error

	slots   []slruPage
	last    *slruPage // the page that was asked for last
	clock   uint64
	dirty   map[int64]struct{} // segments that were written and not yet synced
	syncing map[int64]struct{} // those that a checkpoint syncs and that were not removed since
}

type slruPage struct {
	number int64
	used   uint64 // the clock when it was asked for; 0 for an empty slot
	dirty  bool
	orphan bool // its file was removed, see forgetFiles
	data   []byte
}

// page gives a page that exists; of a file that does not exist, one of zeros (SimpleLruReadPage): after a crash
// records may be redone that belong to files which are gone already. What is returned is valid until the next call.
func (s *slru) page(number int64) (*slruPage, error) {
	if p := s.last; p != nil && p.number == number {
		return p, nil
	}
	p, hit, err := s.slot(number)
	if err != nil || hit {
		return p, err
	}
	if err := s.read(p, number); err != nil {
		return nil, err
	}
	return s.keep(p, number), nil
}

// change is page, for one who changes it.
func (s *slru) change(number int64) ([]byte, error) {
	p, err := s.page(number)
	if err != nil {
		return nil, err
	}
	p.dirty = true
	return p.data, nil
}

// zero makes a page of zeros (SimpleLruZeroPage).
func (s *slru) zero(number int64) error {
	if err := s.checkNumber(number); err != nil {
		return err
	}
	p, _, err := s.slot(number)
	if err != nil {
		return err
	}
	clear(p.data)
	s.keep(p, number)
	p.dirty, p.orphan = true, false
	return nil
}

func (s *slru) checkNumber(number int64) error {
	if number < 0 || number >= s.pages {
		return fmt.Errorf("%s: there is no page %d", s.dir, number)
	}
	return nil
}

// keep says that a slot holds a page now.
func (s *slru) keep(p *slruPage, number int64) *slruPage {
	s.clock++
	p.number, p.used, s.last = number, s.clock, p
	return p
}

// slot finds the place of a page that is in memory, or else an empty one for it.
func (s *slru) slot(number int64) (p *slruPage, hit bool, err error) {
	if s.slots == nil {
		s.slots = make([]slruPage, slruSlots)
	}
	oldest := &s.slots[0]
	for i := range s.slots {
		p := &s.slots[i]
		if p.used != 0 && p.number == number {
			return s.keep(p, number), true, nil
		}
		if p.used < oldest.used {
			oldest = p
		}
	}
	return oldest, false, s.evict(oldest)
}

func (s *slru) evict(p *slruPage) error {
	if p.data == nil {
		p.data = make([]byte, s.pageSize)
	}
	if p.dirty {
		if err := s.beforeWrite(); err != nil {
			return err
		}
		if err := s.writePages([]*slruPage{p}); err != nil {
			return err
		}
	}
	s.drop(p)
	return nil
}

// drop forgets a page.
func (s *slru) drop(p *slruPage) {
	p.used, p.dirty, p.orphan = 0, false, false
	if s.last == p {
		s.last = nil
	}
}
