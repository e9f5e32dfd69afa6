// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

var (
	// ErrNoDatabase says that there is no such database.
	ErrNoDatabase = errors.New("no such database")
	// ErrNoRelation says that there is no such relation.
	ErrNoRelation = errors.New("no such relation")
	// ErrNoStorage says that a relation has no rows of its own in a heap, such as a view, an index or a foreign table.
	ErrNoStorage = errors.New("the relation is not stored as a heap")
	// ErrNoFile says that the file of a relation is not there: it is temporary or unlogged, which no log has the rows of, or
	// the directory has only catalogs.
	ErrNoFile = errors.New("the relation has no file here")
	// ErrNoColumn says that a relation has no such column.
	ErrNoColumn = errors.New("no such column")
)

// Catalog is the catalogs in a data directory. It belongs to one goroutine, and what was read once of pg_class and
// pg_attribute is not read again: over pages that change, a new one is made for each look at them.
type Catalog struct {
	store   *pgdata.Store
	xacts   *pgdata.Transactions
	dialect *xlog.Dialect
	close   func() error // nil when others close the store

	shared    map[uint32]uint64 // files of the mapped shared catalogs
	databases []Database
}

// New reads through the pages and transactions of others, such as a Redo between two records. Nothing is read yet, and
// nothing is to be closed.
func New(store *pgdata.Store, xacts *pgdata.Transactions) *Catalog {
	return &Catalog{store: store, xacts: xacts, dialect: store.Dir().Dialect}
}

// Close lets go of what OpenDir has opened.
func (c *Catalog) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close()
}

// Dialect is what the directory's bytes look like.
func (c *Catalog) Dialect() *xlog.Dialect { return c.dialect }

// Database is a row of pg_database, with what all versions have of it. See DatabaseRow for the others.
type Database struct {
	OID        uint32
	Name       string
	Owner      uint32
	Encoding   int32
	Tablespace uint32
	IsTemplate bool
	AllowConn  bool // datallowconn
}

// Databases lists the databases in order of their OIDs.
func (c *Catalog) Databases() ([]Database, error) {
	if c.databases != nil {
		return c.databases, nil
	}
	loc, err := c.sharedFile(databaseRelation)
	if err != nil {
		return nil, err
	}
	r := &Relation{
		RelationInfo: RelationInfo{OID: databaseRelation, Name: "pg_database", Kind: KindTable, Shared: true, Locator: loc},
		cat:          c, columns: bootstrapColumns(c.dialect.DatabaseColumns()),
	}
	found := map[uint32]Database{}
	err = r.Scan(func(row *Row) error {
		d := databaseOf(row)
		found[d.OID] = d
		return nil
	})
	c.databases = slices.SortedFunc(maps.Values(found), func(a, b Database) int { return int(int64(a.OID) - int64(b.OID)) })
	return c.databases, err
}

func databaseOf(row *Row) Database {
	return Database{
		OID: row.uint32("oid"), Name: row.name("datname"), Owner: row.uint32("datdba"),
		Encoding: int32(row.uint32("encoding")), Tablespace: row.uint32("dattablespace"),
		IsTemplate: row.bool("datistemplate"), AllowConn: row.bool("datallowconn"),
	}
}

// Database opens a database, "" for template1, in which the shared catalogs can be read as well.
func (c *Catalog) Database(name string) (*DB, error) {
	if name == "" {
		name = "template1"
	}
	return c.database(func(d *Database) bool { return d.Name == name }, name)
}

// DatabaseByOID is Database by pg_database.oid.
func (c *Catalog) DatabaseByOID(oid uint32) (*DB, error) {
	return c.database(func(d *Database) bool { return d.OID == oid }, oid)
}

func (c *Catalog) database(is func(*Database) bool, what any) (*DB, error) {
	list, err := c.Databases()
	if err != nil {
		return nil, err
	}
	for i := range list {
		if is(&list[i]) {
			return &DB{Database: list[i], cat: c}, nil
		}
	}
	return nil, fmt.Errorf("%w: %v", ErrNoDatabase, what)
}

// sharedFile is the file of a shared catalog.
func (c *Catalog) sharedFile(oid uint32) (xlog.RelFileLocator, error) {
	loc := xlog.RelFileLocator{Tablespace: globalTablespace}
	if c.shared == nil {
		var err error
		if c.shared, err = c.store.ReadRelMap(globalTablespace, 0); err != nil {
			return loc, err
		}
	}
	var ok bool
	if loc.RelNumber, ok = c.shared[oid]; !ok {
		return loc, fmt.Errorf("%w: %d is not in the map of the shared relations", ErrNoRelation, oid)
	}
	return loc, nil
}
