// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"fmt"
	"math"

	"github.com/walmirror/walmirror/xlog"
)

// The files of Greenplum's append-optimized relations are written at once: they have no pages, and what is behind the
// end that the catalog knows of means nothing. They are durable after Flush.

// WriteAppendonly writes to a file of an append-optimized relation, at an offset in bytes; a write at 0 makes the file.
// It is false when there is no such file (ao_insert_replay in src/backend/cdb/cdbappendonlyxlog.c of Greenplum).
func (s *Store) WriteAppendonly(rel xlog.RelFileLocator, segment uint32, offset int64, p []byte) (bool, error) {
	if offset < 0 || offset > math.MaxInt64-int64(len(p)) {
		return false, fmt.Errorf("%s, segment %d: offset %d", rel, segment, offset)
	}
	key, there, err := s.appendonlyFile(rel, segment)
	if err != nil {
		return false, err
	}
	if !there {
		if offset != 0 {
			return false, nil
		}
		if err := s.createAppendonly(key); err != nil {
			return false, err
		}
	}
	return true, s.files.write(key, p, offset)
}

// TruncateAppendonly cuts a file of an append-optimized relation to a length in bytes. It is false when there is no
// such file.
func (s *Store) TruncateAppendonly(rel xlog.RelFileLocator, segment uint32, size int64) (bool, error) {
	if size < 0 {
		return false, fmt.Errorf("%s, segment %d: %d bytes", rel, segment, size)
	}
	key, there, err := s.appendonlyFile(rel, segment)
	if err != nil || !there {
		return false, err
	}
	if err := s.beforeWrite(s.record); err != nil {
		return false, err
	}
	return true, s.files.resize(key, size)
}

// appendonlyFile finds a file on disk, where what was done to the relation so far shows after that.
func (s *Store) appendonlyFile(rel xlog.RelFileLocator, segment uint32) (key fileKey, there bool, err error) {
	f, err := s.fork(rel, xlog.MainFork)
	if err != nil {
		return fileKey{}, false, err
	}
	if f.rel.changedAt >= 0 {
		if err := s.writeRelation(f.rel); err != nil {
			return fileKey{}, false, err
		}
		if f, err = s.fork(rel, xlog.MainFork); err != nil { // it may have been forgotten
			return fileKey{}, false, err
		}
	}
	key = f.segment(segment)
	return key, key.db.has(key.number, key.segmentName), nil
}

// createAppendonly makes a file. For the cache the relation has none but those that were there before.
func (s *Store) createAppendonly(key fileKey) error {
	if err := s.makeDatabase(key.db); err != nil {
		return err
	}
	if key.segment == 0 {
		r := key.db.relations[key.number]
		if err := s.Create(r.loc, xlog.MainFork); err != nil {
			return err
		}
		return s.writeRelation(r)
	}
	return s.files.create(key)
}
