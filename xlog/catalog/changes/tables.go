// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
)

const (
	catalogNamespace  = 11    // pg_catalog
	firstNormalObject = 16384 // FirstNormalObjectId: what initdb made is before it
	classCatalog      = 1259  // pg_class
	databaseCatalog   = 1262  // pg_database
)

// tables is which file is which catalog, of the databases whose catalogs were written so far.
type tables struct {
	files    map[xlog.RelFileLocator]catalogID
	current  map[catalogID]xlog.RelFileLocator
	loaded   map[uint32]bool // databases
	catalogs func() *catalog.Catalog
}

// forget has everything looked up anew.
func (t *tables) forget() {
	t.files, t.current = map[xlog.RelFileLocator]catalogID{}, map[catalogID]xlog.RelFileLocator{}
	t.loaded = map[uint32]bool{}
}

// find tells which catalog a file is of.
func (t *tables) find(file xlog.RelFileLocator) (catalogID, bool, error) {
	err := t.need(file.Database)
	id, ok := t.files[file]
	return id, ok, err
}

// fileOf is the present file of a catalog; zero when it went with its database.
func (t *tables) fileOf(id catalogID) (xlog.RelFileLocator, error) {
	err := t.need(id.database)
	return t.current[id], err
}

func (t *tables) need(database uint32) error {
	if t.loaded[database] {
		return nil
	}
	return t.load(database)
}

// load looks the catalogs of a database up. One that pg_database does not have, such as one that was dropped, has
// none.
func (t *tables) load(database uint32) error {
	t.loaded[database] = true
	db, err := openDatabase(t.catalogs(), database)
	if errors.Is(err, catalog.ErrNoDatabase) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := db.Relations()
	for _, r := range list {
		if isCatalog(&r) && r.Shared == (database == 0) {
			id := catalogID{database, r.OID}
			t.files[r.Locator], t.current[id] = id, r.Locator
		}
	}
	return err
}

func isCatalog(r *catalog.RelationInfo) bool {
	return r.Namespace == catalogNamespace && r.Kind == catalog.KindTable
}

// reload looks the catalogs of a database up anew and gives those that have another file now.
func (t *tables) reload(database uint32) ([]move, error) {
	before := maps.Clone(t.current)
	if err := t.load(database); err != nil {
		return nil, err
	}
	var moved []move
	for id, file := range t.current {
		if id.database == database && before[id] != file {
			moved = append(moved, move{id, before[id]})
		}
	}
	return moved, nil
}

// of lists the catalogs of a database in order of their OIDs.
func (t *tables) of(database uint32) ([]catalogID, error) {
	if err := t.need(database); err != nil {
		return nil, err
	}
	var ids []catalogID
	for id := range t.current {
		if id.database == database {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b catalogID) int { return cmp.Compare(a.oid, b.oid) })
	return ids, nil
}

// openDatabase opens a database; 0 is any one, for the shared catalogs are in all.
func openDatabase(c *catalog.Catalog, oid uint32) (*catalog.DB, error) {
	if oid != 0 {
		return c.DatabaseByOID(oid)
	}
	list, err := c.Databases()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, catalog.ErrNoDatabase
	}
	return c.DatabaseByOID(list[0].OID)
}
