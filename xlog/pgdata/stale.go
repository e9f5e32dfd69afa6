// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// relcacheInitName is the file in which a database keeps descriptions of its catalogs (RELCACHE_INIT_FILENAME).
const relcacheInitName = "pg_internal.init"

// RemoveStale removes what replay makes wrong and a server makes anew: the relation caches' files of every database
// (RelationCacheInitFileRemove in src/backend/utils/cache/relcache.c), exported snapshots, and saved statistics.
func (d *DataDir) RemoveStale() error {
	dirs, err := d.databaseDirs()
	if err != nil {
		return err
	}
	for _, dir := range append(dirs, filepath.Join(d.Path, "global")) {
		if err := d.removeMatching(dir, relcacheInitName+"*"); err != nil {
			return err
		}
	}
	if err := d.removeMatching(filepath.Join(d.Path, "pg_snapshots"), "*"); err != nil {
		return err
	}
	return d.removeMatching(filepath.Join(d.Path, "pg_stat"), "*.stat")
}

// databaseDirs lists the directories of all databases in all tablespaces.
func (d *DataDir) databaseDirs() ([]string, error) {
	parents := []string{filepath.Join(d.Path, "base")}
	version := string(d.Dialect.AppendTablespaceDirectory(nil))
	for _, s := range d.Tablespaces {
		inside, err := d.numbered(filepath.Join(d.Path, tablespacesDir, strconv.FormatUint(uint64(s.OID), 10)), version)
		if err != nil {
			return nil, err
		}
		parents = append(parents, inside...)
	}
	var dirs []string
	for _, p := range parents {
		inside, err := d.numbered(p, "")
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, inside...)
	}
	return dirs, nil
}

// numbered lists the directories in dir whose name is a number, or begins with prefix when that is not empty.
func (d *DataDir) numbered(dir, prefix string) ([]string, error) {
	entries, err := d.fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var dirs []string
	for _, e := range entries {
		name := e.Name()
		_, notNumber := strconv.ParseUint(name, 10, 32)
		if prefix == "" && notNumber == nil || prefix != "" && len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			dirs = append(dirs, filepath.Join(dir, name))
		}
	}
	return dirs, err
}

// removeMatching removes the files of a directory whose names fit the pattern, durably.
func (d *DataDir) removeMatching(dir, pattern string) error {
	entries, err := d.fsys.ReadDir(dir)
	if err != nil {
		return ignoreNotExist(err)
	}
	removed := false
	for _, e := range entries {
		if ok, _ := filepath.Match(pattern, e.Name()); !ok || e.IsDir() {
			continue
		}
		if err := ignoreNotExist(d.fsys.Remove(filepath.Join(dir, e.Name()))); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return d.fsys.SyncDir(dir)
}

// LinkTablespaces makes the links that tablespace_map lists, in the place of what is there under their names.
func (d *DataDir) LinkTablespaces(spaces []MappedTablespace) error {
	dir := filepath.Join(d.Path, tablespacesDir)
	linker, ok := d.fsys.(vfs.Linker)
	if !ok {
		return errNoLinks
	}
	for _, s := range spaces {
		link := filepath.Join(dir, strconv.FormatUint(uint64(s.OID), 10))
		if err := ignoreNotExist(d.fsys.Remove(link)); err != nil {
			return err
		}
		if err := linker.Symlink(s.Path, link); err != nil {
			return err
		}
	}
	if err := d.fsys.SyncDir(dir); err != nil {
		return err
	}
	var err error
	d.Tablespaces, err = readTablespaces(d.fsys, d.Path)
	return err
}
