// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// Whole directories are made, copied and removed at once, and not at Flush; they are durable after Flush. The functions
// do what those of the same purpose do in recovery in src/backend/commands/dbcommands.c.

// CreateDatabase makes the directory of a database in a tablespace, with nothing in it but PG_VERSION
// (CreateDirAndVersionFile).
func (s *Store) CreateDatabase(tablespace, database uint32) error {
	db, err := s.database(databaseKey{tablespace, database})
	if err != nil {
		return err
	}
	if err := s.makeDatabase(db); err != nil {
		return err
	}
	return s.files.put(filepath.Join(db.path, versionName), fmt.Appendf(nil, "%d\n", s.dir.Major))
}

// CopyDatabase makes the directory of a database in a tablespace as a copy of another, which is an empty one when
// there is none. What was in the new one is lost.
func (s *Store) CopyDatabase(tablespace, database, fromTablespace, fromDatabase uint32) error {
	from, err := s.database(databaseKey{fromTablespace, fromDatabase})
	if err != nil {
		return err
	}
	if tablespace == fromTablespace && database == fromDatabase {
		return fmt.Errorf("database %d is its own copy", database)
	}
	if err := s.writeDatabase(from); err != nil {
		return err
	}
	if err := s.DropDatabase(tablespace, database); err != nil {
		return err
	}
	to, err := s.database(databaseKey{tablespace, database})
	if err != nil {
		return err
	}
	if err := s.makeDatabase(from); err != nil {
		return err
	}
	if err := s.makeDatabase(to); err != nil {
		return err
	}
	return s.copyFiles(from, to)
}

// HasDatabase tells whether a database has a directory in a tablespace.
func (s *Store) HasDatabase(tablespace, database uint32) (bool, error) {
	db, err := s.database(databaseKey{tablespace, database})
	return err == nil && db.onDisk, err
}

// HasTablespace tells whether there is a tablespace.
func (s *Store) HasTablespace(oid uint32) (bool, error) {
	if oid == defaultTablespace || oid == globalTablespace {
		return true, nil
	}
	return vfs.Exists(s.dir.fsys, s.versionPath(oid))
}

// writeDatabase brings the files in a directory up to date.
func (s *Store) writeDatabase(db *database) error {
	for _, r := range db.relations {
		if r.changedAt >= 0 {
			if err := s.writeRelation(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyFiles copies what is in a directory, but for directories in it (copydir in src/backend/storage/file/copydir.c).
func (s *Store) copyFiles(from, to *database) error {
	if err := s.files.allLanded(); err != nil {
		return err
	}
	entries, err := s.dir.fsys.ReadDir(from.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(to.path, e.Name())
		if err := s.copyFile(filepath.Join(from.path, e.Name()), path); err != nil {
			return err
		}
		if number, name, ok := parseRelationFile(e.Name()); ok {
			to.add(number, name)
		}
	}
	s.files.noteName(to.path)
	return nil
}

func (s *Store) copyFile(from, to string) (err error) {
	in, err := s.dir.fsys.OpenFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := s.dir.fsys.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, s.files.filePerm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	s.files.notePath(to)
	buf := s.staging[:cap(s.staging)]
	for at := int64(0); ; {
		n, err := in.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := out.WriteAt(buf[:n], at); err != nil {
			return err
		}
		if at += int64(n); err != nil {
			return nil
		}
	}
}

// DropDatabase removes the directory of a database in a tablespace, if there is one, with everything in it.
func (s *Store) DropDatabase(tablespace, database uint32) error {
	db, err := s.database(databaseKey{tablespace, database})
	if err != nil {
		return err
	}
	if tablespace == globalTablespace {
		return errors.New("the shared relations cannot be dropped")
	}
	if err := s.forgetDatabase(db); err != nil {
		return err
	}
	if err := s.beforeWrite(s.record); err != nil {
		return err
	}
	s.files.noteName(filepath.Dir(db.path))
	return s.removeTree(db.path)
}

// forgetDatabase ends the knowledge of a directory, and of everything that was not written.
func (s *Store) forgetDatabase(db *database) error {
	for _, r := range db.relations {
		s.forget(r)
	}
	delete(s.databases, db.key)
	return s.files.leave(db)
}

// removeTree removes a directory and what is in it; it is no error that it is not there.
func (s *Store) removeTree(path string) error {
	entries, err := s.dir.fsys.ReadDir(path)
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if e.IsDir() {
			err = s.removeTree(name)
		} else {
			err = s.dir.fsys.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return ignoreNotExist(s.dir.fsys.Remove(path))
}
