// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Two virtual tables show SQLite what is in Go's memory. pgrows(n) has the rows of table n of the statement, pgmade(n,
// ...) those that function n makes of its arguments. Columns are c0, c1, ... without types; hidden ones are the arguments.
const (
	shownColumns = 200
	madeColumns  = 1
	madeArgs     = 4
)

func (c *connection) createModules() error {
	return errors.Join(
		//lint:ignore SA1019 the method that takes its place needs Go 1.27
		sqlite3.CreateModule(c.db, "pgrows", nil, c.module(shownColumns, 1, false)),
		//lint:ignore SA1019 the same
		sqlite3.CreateModule(c.db, "pgmade", nil, c.module(madeColumns, 1+madeArgs, true)),
	)
}

// module declares a virtual table.
func (c *connection) module(columns, args int, made bool) sqlite3.VTabConstructor[*virtualTable] {
	return func(db *sqlite3.Conn, _, _, _ string, _ ...string) (*virtualTable, error) {
		var b strings.Builder
		b.WriteString("CREATE TABLE x(")
		for i := range columns {
			fmt.Fprintf(&b, "c%d,", i)
		}
		for i := range args {
			fmt.Fprintf(&b, "a%d HIDDEN,", i)
		}
		t := &virtualTable{c: c, columns: columns, args: args, made: made}
		return t, db.DeclareVTab(strings.TrimSuffix(b.String(), ",") + ")")
	}
}

type virtualTable struct {
	c             *connection
	columns, args int
	made          bool // by a function
}

// BestIndex asks for the hidden arguments; of a relation it offers to find rows by one column.
func (t *virtualTable) BestIndex(info *sqlite3.IndexInfo) error {
	found := 0
	equal, n := -1, 1
	for i, c := range info.Constraint {
		if c.Op != sqlite3.INDEX_CONSTRAINT_EQ {
			continue
		}
		switch {
		case c.Column >= t.columns:
			if !c.Usable {
				return sqlite3.CONSTRAINT
			}
			arg := c.Column - t.columns
			if found&(1<<arg) != 0 {
				continue
			}
			info.ConstraintUsage[i] = sqlite3.IndexConstraintUsage{ArgvIndex: arg + 1, Omit: true}
			found |= 1 << arg
			n = max(n, arg+1)
		case c.Usable && equal < 0 && !t.made && c.Column >= 0 && info.Collation(i) == "BINARY":
			equal = i
		}
	}
	if found&1 == 0 {
		return sqlite3.CONSTRAINT
	}
	info.EstimatedCost, info.EstimatedRows = 2000, 1000
	if equal >= 0 {
		info.ConstraintUsage[equal] = sqlite3.IndexConstraintUsage{ArgvIndex: n + 1}
		info.IdxNum = info.Constraint[equal].Column + 1
		info.EstimatedCost, info.EstimatedRows = 20, 10
	}
	return nil
}

// Open implements sqlite3.VTab.
func (t *virtualTable) Open() (sqlite3.VTabCursor, error) { return &cursor{t: t}, nil }

// cursor goes through rows: all of them, or those that are chosen.
type cursor struct {
	t      *virtualTable
	rows   [][]Value
	chosen []int // nil: all
	at     int
}

// Filter implements sqlite3.VTabCursor.
func (c *cursor) Filter(column int, _ string, args ...sqlite3.Value) error {
	x := c.t.c.x
	c.at, c.chosen = 0, nil
	n := int(args[0].Int64())
	if c.t.made {
		return c.make(x, n, args[1:])
	}
	c.rows = x.tables[n]
	if column > 0 {
		c.chosen = []int{}
		if v := valueOf(args[1]); v != nil && len(c.rows) > 0 && column <= len(c.rows[0]) {
			c.chosen = append(c.chosen, x.find(n, column-1, v)...)
		}
	}
	return nil
}

// make calls the function that makes the rows.
func (c *cursor) make(x *execution, n int, args []sqlite3.Value) error {
	values := make([]Value, len(args))
	for i, arg := range args {
		if values[i] = valueOf(arg); values[i] == nil {
			c.rows = nil
			return nil
		}
	}
	var err error
	if c.rows, err = x.st.calls[n].rows(x, values); err != nil {
		x.err = err
	}
	return err
}

// Next implements sqlite3.VTabCursor.
func (c *cursor) Next() error {
	c.at++
	return nil
}

// EOF implements sqlite3.VTabCursor.
func (c *cursor) EOF() bool {
	if c.chosen != nil {
		return c.at >= len(c.chosen)
	}
	return c.at >= len(c.rows)
}

// Column implements sqlite3.VTabCursor.
func (c *cursor) Column(ctx sqlite3.Context, n int) error {
	row := c.rows[c.row()]
	if n >= len(row) {
		ctx.ResultNull()
		return nil
	}
	setResult(ctx, row[n])
	return nil
}

// RowID implements sqlite3.VTabCursor: SQLite remembers by it which rows a RIGHT JOIN has found.
func (c *cursor) RowID() (int64, error) { return int64(c.row()), nil }

func (c *cursor) row() int {
	if c.chosen != nil {
		return c.chosen[c.at]
	}
	return c.at
}
