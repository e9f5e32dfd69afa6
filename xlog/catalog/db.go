// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// DB is a database of a Catalog.
type DB struct {
	Database
	cat *Catalog

	files      map[uint32]uint64 // of the mapped catalogs
	classes    map[uint32]*RelationInfo
	names      map[qualifiedName]uint32
	users      bool // what initdb did not make is in classes, too
	namespaces map[uint32]string
	columns    map[uint32][]Column // of the catalogs, and of other relations that were asked for
	output     *Output             // made when a text is asked for
}

type qualifiedName struct {
	namespace uint32
	name      string
}

// Catalog is what the database was opened from.
func (db *DB) Catalog() *Catalog { return db.cat }

// mapped is the number of the file of a mapped catalog.
func (db *DB) mapped(oid uint32) (uint64, error) {
	if db.files == nil {
		files, err := db.cat.store.ReadRelMap(db.Tablespace, db.OID)
		if err != nil {
			return 0, fmt.Errorf("database %s: %w", db.Name, err)
		}
		db.files = files
	}
	number, ok := db.files[oid]
	if !ok {
		return 0, fmt.Errorf("%w: %d is not in the map of database %s", ErrNoRelation, oid, db.Name)
	}
	return number, nil
}

// Relation opens a relation by its name. Without a schema it is looked for in pg_catalog, and then in public.
func (db *DB) Relation(name string) (*Relation, error) {
	if schema, rest, ok := strings.Cut(name, "."); ok {
		return db.RelationIn(schema, rest)
	}
	r, err := db.RelationIn("pg_catalog", name)
	if err != nil {
		if public, err := db.RelationIn("public", name); err == nil {
			return public, nil
		}
	}
	return r, err
}

// RelationIn opens a relation of a schema.
func (db *DB) RelationIn(schema, name string) (*Relation, error) {
	if err := db.load(); err != nil {
		return nil, err
	}
	for oid, n := range db.namespaces {
		if n != schema {
			continue
		}
		info, err := db.named(oid, name)
		if err != nil {
			return nil, err
		}
		if info != nil {
			return db.relation(info.OID)
		}
	}
	return nil, fmt.Errorf("%w: %s.%s in database %s", ErrNoRelation, schema, name, db.Name)
}

// named finds a relation by its name; nil when there is none.
func (db *DB) named(namespace uint32, name string) (*RelationInfo, error) {
	oid, ok := db.names[qualifiedName{namespace, name}]
	if !ok && !db.users {
		if err := db.loadUsers(); err != nil {
			return nil, err
		}
		oid = db.names[qualifiedName{namespace, name}]
	}
	return db.classes[oid], nil
}

// RelationByOID opens a relation by pg_class.oid.
func (db *DB) RelationByOID(oid uint32) (*Relation, error) {
	if err := db.load(); err != nil {
		return nil, err
	}
	return db.relation(oid)
}

// relation is RelationByOID when the catalogs' rows of pg_class have been read. One row is read anew rather than all.
func (db *DB) relation(oid uint32) (*Relation, error) {
	info := db.classes[oid]
	if info == nil && oid >= firstNormalObject && !db.users {
		if err := db.loadClasses(func(o uint32) bool { return o == oid }); err != nil {
			return nil, err
		}
		info = db.classes[oid]
	}
	if info == nil {
		return nil, fmt.Errorf("%w: %d in database %s", ErrNoRelation, oid, db.Name)
	}
	columns, err := db.columnsOf(info)
	if err != nil {
		return nil, err
	}
	return &Relation{RelationInfo: *info, cat: db.cat, db: db, columns: columns}, nil
}

// Relations lists everything that is in pg_class, in no order.
func (db *DB) Relations() ([]RelationInfo, error) {
	if err := db.load(); err != nil {
		return nil, err
	}
	if err := db.loadUsers(); err != nil {
		return nil, err
	}
	list := make([]RelationInfo, 0, len(db.classes))
	for _, info := range db.classes {
		list = append(list, *info)
	}
	return list, nil
}

// load reads pg_namespace, and what pg_class and pg_attribute have of what initdb made.
func (db *DB) load() error {
	if db.namespaces != nil {
		return nil
	}
	db.classes, db.names, db.users = map[uint32]*RelationInfo{}, map[qualifiedName]uint32{}, false
	if err := db.loadClasses(func(oid uint32) bool { return oid < firstNormalObject }); err != nil {
		return err
	}
	if err := db.loadCatalogColumns(); err != nil {
		return err
	}
	return db.loadNamespaces()
}

// loadUsers reads the rest of pg_class.
func (db *DB) loadUsers() error {
	if db.users {
		return nil
	}
	err := db.loadClasses(func(oid uint32) bool { return oid >= firstNormalObject })
	db.users = err == nil
	return err
}

