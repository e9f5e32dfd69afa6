// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// CreateTablespace makes a tablespace in the directory location, which must exist, and the link to it; an empty location
// is pg_tblspc itself (create_tablespace_directories in src/backend/commands/tablespace.c, in recovery).
func (s *Store) CreateTablespace(oid uint32, location string) error {
	if oid == 0 || oid == defaultTablespace || oid == globalTablespace {
		return fmt.Errorf("tablespace %d cannot be made", oid)
	}
	link := s.tablespacePath(oid)
	if location == "" {
		return s.makeDirs(filepath.Join(link, s.dir.versionDirectory()))
	}
	if s.cfg.TablespaceLocation != nil {
		location = s.cfg.TablespaceLocation(location)
	}
	if !filepath.IsAbs(location) {
		return fmt.Errorf("tablespace %d: %q is no absolute path", oid, location)
	}
	target, err := s.makeLocation(oid, location)
	if err != nil {
		return fmt.Errorf("tablespace %d: %w", oid, err)
	}
	if err := s.removeLink(link); err != nil {
		return err
	}
	s.files.noteName(filepath.Dir(link))
	return s.dir.fsys.(vfs.Linker).Symlink(target, link)
}

var errNoLinks = fmt.Errorf("the filesystem has no symbolic links: %w", errors.ErrUnsupported)

// makeLocation makes this version's directory in a tablespace's location, and returns what the link leads to.
func (s *Store) makeLocation(oid uint32, location string) (target string, err error) {
	linker, ok := s.dir.fsys.(vfs.Linker)
	if !ok {
		return "", errNoLinks
	}
	if err := linker.Chmod(location, s.files.dirPerm); err != nil {
		return "", err
	}
	target = location
	if s.cfg.DBID != 0 {
		target = filepath.Join(location, strconv.Itoa(s.cfg.DBID))
	}
	if s.dir.Dialect.TablespaceCreateEmpties() {
		if err := s.emptyTablespace(oid, filepath.Join(target, s.dir.versionDirectory())); err != nil {
			return "", err
		}
	}
	return target, s.makeDirs(filepath.Join(target, s.dir.versionDirectory()))
}

// emptyTablespace removes everything in a tablespace.
func (s *Store) emptyTablespace(oid uint32, path string) error {
	if err := s.beforeWrite(s.record); err != nil {
		return err
	}
	for key, db := range s.databases {
		if key.tablespace == oid {
			if err := s.forgetDatabase(db); err != nil {
				return err
			}
		}
	}
	return s.removeTree(path)
}

// removeLink removes the link of a tablespace, or the empty directory in its place.
func (s *Store) removeLink(link string) error {
	s.files.noteName(filepath.Dir(link))
	return ignoreNotExist(s.dir.fsys.Remove(link))
}

// DropTablespace removes a tablespace, in which there should be no files any more. What cannot be removed because of
// them stays, and that is no error (destroy_tablespace_directories in src/backend/commands/tablespace.c, in redo).
func (s *Store) DropTablespace(oid uint32) error {
	if oid == 0 || oid == defaultTablespace || oid == globalTablespace {
		return fmt.Errorf("tablespace %d cannot be dropped", oid)
	}
	if err := s.beforeWrite(s.record); err != nil {
		return err
	}
	if err := s.leaveTablespace(oid); err != nil {
		return err
	}
	return s.removeTablespace(oid)
}

// leaveTablespace brings the files of a tablespace up to date and forgets them.
func (s *Store) leaveTablespace(oid uint32) error {
	for key, db := range s.databases {
		if key.tablespace != oid {
			continue
		}
		if err := s.writeDatabase(db); err != nil {
			return err
		}
		if len(db.relations) == 0 {
			if err := s.forgetDatabase(db); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeTablespace removes the databases' directories, this version's, and the link.
func (s *Store) removeTablespace(oid uint32) error {
	version := s.versionPath(oid)
	entries, err := s.dir.fsys.ReadDir(version)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if err := s.removeIfEmpty(filepath.Join(version, e.Name())); err != nil {
			return err
		}
	}
	there, err := vfs.Exists(s.dir.fsys, version)
	if err != nil {
		return err
	}
	if there {
		if err := s.removeIfEmpty(version); err != nil {
			return err
		}
		if there, err = vfs.Exists(s.dir.fsys, version); err != nil || there {
			return err
		}
	}
	link := s.tablespacePath(oid)
	if linker, ok := s.dir.fsys.(vfs.Linker); ok && s.cfg.DBID != 0 {
		if target, err := linker.Readlink(link); err == nil {
			if err := ignoreNotExist(s.removeIfEmpty(target)); err != nil {
				return err
			}
		}
	}
	return s.removeLink(link)
}

// removeIfEmpty removes a directory unless there is something in it.
func (s *Store) removeIfEmpty(path string) error {
	entries, err := s.dir.fsys.ReadDir(path)
	if err != nil || len(entries) > 0 {
		return err
	}
	s.files.noteName(filepath.Dir(path))
	return s.dir.fsys.Remove(path)
}
