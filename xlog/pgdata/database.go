// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// Tablespaces that have no directory of their own (src/include/catalog/pg_tablespace.dat).
const (
	defaultTablespace = 1663
	globalTablespace  = 1664
)

// databaseKey says which directory of a database it is.
type databaseKey struct{ tablespace, database uint32 }

// database is the directory that a database has in a tablespace, or the one for shared relations.
type database struct {
	key       databaseKey
	path      string
	relations map[uint64]*relation

	// What is on disk, so that nobody has to ask the filesystem for a file that is not there.
	onDisk bool
	files  map[uint64]dirEntry
}

// dirEntry is what there is of a relation in a directory.
type dirEntry struct {
	forks uint8         // the forks that have a first segment, a bit for each
	more  []segmentName // other segments
}

// segmentName is a file of a relation.
type segmentName struct {
	fork    xlog.ForkNumber
	segment uint32
}

// database finds a directory, and reads it when it is new.
func (s *Store) database(key databaseKey) (*database, error) {
	if db := s.databases[key]; db != nil {
		return db, nil
	}
	if key.tablespace == 0 || (key.database == 0) != (key.tablespace == globalTablespace) {
		return nil, fmt.Errorf("tablespace %d, database %d: there is no such directory", key.tablespace, key.database)
	}
	db := &database{key: key, path: s.databasePath(key), relations: make(map[uint64]*relation)}
	if err := s.list(db); err != nil {
		return nil, err
	}
	s.databases[key] = db
	return db, nil
}

// databasePath is where a database is in a tablespace (GetDatabasePath in src/common/relpath.c).
func (s *Store) databasePath(key databaseKey) string {
	switch key.tablespace {
	case globalTablespace:
		return filepath.Join(s.dir.Path, "global")
	case defaultTablespace:
		return filepath.Join(s.dir.Path, "base", utoa(key.database))
	}
	return filepath.Join(s.versionPath(key.tablespace), utoa(key.database))
}

// versionPath is the directory of this version's databases in a tablespace that is not built in.
func (s *Store) versionPath(tablespace uint32) string {
	return filepath.Join(s.tablespacePath(tablespace), s.dir.versionDirectory())
}

func (s *Store) tablespacePath(tablespace uint32) string {
	return filepath.Join(s.dir.Path, tablespacesDir, utoa(tablespace))
}

// versionDirectory is TABLESPACE_VERSION_DIRECTORY. Releases of one dialect may differ in the catalog version.
func (d *DataDir) versionDirectory() string {
	name := string(d.Dialect.AppendTablespaceDirectory(nil))
	return name[:strings.LastIndexByte(name, '_')+1] + utoa(d.Control.CatalogVersionNo)
}

func utoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// list reads a directory.
func (s *Store) list(db *database) error {
	db.files = make(map[uint64]dirEntry)
	entries, err := s.dir.fsys.ReadDir(db.path)
	db.onDisk = err == nil
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, e := range entries {
		if number, name, ok := parseRelationFile(e.Name()); ok {
			db.add(number, name)
		}
	}
	return nil
}

// parseRelationFile takes the name of a relation's file apart, which must not be a temporary relation's
// (parse_filename_for_nontemp_relation in src/backend/storage/file/reinit.c).
func parseRelationFile(name string) (number uint64, seg segmentName, ok bool) {
	name, suffix, segmented := strings.Cut(name, ".")
	name, forkName, forked := strings.Cut(name, "_")
	if forked {
		seg.fork = xlog.ForkNumber(slices.Index([]string{"", "fsm", "vm", "init"}, forkName))
	}
	number, ok = parseDigits(name, 64)
	ok = ok && int(seg.fork) < forkCount && forked == (seg.fork != xlog.MainFork)
	if segmented {
		n, valid := parseDigits(suffix, 32)
		seg.segment, ok = uint32(n), ok && valid && n > 0
	}
	return number, seg, ok
}

// parseDigits reads a number that has nothing but digits, the first of them not 0.
func parseDigits(text string, width int) (uint64, bool) {
	if text == "" || text[0] < '1' || text[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, width)
	return n, err == nil
}

// add says that a file is there.
func (db *database) add(number uint64, name segmentName) {
	e := db.files[number]
	if name.segment == 0 {
		e.forks |= 1 << name.fork
	} else if !slices.Contains(e.more, name) {
		e.more = append(e.more, name)
	}
	db.files[number] = e
}

// has tells whether a file is there.
func (db *database) has(number uint64, name segmentName) bool {
	e := db.files[number]
	if name.segment == 0 {
		return e.forks&(1<<name.fork) != 0
	}
	return slices.Contains(e.more, name)
}

// segments lists the files of all forks, later ones of a fork first.
func (e dirEntry) segments() []segmentName {
	list := slices.Clone(e.more)
	slices.SortFunc(list, func(a, b segmentName) int { return cmp.Compare(b.segment, a.segment) })
	for f := range xlog.InitFork + 1 {
		if e.forks&(1<<f) != 0 {
			list = append(list, segmentName{fork: f})
		}
	}
	return list
}

// remove says that a file is not there any more.
func (db *database) remove(number uint64, name segmentName) {
	e := db.files[number]
	if name.segment == 0 {
		e.forks &^= 1 << name.fork
	} else {
		e.more = slices.DeleteFunc(e.more, func(n segmentName) bool { return n == name })
	}
	if e.forks == 0 && len(e.more) == 0 {
		delete(db.files, number)
	} else {
		db.files[number] = e
	}
}

// makeDatabase makes the directory and those that it is in, as far as they are missing: a tablespace may have been
// dropped later in the log (TablespaceCreateDbspace in src/backend/commands/tablespace.c).
func (s *Store) makeDatabase(db *database) error {
	if db.onDisk {
		return nil
	}
	if err := s.makeDirs(db.path); err != nil {
		return err
	}
	db.onDisk = true
	return nil
}

// makeDirs makes a directory and those above it that are missing.
func (s *Store) makeDirs(path string) error {
	err := s.dir.fsys.Mkdir(path, s.files.dirPerm)
	if errors.Is(err, fs.ErrNotExist) && path != s.dir.Path {
		if err := s.makeDirs(filepath.Dir(path)); err != nil {
			return err
		}
		err = s.dir.fsys.Mkdir(path, s.files.dirPerm)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	s.files.noteName(filepath.Dir(path))
	return nil
}
