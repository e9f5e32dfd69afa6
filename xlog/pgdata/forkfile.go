// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"io"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// The files of a fork, as src/backend/storage/smgr/md.c keeps them: each but the last active one is full; those
// behind it are empty, left by a truncation.

// segment is one of the fork's files.
func (f *fork) segment(n uint32) fileKey {
	return fileKey{f.rel.db, f.rel.loc.RelNumber, segmentName{f.number, n}}
}

// onDisk tells whether a fork has a file.
func (s *Store) onDisk(f *fork) bool {
	return f.rel.db.has(f.rel.loc.RelNumber, segmentName{fork: f.number})
}

// anyOnDisk tells whether a relation has any file.
func (s *Store) anyOnDisk(r *relation) bool {
	_, ok := r.db.files[r.loc.RelNumber]
	return ok
}

// size is the number of blocks in a fork's files, and the number of files that have them (mdnblocks).
func (s *Store) size(f *fork) (blocks, segments uint32, err error) {
	for n := uint32(0); n == 0 || blocks == n*s.segBlocks; n++ {
		bytes, err := s.files.size(f.segment(n))
		if n > 0 && ignoreNotExist(err) == nil && err != nil {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		blocks += uint32(min(bytes/int64(s.blockSize), int64(s.segBlocks)))
		segments = n + 1
	}
	return blocks, segments, nil
}

// place is where a block is: its file and the offset in bytes.
func (s *Store) place(f *fork, block uint32) (fileKey, int64) {
	return f.segment(block / s.segBlocks), int64(block%s.segBlocks) * int64(s.blockSize)
}

// readBlock reads a block from its file. What the file has not got of it is zero.
func (s *Store) readBlock(f *fork, block uint32, page bufpage.Page) error {
	key, at := s.place(f, block)
	file, err := s.files.file(key, 0)
	if err != nil {
		return err
	}
	n, err := file.ReadAt(page, at)
	if errors.Is(err, io.EOF) {
		clear(page[n:])
		return nil
	}
	return err
}

// shape makes the files show what was dropped and truncated, and makes the first of them.
func (s *Store) shape(f *fork) error {
	if err := s.beforeWrite(f.cutAt); err != nil {
		return err
	}
	if f.dropped {
		if err := s.unlinkFork(f); err != nil {
			return err
		}
	}
	if f.exists && !f.onDisk {
		if err := s.files.create(f.segment(0)); err != nil {
			return err
		}
		f.onDisk, f.diskSegments = true, 1
	}
	if f.emptyBehind {
		if err := s.emptyBehind(f); err != nil {
			return err
		}
	}
	return s.shrink(f)
}

// unlinkFork removes the files, the last first: what an interruption leaves is still a fork.
func (s *Store) unlinkFork(f *fork) error {
	for _, name := range f.rel.db.files[f.rel.loc.RelNumber].segments() {
		if name.fork == f.number {
			if err := s.files.unlink(f.segment(name.segment)); err != nil {
				return err
			}
		}
	}
	f.dropped, f.onDisk, f.diskBlocks, f.diskSegments = false, false, 0, 0
	return nil
}

// shrink cuts off the blocks on disk that do not belong to the fork any more (mdtruncate).
func (s *Store) shrink(f *fork) error {
	for f.diskBlocks > f.valid {
		n := (f.diskBlocks - 1) / s.segBlocks
		start := n * s.segBlocks
		left := max(f.valid, start) - start
		if err := s.files.resize(f.segment(n), int64(left)*int64(s.blockSize)); err != nil {
			return err
		}
		f.diskBlocks = start + left
	}
	return nil
}

// behind lists the files behind the last one that is known to have blocks. They should be empty; after a crash they
// can have what a truncation cut off. Files of append-optimized relations look like them.
func (f *fork) behind() (list []segmentName) {
	for _, name := range f.rel.db.files[f.rel.loc.RelNumber].more {
		if name.fork == f.number && name.segment >= f.diskSegments {
			list = append(list, name)
		}
	}
	return list
}

func (s *Store) emptyBehind(f *fork) error {
	for _, name := range f.behind() {
		if err := s.files.resize(f.segment(name.segment), 0); err != nil {
			return err
		}
	}
	f.emptyBehind = false
	return nil
}

// reach makes the files go up to a block, by zeros, with all before it full. Behind it nothing is changed.
func (s *Store) reach(f *fork, blocks uint32) error {
	for f.diskBlocks < blocks {
		n := f.diskBlocks / s.segBlocks
		end := min(blocks, n*s.segBlocks+s.segBlocks)
		if err := s.needSegments(f, n+1); err != nil {
			return err
		}
		if err := s.files.resize(f.segment(n), int64(end-n*s.segBlocks)*int64(s.blockSize)); err != nil {
			return err
		}
		f.diskBlocks, f.valid = end, end
	}
	return nil
}

// needSegments makes files, empty, so that there are n.
func (s *Store) needSegments(f *fork, n uint32) error {
	for f.diskSegments < n {
		key := f.segment(f.diskSegments)
		if err := s.files.create(key); err != nil {
			return err
		}
		if err := s.files.resize(key, 0); err != nil {
			return err
		}
		f.diskSegments++
	}
	return nil
}
