// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"slices"
	"strconv"

	"github.com/walmirror/walmirror/protocol"
)

// selection is a SELECT of which everything is found.
type selection struct {
	c       *session
	rows    func() ([][]datum, error) // of the relation
	outputs []*expr
	where   []condition
	order   []sortKey
	limit   int
}

type sortKey struct {
	expr       *expr
	descending bool
}

// resolver finds what the names of a SELECT mean.
type resolver struct {
	c       *session
	p       *sqlParser // says where in the text an error is
	alias   string
	columns []protocol.Column // of the relation
	params  []uint32
}

// resolve makes a statement of a SELECT.
func (c *session) resolve(p *sqlParser, s *selectText, params []uint32) (*statement, error) {
	r := &resolver{c: c, p: p, alias: s.alias, params: slices.Clone(params)}
	q := &selection{c: c, where: s.where, limit: s.limit, rows: func() ([][]datum, error) { return [][]datum{nil}, nil }}
	if s.from != "" {
		rel := c.relation(s.from)
		if rel == nil {
			return nil, p.at(s.fromPos, errorf(codeUndefinedTable, "relation %q does not exist", s.from))
		}
		r.columns, q.rows = rel.columns, rel.rows
		if rel.scalar {
			r.columns[0].Name = s.alias
		}
	}
	columns, err := r.outputs(q, s.outputs)
	if err != nil {
		return nil, err
	}
	for i := range q.where {
		if err := r.condition(&q.where[i]); err != nil {
			return nil, err
		}
	}
	if err := r.order(q, s.order, columns); err != nil {
		return nil, err
	}
	for i, oid := range r.params {
		if oid == 0 {
			r.params[i] = oidText
		}
	}
	return &statement{columns: columns, params: r.params, run: q.run}, nil
}

// outputs resolves the list of a SELECT.
func (r *resolver) outputs(q *selection, list []output) ([]protocol.Column, error) {
	var columns []protocol.Column
	counts := 0
	for _, o := range list {
		if o.expr.kind == exprStar {
			if err := r.star(o.expr); err != nil {
				return nil, err
			}
			for i, column := range r.columns {
				q.outputs = append(q.outputs, &expr{kind: exprColumn, name: column.Name, oid: column.TypeOID, index: i})
			}
			columns = append(columns, r.columns...)
			continue
		}
		if err := r.resolve(o.expr); err != nil {
			return nil, err
		}
		if err := r.coerce(o.expr, oidText); o.expr.oid == 0 && err != nil {
			return nil, err
		}
		if o.expr.kind == exprCount {
			counts++
		}
		name := o.alias
		if name == "" {
			name = r.outputName(o.expr)
		}
		q.outputs = append(q.outputs, o.expr)
		columns = append(columns, protocol.Column{Name: name, TypeOID: o.expr.oid})
	}
	if counts > 0 && counts < len(q.outputs) {
		return nil, errorf(codeGrouping, "columns beside count(*) must appear in a GROUP BY clause, which is not supported")
	}
	return columns, nil
}

// star checks what a * is of.
func (r *resolver) star(e *expr) error {
	if e.qualifier != "" && e.qualifier != r.alias {
		return r.noTable(e)
	}
	if r.columns == nil {
		return r.p.at(e.pos, errorf(codeSyntaxError, "SELECT * with no tables specified is not valid"))
	}
	return nil
}

func (r *resolver) noTable(e *expr) error {
	return r.p.at(e.pos, errorf(codeUndefinedTable, "missing FROM-clause entry for table %q", e.qualifier))
}

// outputName is the name of a column that has no alias (FigureColname in parse_target.c).
func (r *resolver) outputName(e *expr) string {
	inner := e
	for inner.kind == exprCast {
		inner = inner.args[0]
	}
	switch {
	case inner.kind == exprColumn, inner.kind == exprCall:
		return inner.name
	case inner.kind == exprCount:
		return "count"
	case e.kind == exprCast:
		return typeAlias(e.name)
	case e.kind == exprValue && e.oid == oidBool && r.c.server.dialect.Major() < 15: // it was a cast
		return "bool"
	}
	return "?column?"
}

// typeAlias is the name by which the grammar knows a type.
func typeAlias(name string) string {
	switch name {
	case "int", "integer":
		return "int4"
	case "bigint":
		return "int8"
	case "boolean":
		return "bool"
	}
	return name
}

