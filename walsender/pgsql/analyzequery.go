// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// result is an analyzed query. Its columns are c0, c1 and so on in the SQL of SQLite.
type result struct {
	sql  string
	outs []typed
	core *core // of a single SELECT, as long as what is around may change it; nil else
}

// core is the parts of one SELECT.
type core struct {
	scope    *scope
	distinct bool
	outs     []typed
	rest     string // from FROM on
	free     *freeColumn
	agg      bool
	grouped  bool
}

// sql puts the parts together.
func (c *core) sql() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	if c.distinct {
		b.WriteString("DISTINCT ")
	}
	if len(c.outs) == 0 {
		b.WriteString("NULL") // which is no column of the result
	}
	for i, o := range c.outs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s AS c%d", o.sql, i)
	}
	return b.String() + c.rest
}

// query analyzes a query; s is the scope that it begins with, which has outer queries and those of WITH. Nil is a new one.
func (a *analyzer) query(q *Query, s *scope) (*result, error) {
	if s == nil {
		s = &scope{}
	}
	if len(q.with) > 0 {
		with := map[string]*namedQuery{}
		for name, other := range s.with {
			with[name] = other
		}
		for i := range q.with {
			if _, twice := with[q.with[i].name]; twice && s.with[q.with[i].name] == nil {
				return nil, errorf(codeDuplicateAlias, "WITH query name %q specified more than once", q.with[i].name)
			}
			with[q.with[i].name] = &q.with[i]
		}
		s = &scope{outer: s.outer, with: with}
	}
	r, err := a.node(q.body, s)
	if err != nil {
		return nil, err
	}
	if err := a.settle(r); err != nil {
		return nil, err
	}
	order, err := a.orderBy(q, r)
	if err != nil {
		return nil, err
	}
	limits, err := a.limits(q, s)
	if err != nil {
		return nil, err
	}
	if r.core != nil {
		if err := a.checkGrouped(r.core); err != nil {
			return nil, err
		}
		r.sql = r.core.sql()
	}
	r.sql += order + limits
	r.core = nil
	return r, a.tooLong(typed{sql: r.sql})
}

func (a *analyzer) node(n *selectNode, s *scope) (*result, error) {
	switch {
	case n.op != "":
		return a.setOperation(n, s)
	case n.inner != nil:
		return a.query(n.inner, &scope{outer: s.outer, with: s.with})
	case n.values != nil:
		return a.values(n, s)
	}
	return a.selectOne(n, &scope{outer: s.outer, with: s.with})
}

func (a *analyzer) selectOne(n *selectNode, s *scope) (*result, error) {
	from, err := a.from(s, n.from)
	if err != nil {
		return nil, err
	}
	c := &core{scope: s, distinct: n.distinct, rest: from}
	if err := a.outputs(c, n.outputs); err != nil {
		return nil, err
	}
	if n.where != nil {
		where, err := a.condition(s, n.where, "WHERE")
		if err != nil {
			return nil, err
		}
		c.rest += " WHERE " + where.sql
	}
	if err := a.groupBy(c, n); err != nil {
		return nil, err
	}
	return &result{outs: c.outs, core: c}, nil
}

// settle gives outputs a type that have none: they are text.
func (a *analyzer) settle(r *result) (err error) {
	for i, t := range r.outs {
		if t.lit != nil {
			if r.outs[i], err = a.coerce(t, Text); err != nil {
				return err
			}
			r.outs[i].name = t.name
		}
	}
	return nil
}

// outputs analyzes the list of a SELECT.
func (a *analyzer) outputs(c *core, list []output) error {
	c.scope.clause = ""
	for _, o := range list {
		if o.expr.kind == exprStar {
			cols, err := a.star(c.scope, o.expr)
			if err != nil {
				return err
			}
			for _, col := range cols {
				t := col.expr()
				t.free = &freeColumn{pos: o.expr.pos, name: col.fullName()}
				c.outs = append(c.outs, t)
			}
			continue
		}
		t, err := a.expr(c.scope, o.expr)
		if err != nil {
			return err
		}
		if t.name, _ = a.outputName(o.expr); o.alias != "" {
			t.name = o.alias
		}
		c.outs = append(c.outs, t)
	}
	if len(c.outs) > maxColumns {
		return errorf(codeStatementTooComplex, "target lists can have at most %d entries", maxColumns)
	}
	return nil
}

const maxColumns = 1664

