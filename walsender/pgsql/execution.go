// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"slices"
	"strconv"
)

// execution is one run of a statement.
type execution struct {
	st            *Statement
	ctx           context.Context
	tables        [][][]Value // the rows of each of the statement's tables
	indexes       map[indexKey]map[Value][]int
	functionNames map[string]int
	constants     map[*Function]Value // what functions have said that say the same for a whole statement
	room          int64               // bytes that may still be held
	err           error               // of a Go function, which SQLite only knows to be one
}

// indexKey names a column of a relation by which rows are found.
type indexKey struct{ table, column int }

// Run runs the statement and returns all rows. Values of types such as regclass are names.
func (s *Statement) Run(ctx context.Context, args []Value) (rows [][]Value, err error) {
	conn, err := s.env.Engine.take(ctx)
	if err != nil {
		return nil, err
	}
	x := &execution{
		st: s, ctx: ctx, room: s.env.memory(), indexes: map[indexKey]map[Value][]int{}, constants: map[*Function]Value{},
	}
	sound := false
	defer func() { s.env.Engine.give(conn, sound) }()
	if err := x.load(); err != nil {
		return nil, x.failure(err)
	}
	rows, err = conn.run(x, args)
	sound = err == nil
	return rows, x.failure(err)
}

// failure is what is said of an error: that of a Go function rather than what SQLite makes of it.
func (x *execution) failure(err error) error {
	switch {
	case err == nil:
		return nil
	case x.ctx.Err() != nil:
		return context.Cause(x.ctx)
	case x.err != nil:
		return x.err
	}
	return err
}

// load reads the relations, those of the catalogs as they are at one instant.
func (x *execution) load() error {
	x.tables = make([][][]Value, len(x.st.tables))
	var scans []Scan
	for i, u := range x.st.tables {
		add := func(row []Value) error {
			x.tables[i] = append(x.tables[i], row)
			return x.hold(row)
		}
		if u.table.Rows != nil {
			if err := u.make(add); err != nil {
				return err
			}
			continue
		}
		scans = append(scans, Scan{Table: u.table, Columns: u.columns, Add: add})
	}
	if len(scans) == 0 {
		return nil
	}
	return x.st.env.Catalogs.Read(x.ctx, scans)
}

// make takes the columns that are used from the rows of a relation that is made.
func (u *tableUse) make(add func([]Value) error) error {
	rows, err := u.table.Rows()
	for _, row := range rows {
		used := make([]Value, len(u.columns))
		for i, c := range u.columns {
			used[i] = row[c]
		}
		if err := add(used); err != nil {
			return err
		}
	}
	return err
}

// hold counts what is kept in memory, and refuses what is too much.
func (x *execution) hold(row []Value) error {
	size := int64(48)
	for _, v := range row {
		size += 24
		if text, ok := v.(string); ok {
			size += int64(len(text))
		}
	}
	if x.room -= size; x.room < 0 {
		e := errorf(codeOutOfMemory, "out of memory")
		e.Detail = "The statement needs more than the " + strconv.FormatInt(x.st.env.memory()>>20, 10) + " MB that it may."
		x.err = e
		return e
	}
	return x.ctx.Err()
}

// find returns the rows of a relation that have a value in a column.
func (x *execution) find(table, column int, v Value) []int {
	key := indexKey{table, column}
	index := x.indexes[key]
	if index == nil {
		index = map[Value][]int{}
		for i, row := range x.tables[table] {
			if k := indexable(row[column]); k != nil {
				index[k] = append(index[k], i)
			}
		}
		x.indexes[key] = index
	}
	return index[indexable(v)]
}

// indexable is a value by which rows are found: numbers that are equal are the same.
func indexable(v Value) Value {
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return int64(f)
	}
	return v
}

// lookup is the catalog that the statement finds names in.
func (x *execution) lookup(catalog string) *lookup { return x.st.names.lookups[catalog] }

// rows are those of a lookup.
func (x *execution) rows(l *lookup) [][]Value {
	rows := make([][]Value, 0, len(x.tables[l.use.number]))
	for _, row := range x.tables[l.use.number] {
		rows = append(rows, l.pick(row))
	}
	return rows
}

func (l *lookup) pick(row []Value) []Value {
	picked := make([]Value, len(l.positions))
	for i, p := range l.positions {
		picked[i] = row[p]
	}
	return picked
}

// row is that of an OID, nil if there is none.
func (x *execution) row(l *lookup, oid int64) []Value {
	found := x.find(l.use.number, l.positions[0], oid)
	if len(found) == 0 {
		return nil
	}
	return l.pick(x.tables[l.use.number][found[0]])
}

// finish makes names of values that are printed as such.
func (x *execution) finish(rows [][]Value) {
	for i, c := range x.st.Columns {
		if !isReg(c.Type) {
			continue
		}
		for _, row := range rows {
			if oid, ok := row[i].(int64); ok {
				row[i] = x.name(oid, c.Type)
			}
		}
	}
}

// once calls a function without arguments that is the same for a whole statement.
func (x *execution) once(f *Function) (Value, error) {
	if v, ok := x.constants[f]; ok {
		return v, nil
	}
	v, err := f.Call(nil)
	if err == nil {
		x.constants[f] = v
	}
	return v, err
}

// call does a call by its number.
func (x *execution) call(n int, args []Value) (Value, error) {
	c := &x.st.calls[n]
	if !c.nulls && slices.Contains(args, nil) {
		return nil, nil
	}
	v, err := c.call(x, args)
	if err != nil && x.err == nil {
		x.err = err
	}
	return v, err
}
