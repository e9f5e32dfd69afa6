// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"math"

	"github.com/walmirror/walmirror/xlog"
)

// Environment is what queries see. Its functions are called by the goroutine that analyzes or runs a statement.
type Environment struct {
	Major   int // version of PostgreSQL that the answers are like; 0 is the newest
	Flavour xlog.Flavour
	// Table finds a relation that is not of the catalogs: a view of statistics, or a function that makes rows. It returns
	// nil when there is none.
	Table func(schema, name string) *Table
	// Functions are those of the session, by their names.
	Functions map[string]*Function
	// Catalogs has all other relations; nil: there are none.
	Catalogs Catalogs
	// Memory is how many bytes a statement may hold of relations and results, and how many more SQLite may take to run it; 0
	// is 128 MiB.
	Memory int64
	Engine *Engine
}

// A Table is a relation.
type Table struct {
	Schema, Name string
	OID          uint32
	Columns      []Column // Table is not set
	// Rows makes all the rows. Nil: Catalogs reads them.
	Rows func() ([][]Value, error)
	// Scalar says that it is a function of one value, of which the column takes the name of an alias.
	Scalar bool
}

// Catalogs are relations that are read. It is safe for concurrent use.
type Catalogs interface {
	// Table finds a relation; schema "" stands for the search path. It returns nil when there is none, and a *protocol.Error
	// for one that may not be read.
	Table(ctx context.Context, schema, name string) (*Table, error)
	// Read reads relations as they are at one instant, one after the other.
	Read(ctx context.Context, scans []Scan) error
}

// A Scan reads some columns of a relation.
type Scan struct {
	Table   *Table
	Columns []int // indexes into Table.Columns
	// Add takes a row: the values of Columns. It keeps the slice. An error ends reading.
	Add func(row []Value) error
}

// A Function is one that queries can call.
type Function struct {
	Args     []uint32 // types
	Optional int      // how many of the last ones may be left out
	Result   uint32   // type
	Volatile bool     // it does something, or is not the same for a whole statement
	// Call computes it. Without Nulls it is not called when there is a NULL among the arguments: it is NULL then.
	Call  func(args []Value) (Value, error)
	Nulls bool
}

func (e *Environment) major() int {
	if e.Major == 0 {
		return math.MaxInt
	}
	return e.Major
}

const defaultMemory = 128 << 20

func (e *Environment) memory() int64 {
	if e.Memory > 0 {
		return e.Memory
	}
	return defaultMemory
}
