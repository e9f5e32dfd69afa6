// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// Kinds of relations, pg_class.relkind (src/include/catalog/pg_class.h).
const (
	KindTable            = 'r'
	KindIndex            = 'i'
	KindSequence         = 'S'
	KindToast            = 't'
	KindView             = 'v'
	KindMaterializedView = 'm'
	KindComposite        = 'c'
	KindForeign          = 'f'
	KindPartitioned      = 'p'
	KindPartitionedIndex = 'I'
)

// RelationInfo is what pg_class says of a relation, and where its file is.
type RelationInfo struct {
	OID          uint32
	Name         string
	Namespace    uint32 // OID of its schema
	Type         uint32 // OID of the type of its rows, 0 for none
	AccessMethod uint32
	Toast        uint32 // OID of the relation that has its values out of line, 0 for none
	Tablespace   uint32 // 0 for the database's own
	Natts        int    // number of columns
	Shared       bool
	Mapped       bool // its file is in the map of files
	Persistence  byte // 'p', 'u' for unlogged, 't' for temporary
	Kind         byte
	Locator      xlog.RelFileLocator // zero when it has no file
}

// hasFile tells whether relations of a kind have a file (RELKIND_HAS_STORAGE).
func hasFile(kind byte) bool {
	switch kind {
	case KindTable, KindIndex, KindSequence, KindToast, KindMaterializedView:
		return true
	}
	return kind == 'o' || kind == 'b' || kind == 'M' // tables that Greenplum keeps for append-optimized ones
}

// Column is a column of a relation, as pg_attribute has it.
type Column struct {
	Name    string
	Type    TypeInfo // OID 0 of a column that was dropped
	Typmod  int32
	Num     int16 // counted from 1
	NotNull bool
	Dropped bool
	// HasMissing tells that rows which were there before the column have a value of it that is not null.
	HasMissing bool

	missing []byte // an array of that value
}

// columnOf reads a row of pg_attribute.
func columnOf(row *Row) Column {
	return Column{
		Name: row.name("attname"), Num: int16(row.uint16("attnum")), Typmod: int32(row.uint32("atttypmod")),
		NotNull: row.bool("attnotnull"), Dropped: row.bool("attisdropped"), HasMissing: row.bool("atthasmissing"),
		Type: TypeInfo{
			OID: row.uint32("atttypid"), Len: int16(row.uint16("attlen")), ByVal: row.bool("attbyval"),
			Align: row.byte("attalign"), Storage: row.byte("attstorage"),
			NetworkOrder: row.rel.cat.dialect.VarlenaNetworkOrder(),
		},
	}
}

// Relation is an open relation. It is of use as long as its Catalog.
type Relation struct {
	RelationInfo
	cat     *Catalog
	db      *DB // nil of pg_database when no database is open
	columns []Column
	byName  map[string]int
}

// Columns are the columns in the order of their numbers, dropped ones among them: the value of column i of a row is
// Value(i). The caller does not change them.
func (r *Relation) Columns() []Column { return r.columns }

// Column is the index of a column in Columns, -1 when there is none of this name.
func (r *Relation) Column(name string) int {
	if r.byName == nil {
		r.byName = make(map[string]int, len(r.columns))
		for i := range r.columns {
			if !r.columns[i].Dropped {
				r.byName[r.columns[i].Name] = i
			}
		}
	}
	if i, ok := r.byName[name]; ok {
		return i
	}
	return -1
}

// DB is the database that the relation was opened in.
func (r *Relation) DB() *DB { return r.db }

// checkHeap tells whether the relation has tuples to read.
func (r *Relation) checkHeap() error {
	heap := r.AccessMethod == heapAM || r.AccessMethod == 0 // sequences have none
	if !hasFile(r.Kind) || r.Kind == KindIndex || !heap {
		return fmt.Errorf("%w: %s, of kind %q and access method %d", ErrNoStorage, r.Name, r.Kind, r.AccessMethod)
	}
	if r.Locator.RelNumber == 0 {
		return fmt.Errorf("%w: %s has no file", ErrNoRelation, r.Name)
	}
	there, err := r.cat.store.Exists(r.Locator, xlog.MainFork)
	if err == nil && !there {
		err = fmt.Errorf("%w: %s", ErrNoFile, r.Name)
	}
	return err
}
