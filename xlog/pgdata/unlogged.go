// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
)

// ResetUnlogged removes the files of unlogged relations but for their init forks, as the begin of recovery does
// (ResetUnloggedRelations with UNLOGGED_RELATION_CLEANUP in src/backend/storage/file/reinit.c). It comes before
// anything else is done by the Store.
func (s *Store) ResetUnlogged() error { return s.eachDatabase(s.resetUnloggedOf) }

// eachDatabase calls fn for the directory that each database has in each tablespace, but not for the shared relations.
func (s *Store) eachDatabase(fn func(*database) error) error {
	if err := s.eachDatabaseIn(defaultTablespace, filepath.Join(s.dir.Path, "base"), fn); err != nil {
		return err
	}
	spaces, err := readTablespaces(s.dir.fsys, s.dir.Path)
	if err != nil {
		return err
	}
	for _, space := range spaces {
		if err := s.eachDatabaseIn(space.OID, s.versionPath(space.OID), fn); err != nil {
			return err
		}
	}
	return nil
}

// eachDatabaseIn does so for those in a directory.
func (s *Store) eachDatabaseIn(tablespace uint32, path string, fn func(*database) error) error {
	entries, err := s.dir.fsys.ReadDir(path)
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, e := range entries {
		oid, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil || !e.IsDir() {
			continue
		}
		db, err := s.database(databaseKey{tablespace, uint32(oid)})
		if err != nil {
			return err
		}
		if err := fn(db); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) resetUnloggedOf(db *database) error {
	const initFork = 1 << xlog.InitFork
	for number, e := range db.files {
		if e.forks&initFork == 0 {
			continue
		}
		for _, name := range e.segments() {
			if name.fork != xlog.InitFork {
				if err := s.files.unlink(fileKey{db, number, name}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// InitUnlogged gives unlogged relations a main fork, a durable copy of their init fork, as the end of recovery does
// (ResetUnloggedRelations with UNLOGGED_RELATION_INIT). It comes after the last Flush, and is the last thing done by the
// Store.
func (s *Store) InitUnlogged() error { return s.eachDatabase(s.initUnloggedOf) }

func (s *Store) initUnloggedOf(db *database) error {
	copied := false
	for number, e := range db.files {
		for _, name := range e.segments() {
			if name.fork != xlog.InitFork {
				continue
			}
			if err := s.initUnloggedFile(fileKey{db, number, name}); err != nil {
				return err
			}
			copied = true
		}
	}
	if !copied {
		return nil
	}
	return s.dir.fsys.SyncDir(db.path)
}

// initUnloggedFile makes the main fork's file of the init fork's.
func (s *Store) initUnloggedFile(from fileKey) error {
	to := from
	to.fork = xlog.MainFork
	content, err := readPrefix(s.dir.fsys, from.path(), maxInitFork)
	if err != nil {
		return err
	}
	return writeSynced(s.dir.fsys, to.path(), os.O_TRUNC, content, s.files.filePerm)
}

// maxInitFork is much more than the few pages that an init fork has.
const maxInitFork = 1 << 30
