// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
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
