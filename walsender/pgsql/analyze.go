// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Column describes a column of a result.
type Column struct {
	Name   string
	Type   uint32 // OID
	Typmod int32  // -1: none
	Table  uint32 // OID of the relation that it is a column of; 0: none
	Num    int16  // of the column in that relation
}

// A Statement is a query of which all names and types are found. Several goroutines may run it.
type Statement struct {
	Columns []Column
	Params  []uint32 // types of the parameters

	env    *Environment
	sql    string // for SQLite
	calls  []boundCall
	tables []*tableUse
	names  *names // of OIDs; nil: none are printed
}

// boundCall is what SQLite calls by its number.
type boundCall struct {
	key   string // those with the same one, if it is not empty, do the same
	nulls bool   // it wants to see NULLs; else one makes NULL of it
	call  func(x *execution, args []Value) (Value, error)
	rows  func(x *execution, args []Value) ([][]Value, error) // of a function in FROM
}

// tableUse is a relation that a statement reads, and which of its columns.
type tableUse struct {
	table   *Table
	number  int
	columns []int
}

// position is where a column of the relation is among those that are read.
func (u *tableUse) position(column int) int {
	if i := slices.Index(u.columns, column); i >= 0 {
		return i
	}
	u.columns = append(u.columns, column)
	return len(u.columns) - 1
}

// Analyze finds what the names of a query mean. Params are the types that the client gives for the parameters, as far as
// it does.
func Analyze(ctx context.Context, env *Environment, q *Query, params []uint32) (*Statement, error) {
	a := &analyzer{ctx: ctx, env: env, p: q.p, params: slices.Clone(params), st: &Statement{env: env, Columns: []Column{}}}
	r, err := a.query(q, nil)
	if err != nil {
		return nil, err
	}
	for _, o := range r.outs {
		a.st.Columns = append(a.st.Columns, Column{
			Name: o.name, Type: o.oid, Typmod: o.typmod - 1, Table: o.table, Num: o.num,
		})
		if isReg(o.oid) {
			if err := a.needNames(o.oid); err != nil {
				return nil, err
			}
		}
	}
	for i, oid := range a.params {
		if oid == 0 {
			a.params[i] = Text
		}
	}
	a.st.Params, a.st.sql = a.params, r.sql
	if len(a.st.sql) > maxSQL {
		return nil, errorf(codeStatementTooComplex, "the statement is too complex")
	}
	return a.st, nil
}

// maxSQL is how long a statement may become for SQLite, in bytes.
const maxSQL = 1 << 20

// analyzer translates one query to the SQL of SQLite: names become those of columns of tables that this package makes up,
// what is of PostgreSQL becomes calls of Go functions.
type analyzer struct {
	ctx     context.Context
	env     *Environment
	p       *Parser
	params  []uint32
	st      *Statement
	aliases int
	size    int // of the SQL that was made so far, of which much is thrown away
}

// typed is an expression in the SQL of SQLite, with its type.
type typed struct {
	sql string
	oid uint32
	lit *expr // a literal or a parameter that has no type of its own; oid is Unknown

	free *freeColumn // one that is neither grouped nor in an aggregate
	agg  bool        // there is an aggregate in it

	name   string // of an output
	typmod int32  // plus 1; 0: none
	table  uint32
	num    int16
}

// freeColumn is a column of which a group has many values.
type freeColumn struct {
	pos  int
	name string
}

// of makes an expression of others.
func of(sql string, oid uint32, parts ...typed) typed {
	t := typed{sql: sql, oid: oid}
	for _, p := range parts {
		if t.free == nil {
			t.free = p.free
		}
		t.agg = t.agg || p.agg
	}
	return t
}

// alias is a new name of a relation.
func (a *analyzer) alias() string {
	a.aliases++
	return fmt.Sprintf("r%d", a.aliases)
}

// use notes that a relation is read.
func (a *analyzer) use(t *Table) *tableUse {
	for _, u := range a.st.tables {
		if u.table.Schema == t.Schema && u.table.Name == t.Name {
			return u
		}
	}
	u := &tableUse{table: t, number: len(a.st.tables)}
	a.st.tables = append(a.st.tables, u)
	return u
}

// goCall makes a call of a Go function of expressions.
func (a *analyzer) goCall(oid uint32, c boundCall, args ...typed) typed {
	return of(a.callSQL("pg", c, args), oid, args...)
}

func (a *analyzer) callSQL(name string, c boundCall, args []typed) string {
	n := slices.IndexFunc(a.st.calls, func(other boundCall) bool { return c.key != "" && c.key == other.key })
	if n < 0 {
		n = len(a.st.calls)
		a.st.calls = append(a.st.calls, c)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s(%d", name, n)
	for _, arg := range args {
		b.WriteString("," + arg.sql)
	}
	b.WriteByte(')')
	return b.String()
}

// tooLong says so before the SQL takes too much memory.
func (a *analyzer) tooLong(t typed) error {
	if a.size += len(t.sql); a.size > 8*maxSQL {
		return errorf(codeStatementTooComplex, "the statement is too complex")
	}
	return nil
}

// quote makes a literal of SQLite.
func quote(text string) string {
	text, _, _ = strings.Cut(text, "\x00")
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
