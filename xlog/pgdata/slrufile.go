// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

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
	if err := s.writeDirty(); err != nil || len(s.dirty) == 0 {
		return err
	}
	for segment := range s.dirty {
		if err := s.syncSegment(segment); err != nil {
			return err
		}
	}
	clear(s.dirty)
	return s.fsys.SyncDir(s.dir)
}

// checkpoint is write beside a goroutine that goes on: files are synced outside between.
func (s *slru) checkpoint(between Between) error {
	var segments []int64
	err := between(func() error {
		err := s.writeDirty()
		s.syncing, s.dirty = s.dirty, make(map[int64]struct{})
		segments = slices.Sorted(maps.Keys(s.syncing))
		return err
	})
	if err != nil || len(segments) == 0 {
		return err
	}
	for _, segment := range segments {
		err := unlessRemoved(between, s.syncSegment(segment), func() bool {
			_, there := s.syncing[segment]
			return !there
		})
		if err != nil {
			return err
		}
	}
	return s.fsys.SyncDir(s.dir)
}

func (s *slru) writeDirty() error {
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
	return nil
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

func (s *slru) syncSegment(segment int64) error {
	f, err := s.fsys.OpenFile(s.path(segment), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// truncate removes the segments that are older than the one with page cutoff (SimpleLruTruncate). Older pages in that
// one are written and leave memory.
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
		delete(s.syncing, n)
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