// groupBy analyzes GROUP BY and HAVING. The outputs are analyzed again, as the groups are known only now.
func (a *analyzer) groupBy(c *core, n *selectNode) error {
	c.grouped = len(n.group) > 0 || n.having != nil
	for _, o := range c.outs {
		c.grouped = c.grouped || o.agg
	}
	for _, e := range n.group {
		t, err := a.groupKey(c, e)
		if err != nil {
			return err
		}
		c.scope.groups = append(c.scope.groups, t.sql)
	}
	if len(c.scope.groups) > 0 {
		c.rest += " GROUP BY " + strings.Join(c.scope.groups, ",")
		c.outs = nil
		if err := a.outputs(c, n.outputs); err != nil {
			return err
		}
		for i := range c.outs {
			c.outs[i] = c.scope.grouped(c.outs[i])
		}
	}
	if n.having == nil {
		return nil
	}
	c.scope.clause = ""
	having, err := a.boolean(c.scope, n.having, "HAVING")
	if err != nil {
		return err
	}
	if having.free != nil {
		return a.notGrouped(having.free)
	}
	c.rest += " HAVING " + having.sql
	return nil
}

// groupKey is an expression of GROUP BY: a column, or else the number or the name of an output.
func (a *analyzer) groupKey(c *core, e *expr) (typed, error) {
	c.scope.clause = "GROUP BY"
	if i, ok, err := a.ordinal(e, len(c.outs), "GROUP BY"); ok || err != nil {
		if err != nil {
			return typed{}, err
		}
		if c.outs[i].agg {
			return typed{}, a.p.At(e.pos, errorf(codeGrouping, "aggregate functions are not allowed in GROUP BY"))
		}
		return c.outs[i], nil
	}
	if e.kind == exprColumn && e.qualifier == "" {
		col, err := a.columnOf(c.scope, e)
		i := slices.IndexFunc(c.outs, func(o typed) bool { return o.name == e.name })
		if col == nil && err == nil && i >= 0 && !c.outs[i].agg {
			return c.outs[i], nil
		}
	}
	t, err := a.expr(c.scope, e)
	if err == nil && t.lit != nil {
		t, err = a.coerce(t, Text)
	}
	return t, err
}

// ordinal is the index of an output that is named by its number.
func (a *analyzer) ordinal(e *expr, n int, clause string) (i int, ok bool, err error) {
	if e.kind != exprInteger {
		return 0, false, nil
	}
	i, err = strconv.Atoi(e.text)
	if err != nil || i < 1 || i > n {
		return 0, false, a.p.At(e.pos, errorf(codeInvalidColumn, "%s position %s is not in select list", clause, e.text))
	}
	return i - 1, true, nil
}

// checkGrouped refuses columns of which a group has many values.
func (a *analyzer) checkGrouped(c *core) error {
	if !c.grouped {
		return nil
	}
	for _, o := range c.outs {
		if o.free != nil {
			return a.notGrouped(o.free)
		}
	}
	if c.free != nil {
		return a.notGrouped(c.free)
	}
	return nil
}

func (a *analyzer) notGrouped(c *freeColumn) error {
	return a.p.At(c.pos, errorf(codeGrouping,
		"column %q must appear in the GROUP BY clause or be used in an aggregate function", c.name))
}

// grouped says of an expression that is a group's that it is one.
func (s *scope) grouped(t typed) typed {
	if t.free != nil && slices.Contains(s.groups, t.sql) {
		t.free = nil
	}
	return t
}

// condition analyzes what must be true, with no aggregates in it.
func (a *analyzer) condition(s *scope, e *expr, clause string) (typed, error) {
	s.clause = clause
	defer func() { s.clause = "" }()
	return a.boolean(s, e, clause)
}

// boolean analyzes an expression of type boolean.
func (a *analyzer) boolean(s *scope, e *expr, of string) (typed, error) {
	t, err := a.expr(s, e)
	if err != nil {
		return t, err
	}
	if t.lit != nil {
		return a.coerce(t, Bool)
	}
	if t.oid != Bool {
		return t, a.p.At(e.pos, errorf(codeTypeMismatch, "argument of %s must be type boolean, not type %s", of, TypeName(t.oid)))
	}
	return t, nil
}

// values analyzes VALUES.
func (a *analyzer) values(n *selectNode, s *scope) (*result, error) {
	columns := make([][]typed, len(n.values[0]))
	for _, row := range n.values {
		for i, e := range row {
			t, err := a.expr(&scope{outer: s.outer, with: s.with}, e)
			if err != nil {
				return nil, err
			}
			columns[i] = append(columns[i], t)
		}
	}
	r := &result{}
	for i := range columns {
		oid, err := a.unify(columns[i], "VALUES", n.pos)
		if err != nil {
			return nil, err
		}
		r.outs = append(r.outs, typed{oid: oid, name: fmt.Sprintf("column%d", i+1)})
	}
	var rows []string
	for i := range n.values {
		var b strings.Builder
		for j := range columns {
			fmt.Fprintf(&b, ",%s AS c%d", columns[j][i].sql, j)
		}
		rows = append(rows, "SELECT "+b.String()[1:])
	}
	r.sql = "SELECT * FROM (" + strings.Join(rows, " UNION ALL ") + ")"
	return r, nil
}
