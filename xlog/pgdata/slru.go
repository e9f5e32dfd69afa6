// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

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

	slots []slruPage
	last  *slruPage // the page that was asked for last
	clock uint64
	dirty map[int64]struct{} // segments that were written and not yet synced
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

// path is the file of a segment (SlruFileName).
func (s *slru) path(segment int64) string { return filepath.Join(s.dir, fmt.Sprintf("%04X", segment)) }

func (s *slru) offset(number int64) int64 { return number % slruSegmentPages * int64(s.pageSize) }

// read fills p from the file (SlruPhysicalReadPage).
func (s *slru) read(p *slruPage, number int64) (err error) {
	f, err := s.fsys.OpenFile(s.path(number/slruSegmentPages), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		clear(p.data)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.ReadAt(p.data, s.offset(number)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%s: page %d: %w", s.path(number/slruSegmentPages), number, err)
	}
	return nil
}

// exists tells whether a page is in the files or in memory (SimpleLruDoesPhysicalPageExist, after its pages are
// written).
func (s *slru) exists(number int64) (bool, error) {
	for i := range s.slots {
		if p := &s.slots[i]; p.dirty && !p.orphan && p.number == number {
			return true, nil
		}
	}
	st, err := s.fsys.Stat(s.path(number / slruSegmentPages))
	if err != nil {
		return false, ignoreNotExist(err)
	}
	return st.Size() >= s.offset(number)+int64(s.pageSize), nil
}

// write writes all pages that were changed, and makes everything that was written durable.
func (s *slru) write() error {
	var pages []*slruPage
	for i := range s.slots {
		if s.slots[i].dirty {
			pages = append(pages, &s.slots[i])
		}
	}
	slices.SortFunc(pages, func(a, b *slruPage) int { return int(a.number - b.number) })
	for len(pages) > 0 {
		n := 1
		for n < len(pages) && pages[n].number/slruSegmentPages == pages[0].number/slruSegmentPages {
			n++
		}
		if err := s.writePages(pages[:n]); err != nil {
			return err
		}
		pages = pages[n:]
	}
	return s.sync()
}

// writePages writes pages of one segment (SlruPhysicalWritePage).
func (s *slru) writePages(pages []*slruPage) (err error) {
	segment := pages[0].number / slruSegmentPages
	f, err := s.fsys.OpenFile(s.path(segment), os.O_RDWR|os.O_CREATE, s.perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s.dirty[segment] = struct{}{}
	for _, p := range pages {
		if _, err := f.WriteAt(p.data, s.offset(p.number)); err != nil {
			return err
		}
		p.dirty, p.orphan = false, false
	}
	return nil
}

// sync makes the files durable that were written.
func (s *slru) sync() error {
	if len(s.dirty) == 0 {
		return nil
	}
	for segment := range s.dirty {
		if err := s.syncFile(s.path(segment)); err != nil {
			return err
		}
	}
	clear(s.dirty)
	return s.fsys.SyncDir(s.dir)
}

func (s *slru) syncFile(path string) error {
	f, err := s.fsys.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// truncate removes the segments that are older than the one with page cutoff (SimpleLruTruncate). Older pages in that one
// are written and leave memory.
func (s *slru) truncate(cutoff int64) error {
	if err := s.checkNumber(cutoff); err != nil {
		return err
	}
	err := s.removeIf(func(segment int64) bool {
		first := segment * slruSegmentPages
		return s.precedes(first, cutoff) && s.precedes(first+slruSegmentPages-1, cutoff)
	})
	if err != nil {
		return err
	}
	for i := range s.slots {
		if p := &s.slots[i]; p.used != 0 && s.precedes(p.number, cutoff) {
			if err := s.evict(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeIf removes the segments, from the disk and from memory, of which gone is true.
func (s *slru) removeIf(gone func(segment int64) bool) error {
	segments, err := s.segments()
	if err != nil {
		return err
	}
	segments = slices.DeleteFunc(segments, func(n int64) bool { return !gone(n) })
	for i := range s.slots {
		if p := &s.slots[i]; p.used != 0 && gone(p.number/slruSegmentPages) {
			s.drop(p)
		}
	}
	return s.removeFiles(segments)
}

// removeFiles removes the files of segments; it is no error that there is none.
func (s *slru) removeFiles(segments []int64) error {
	if len(segments) == 0 {
		return nil
	}
	if err := s.beforeWrite(); err != nil {
		return err
	}
	for _, n := range segments {
		delete(s.dirty, n)
		if err := ignoreNotExist(s.fsys.Remove(s.path(n))); err != nil {
			return err
		}
	}
	return s.fsys.SyncDir(s.dir)
}

// forgetFiles removes all files. Pages in memory stay, and those that were changed are still written.
func (s *slru) forgetFiles() error {
	segments, err := s.segments()
	if err != nil {
		return err
	}
	for i := range s.slots {
		s.slots[i].orphan = true
	}
	return s.removeFiles(segments)
}

// segments lists the files (SlruScanDirectory).
func (s *slru) segments() ([]int64, error) {
	entries, err := s.fsys.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var segments []int64
	for _, e := range entries {
		if n, ok := slruSegment(e.Name()); ok {
			segments = append(segments, n)
		}
	}
	return segments, nil
}

// slruSegment is the number of the segment that a file's name says.
func slruSegment(name string) (int64, bool) {
	if len(name) < 4 || len(name) > 6 || !isUpperHex(name) {
		return 0, false
	}
	n, err := strconv.ParseInt(name, 16, 64)
	return n, err == nil
}

func isUpperHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
