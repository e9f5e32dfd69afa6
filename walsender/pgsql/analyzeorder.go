// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"slices"
	"strings"
)

// orderBy analyzes ORDER BY of a query: numbers and names of outputs, and with a single SELECT any expression.
func (a *analyzer) orderBy(q *Query, r *result) (string, error) {
	var keys []string
	for _, key := range q.order {
		sql, err := a.orderKey(r, key)
		if err != nil {
			return "", err
		}
		keys = append(keys, sql)
	}
	if len(keys) == 0 {
		return "", nil
	}
	if r.core == nil {
		r.sql = "SELECT * FROM (" + r.sql + ")"
	}
	return " ORDER BY " + strings.Join(keys, ","), nil
}

func (a *analyzer) orderKey(r *result, key sortKey) (string, error) {
	i, found, err := a.ordinal(key.expr, len(r.outs), "ORDER BY")
	if err == nil && !found && key.expr.kind == exprColumn && key.expr.qualifier == "" {
		i, found, err = a.orderName(r, key.expr)
	}
	switch {
	case err != nil:
		return "", err
	case found:
		sql := fmt.Sprintf("c%d", i)
		if classOf(r.outs[i].oid) == classNumeric {
			sql += collateNumeric
		}
		return sql + direction(key), nil
	case r.core == nil:
		e := errorf(codeUnsupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
		e.Detail = "Only result column names can be used, not expressions or functions."
		return "", a.p.At(key.expr.pos, e)
	}
	t, err := a.expr(r.core.scope, key.expr)
	if err != nil {
		return "", err
	}
	if t.lit != nil {
		if key.expr.kind != exprParam && key.expr.kind != exprNull {
			return "", a.p.At(key.expr.pos, errorf(codeSyntax, "non-integer constant in ORDER BY"))
		}
		if t, err = a.coerce(t, Text); err != nil {
			return "", err
		}
	}
	c := r.core
	c.grouped, c.agg = c.grouped || t.agg, c.agg || t.agg
	if c.free == nil {
		c.free = t.free
	}
	if c.distinct && !slices.ContainsFunc(c.outs, func(o typed) bool { return o.sql == t.sql }) {
		return "", a.p.At(key.expr.pos, errorf(codeInvalidColumn,
			"for SELECT DISTINCT, ORDER BY expressions must appear in select list"))
	}
	return t.sql + direction(key), nil
}

// orderName finds an output by its name.
func (a *analyzer) orderName(r *result, e *expr) (i int, found bool, err error) {
	for j, o := range r.outs {
		if o.name != e.name {
			continue
		}
		if found && r.outs[i].sql != o.sql {
			return 0, false, a.p.At(e.pos, errorf(codeAmbiguousColumn, "ORDER BY %q is ambiguous", e.name))
		}
		i, found = j, true
	}
	return i, found, nil
}

// direction is how a key is sorted: NULL is greater than all else, if nothing is said of it.
func direction(key sortKey) string {
	way, nulls := " ASC", " NULLS LAST"
	if key.descending {
		way, nulls = " DESC", " NULLS FIRST"
	}
	if key.nulls != "" {
		nulls = " NULLS " + strings.ToUpper(key.nulls)
	}
	return way + nulls
}

// limits analyzes LIMIT and OFFSET.
func (a *analyzer) limits(q *Query, s *scope) (string, error) {
	if q.limit == nil && q.offset == nil {
		return "", nil
	}
	limit, offset := "-1", ""
	var err error
	if q.limit != nil {
		if limit, err = a.limit(q.limit, s, "LIMIT", codeInvalidLimit, -1); err != nil {
			return "", err
		}
	}
	if q.offset != nil {
		if offset, err = a.limit(q.offset, s, "OFFSET", codeInvalidOffset, 0); err != nil {
			return "", err
		}
		offset = " OFFSET " + offset
	}
	return " LIMIT " + limit + offset, nil
}

// limit is a number of rows; none stands for NULL.
func (a *analyzer) limit(e *expr, s *scope, clause, code string, none int64) (string, error) {
	t, err := a.expr(&scope{outer: s.outer, with: s.with, clause: clause}, e)
	if err != nil {
		return "", err
	}
	if t, err = a.castTo(t, Int8, 0); err != nil {
		return "", err
	}
	call := func(_ *execution, args []Value) (Value, error) {
		if args[0] == nil {
			return none, nil
		}
		if args[0].(int64) < 0 {
			return nil, errorf(code, "%s must not be negative", clause)
		}
		return args[0], nil
	}
	return a.goCall(Int8, boundCall{nulls: true, call: call}, t).sql, nil
}

// setOperation analyzes UNION, INTERSECT and EXCEPT.
func (a *analyzer) setOperation(n *selectNode, s *scope) (*result, error) {
	name := strings.ToUpper(n.op)
	if n.all && n.op != "union" {
		return nil, a.p.At(n.pos, errorf(codeUnsupported, "%s ALL is not supported by this server", name))
	}
	left, err := a.node(n.left, s)
	if err != nil {
		return nil, err
	}
	right, err := a.node(n.right, s)
	if err != nil {
		return nil, err
	}
	if len(left.outs) != len(right.outs) {
		pos := n.right.pos
		if len(n.right.outputs) > 0 {
			pos = n.right.outputs[0].expr.pos
		}
		return nil, a.p.At(pos, errorf(codeSyntax, "each %s query must have the same number of columns", name))
	}
	sides := [2]*result{left, right}
	outs := slices.Clone(left.outs)
	for i := range outs {
		pair := []typed{left.outs[i], right.outs[i]}
		oid, err := a.unify(pair, name, n.pos)
		if err != nil {
			return nil, err
		}
		for j, side := range sides {
			if side.core != nil {
				side.core.outs[i] = pair[j]
			} else if pair[j].sql != side.outs[i].sql {
				return nil, a.p.At(n.pos, errorf(codeUnsupported, "%s of different types is not supported by this server", name))
			}
		}
		outs[i] = typed{oid: oid, name: outs[i].name}
	}
	var parts [2]string
	for j, side := range sides {
		if side.core != nil {
			if err := a.checkGrouped(side.core); err != nil {
				return nil, err
			}
			side.sql = side.core.sql()
		}
		parts[j] = "SELECT * FROM (" + side.sql + ")"
	}
	if n.all {
		name += " ALL"
	}
	return &result{sql: parts[0] + " " + name + " " + parts[1], outs: outs}, nil
}