func (db *DB) loadClasses(which func(oid uint32) bool) error {
	class, err := db.bootstrap(classRelation, "pg_class", db.cat.dialect.ClassColumns())
	if err != nil {
		return err
	}
	return class.scan(matchOID(which), func(row *Row) error {
		info := classOf(row)
		if err := db.locate(&info, uint64(row.uint32("relfilenode"))); err != nil {
			return err
		}
		db.classes[info.OID] = &info
		db.names[qualifiedName{info.Namespace, info.Name}] = info.OID
		return nil
	})
}

func classOf(row *Row) RelationInfo {
	return RelationInfo{
		OID: row.uint32("oid"), Name: row.name("relname"), Namespace: row.uint32("relnamespace"),
		Type: row.uint32("reltype"), AccessMethod: row.uint32("relam"), Toast: row.uint32("reltoastrelid"),
		Shared: row.bool("relisshared"), Persistence: row.byte("relpersistence"), Kind: row.byte("relkind"),
		Natts: int(int16(row.uint16("relnatts"))), Tablespace: row.uint32("reltablespace"),
	}
}

// locate finds a relation's file (RelationInitPhysicalAddr in src/backend/utils/cache/relcache.c). A relation of a kind
// that has no file has none; so has a mapped one that is in no map, which only its reader will complain about.
func (db *DB) locate(info *RelationInfo, number uint64) error {
	if !hasFile(info.Kind) {
		return nil
	}
	if info.Shared {
		info.Locator, _ = db.cat.sharedFile(info.OID)
		if number != 0 {
			info.Locator.RelNumber = number
		}
		return nil
	}
	info.Locator = xlog.RelFileLocator{Tablespace: info.Tablespace, Database: db.OID, RelNumber: number}
	if info.Tablespace == 0 {
		info.Locator.Tablespace = db.Tablespace
	}
	if number == 0 {
		info.Mapped = true
		info.Locator.RelNumber = db.files[info.OID]
	}
	return nil
}

// loadCatalogColumns reads the columns of everything that initdb made, in one pass.
func (db *DB) loadCatalogColumns() error {
	attribute, err := db.bootstrap(attributeRelation, "pg_attribute", db.cat.dialect.AttributeColumns())
	if err != nil {
		return err
	}
	db.columns = map[uint32][]Column{}
	return attribute.scan(matchOID(func(oid uint32) bool { return oid < firstNormalObject }), func(row *Row) error {
		return db.addColumn(row)
	})
}

// matchOID accepts tuples by their first column, an OID.
func matchOID(accept func(uint32) bool) func(bufpage.HeapTuple) bool {
	return func(t bufpage.HeapTuple) bool {
		data := t.Data()
		return len(data) >= 4 && accept(binary.LittleEndian.Uint32(data))
	}
}

// columnsOf are the columns of a relation.
func (db *DB) columnsOf(info *RelationInfo) ([]Column, error) {
	columns, ok := db.columns[info.OID]
	if !ok && info.OID >= firstNormalObject {
		attribute, err := db.relation(attributeRelation)
		if err != nil {
			return nil, err
		}
		err = attribute.scan(matchOID(func(oid uint32) bool { return oid == info.OID }), db.addColumn)
		if err != nil {
			delete(db.columns, info.OID)
			return nil, err
		}
		columns = db.columns[info.OID]
	}
	for i := range columns {
		if columns[i].Num == 0 {
			return nil, fmt.Errorf("%w: %s has no column %d", ErrValue, info.Name, i+1)
		}
	}
	return columns, nil
}

// maxColumns is the greatest number of a column that is accepted (MaxHeapAttributeNumber is 1600).
const maxColumns = 2048

// addColumn notes a row of pg_attribute.
func (db *DB) addColumn(row *Row) error {
	oid, column := row.uint32("attrelid"), columnOf(row)
	if column.Num < 0 {
		return nil // one that every table has
	}
	if column.Num == 0 || column.Num > maxColumns {
		return fmt.Errorf("%w: column %d of %d in pg_attribute", ErrValue, column.Num, oid)
	}
	if column.HasMissing {
		missing, err := missingValue(row)
		if err != nil {
			return err
		}
		column.missing = missing
	}
	columns := db.columns[oid]
	for len(columns) < int(column.Num) {
		columns = append(columns, Column{})
	}
	columns[column.Num-1] = column
	db.columns[oid] = columns
	return nil
}

// missingValue is attmissingval, an array of one element; nil when the row does not have it.
func missingValue(row *Row) ([]byte, error) {
	if row.rel.Column("attmissingval") < 0 {
		return nil, nil
	}
	value, err := row.Value(row.rel.Column("attmissingval"))
	return bytes.Clone(value), err
}

func (db *DB) loadNamespaces() error {
	namespace, err := db.relation(namespaceRelation)
	if err != nil {
		return err
	}
	found := map[uint32]string{}
	err = namespace.Scan(func(row *Row) error {
		found[row.uint32("oid")] = row.name("nspname")
		return nil
	})
	db.namespaces = found
	return err
}