// resolve finds what an expression means, and its type.
func (r *resolver) resolve(e *expr) error {
	for _, arg := range e.args {
		if arg.kind == exprCount || arg.kind == exprStar {
			return r.p.at(arg.pos, errorf(codeFeatureNotSupported, "this use of * is not supported"))
		}
		if err := r.resolve(arg); err != nil {
			return err
		}
	}
	switch e.kind {
	case exprParam:
		if r.p.simple {
			return r.p.noParameter(e.pos, e.index+1)
		}
		if n := e.index + 1; n > len(r.params) {
			r.params = append(r.params, make([]uint32, n-len(r.params))...)
		}
		e.oid = r.params[e.index]
	case exprColumn:
		return r.column(e)
	case exprCall:
		return r.call(e)
	case exprCast:
		if e.oid == 0 {
			return r.p.at(e.pos, errorf(codeUndefinedObject, "type %q does not exist", e.name))
		}
		if e.args[0].oid == 0 {
			return r.coerce(e.args[0], e.oid)
		}
	}
	return nil
}

func (r *resolver) column(e *expr) error {
	if e.qualifier != "" && e.qualifier != r.alias {
		return r.noTable(e)
	}
	e.index = slices.IndexFunc(r.columns, func(c protocol.Column) bool { return c.Name == e.name })
	if e.index < 0 {
		return r.p.at(e.pos, errorf(codeUndefinedColumn, "column %q does not exist", e.name))
	}
	e.oid = r.columns[e.index].TypeOID
	return nil
}

func (r *resolver) call(e *expr) error {
	e.function = lookupFunction(e.name, len(e.args))
	if e.qualifier != "" && e.qualifier != "pg_catalog" {
		e.function = nil
	}
	if e.function == nil {
		return r.p.at(e.pos, errorf(codeUndefinedFunction, "function %s with %d arguments does not exist", e.name, len(e.args)))
	}
	e.oid = e.function.result
	for i, arg := range e.args {
		if err := r.coerce(arg, e.function.args[i]); err != nil {
			return err
		}
	}
	return nil
}

// coerce makes an expression one of a type, if that goes without saying.
func (r *resolver) coerce(e *expr, oid uint32) (err error) {
	switch {
	case e.oid == oid, isText(e.oid) && isText(oid), isInteger(e.oid) && isInteger(oid):
		return nil
	case e.oid != 0:
		return r.p.at(e.pos, errorf(codeDatatypeMismatch, "%s where %s is needed", typeName(e.oid), typeName(oid)))
	}
	e.oid = oid
	if e.kind == exprParam {
		r.params[e.index] = oid
	}
	if text, ok := e.value.(string); ok {
		if e.value, err = parseText(text, oid); err != nil {
			return r.p.at(e.pos, err.(*protocol.Error))
		}
	}
	return nil
}

func isText(oid uint32) bool { return oid == oidText || oid == oidName }

func isInteger(oid uint32) bool {
	return oid == oidInt4 || oid == oidInt8 || oid == oidOID || oid == oidXID || oid == oidNumeric
}

// condition resolves one condition of WHERE.
func (r *resolver) condition(c *condition) error {
	if c.left.kind == exprCount || c.right != nil && c.right.kind == exprCount {
		return errorf(codeGrouping, "aggregate functions are not allowed in WHERE")
	}
	if err := r.resolve(c.left); err != nil {
		return err
	}
	if c.right == nil {
		if c.op == "" || c.op == "not" {
			return r.coerce(c.left, oidBool)
		}
		return nil
	}
	if err := r.resolve(c.right); err != nil {
		return err
	}
	if c.left.oid == 0 {
		if c.right.oid == 0 {
			return r.bothText(c)
		}
		return r.coerce(c.left, c.right.oid)
	}
	return r.coerce(c.right, c.left.oid)
}

func (r *resolver) bothText(c *condition) error {
	if err := r.coerce(c.left, oidText); err != nil {
		return err
	}
	return r.coerce(c.right, oidText)
}

// order resolves ORDER BY: the number or the name of an output, or a column of the relation.
func (r *resolver) order(q *selection, list []ordering, columns []protocol.Column) error {
	for _, o := range list {
		key := sortKey{descending: o.descending}
		i := slices.IndexFunc(columns, func(c protocol.Column) bool { return c.Name == o.name })
		if n, err := strconv.Atoi(o.name); err == nil {
			if n < 1 || n > len(columns) {
				return r.p.at(o.pos, errorf(codeInvalidColumnReference, "ORDER BY position %s is not in select list", o.name))
			}
			i = n - 1
		}
		if i >= 0 {
			key.expr = q.outputs[i]
		} else {
			key.expr = &expr{kind: exprColumn, name: o.name, pos: o.pos}
			if err := r.column(key.expr); err != nil {
				return err
			}
		}
		q.order = append(q.order, key)
	}
	return nil
}

const codeInvalidColumnReference = "42P10"
