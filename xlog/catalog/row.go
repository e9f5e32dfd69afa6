// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Row is a row of a relation.
type Row struct {
	TID bufpage.TID

	rel    *Relation
	tuple  bufpage.HeapTuple
	stored [][]byte // of the columns that the tuple has, with their headers; nil for null
	err    error    // the tuple makes no sense
}

// Relation is whose row it is.
func (row *Row) Relation() *Relation { return row.rel }

// Tuple is the tuple. It is valid as long as the row.
func (row *Row) Tuple() bufpage.HeapTuple { return row.tuple }

// XMin is the transaction that made this version of the row.
func (row *Row) XMin() uint32 { return row.tuple.Xmin() }

// XMax is the transaction that ended it or only locked it, a multixact of several, or 0.
func (row *Row) XMax() uint32 { return row.tuple.Xmax() }

// Stored is column i as the tuple has it: a varlena with its header, perhaps compressed or a pointer to its TOAST table.
// It is nil for a null, and for a column that the tuple does not have.
func (row *Row) Stored(i int) []byte {
	if i >= len(row.stored) {
		return nil
	}
	return row.stored[i]
}

// Value is column i, from 0; nil for a null. The bytes are those of a Value: a varlena's are its payload, decompressed
// and fetched. They are valid as long as the row.
func (row *Row) Value(i int) ([]byte, error) {
	switch {
	case row.err != nil:
		return nil, row.err
	case i < 0 || i >= len(row.rel.columns):
		return nil, fmt.Errorf("%w: number %d of %s", ErrNoColumn, i, row.rel.Name)
	}
	column := &row.rel.columns[i]
	if i >= row.tuple.Natts() {
		return column.missingValue()
	}
	stored := row.Stored(i)
	if stored == nil || column.Dropped {
		return nil, nil
	}
	value, err := row.rel.plain(stored, column)
	if err != nil {
		return nil, fmt.Errorf("%s %s, column %s: %w", row.rel.Name, row.TID, column.Name, err)
	}
	return value, nil
}

// plain is the payload of a value as it is stored.
func (r *Relation) plain(stored []byte, c *Column) ([]byte, error) {
	switch c.Type.Len {
	case -1:
		return r.varlena(&c.Type, stored)
	case -2:
		return stored[:len(stored)-1], nil
	}
	return stored, nil
}

// Clone is the row in memory of its own, for one who keeps it.
func (row *Row) Clone() *Row {
	c := &Row{TID: row.TID, rel: row.rel, tuple: bytes.Clone(row.tuple)}
	c.rel.deform(c)
	return c
}

// fixed is a column that is never null and has a fixed length, of a catalog that everything else depends on: zeros when
// the row does not have it, which deform has noted.
func (row *Row) fixed(name string, size int) []byte {
	stored := row.Stored(max(row.rel.Column(name), 0))
	if len(stored) < size {
		return make([]byte, size)
	}
	return stored
}

func (row *Row) uint32(name string) uint32 { return binary.LittleEndian.Uint32(row.fixed(name, 4)) }
func (row *Row) uint16(name string) uint16 { return binary.LittleEndian.Uint16(row.fixed(name, 2)) }
func (row *Row) byte(name string) byte     { return row.fixed(name, 1)[0] }
func (row *Row) bool(name string) bool     { return row.byte(name) != 0 }

// name is a column of type name.
func (row *Row) name(column string) string {
	b := row.fixed(column, 1)
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
