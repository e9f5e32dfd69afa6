// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"slices"
)

// run computes the rows of a SELECT.
func (q *selection) run(args []datum) (rows [][]datum, tag string, err error) {
	if rows, err = q.rows(); err != nil {
		return nil, "", err
	}
	if rows, err = q.filter(rows, args); err != nil {
		return nil, "", err
	}
	if q.outputs[0].kind == exprCount {
		rows = [][]datum{slices.Repeat([]datum{int64(len(rows))}, len(q.outputs))}
		rows = rows[:q.most(len(rows))]
		return rows, selected(len(rows)), nil
	}
	if err := q.sort(rows, args); err != nil {
		return nil, "", err
	}
	rows = rows[:q.most(len(rows))]
	for i := range rows {
		if rows[i], err = evalAll(q.c, q.outputs, rows[i], args); err != nil {
			return nil, "", err
		}
	}
	return rows, selected(len(rows)), nil
}

func selected(n int) string { return fmt.Sprintf("SELECT %d", n) }

// most is how many of n rows LIMIT lets through.
func (q *selection) most(n int) int {
	if q.limit < 0 {
		return n
	}
	return min(n, q.limit)
}

// filter keeps the rows for which all conditions hold.
func (q *selection) filter(rows [][]datum, args []datum) ([][]datum, error) {
	if len(q.where) == 0 {
		return rows, nil
	}
	var kept [][]datum
	for _, row := range rows {
		ok := true
		for i := 0; i < len(q.where) && ok; i++ {
			var err error
			if ok, err = q.where[i].holds(q.c, row, args); err != nil {
				return nil, err
			}
		}
		if ok {
			kept = append(kept, row)
		}
	}
	return kept, nil
}

// holds says whether the condition is true; NULL is not.
func (w *condition) holds(c *session, row, args []datum) (bool, error) {
	left, err := w.left.eval(c, row, args)
	if err != nil {
		return false, err
	}
	switch w.op {
	case "is null":
		return left == nil, nil
	case "is not null":
		return left != nil, nil
	case "":
		return left == true, nil
	case "not":
		return left == false, nil
	}
	right, err := w.right.eval(c, row, args)
	if err != nil || left == nil || right == nil {
		return false, err
	}
	return compares(compareDatums(left, right), w.op), nil
}

// compares says whether an operator is true of the order of its sides.
func compares(order int, op string) bool {
	switch op {
	case "=":
		return order == 0
	case "<>":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// sort orders the rows of the relation.
func (q *selection) sort(rows [][]datum, args []datum) error {
	var failed error
	slices.SortStableFunc(rows, func(a, b []datum) int {
		for _, key := range q.order {
			x, err := key.expr.eval(q.c, a, args)
			if err != nil {
				failed = err
			}
			y, err := key.expr.eval(q.c, b, args)
			if err != nil {
				failed = err
			}
			if order := compareNulls(x, y); order != 0 {
				if key.descending {
					return -order
				}
				return order
			}
		}
		return 0
	})
	return failed
}

// compareNulls is compareDatums with NULL as the greatest.
func compareNulls(a, b datum) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return compareDatums(a, b)
}

func evalAll(c *session, exprs []*expr, row, args []datum) ([]datum, error) {
	values := make([]datum, len(exprs))
	for i, e := range exprs {
		var err error
		if values[i], err = e.eval(c, row, args); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// eval is the value of an expression for a row of the relation.
func (e *expr) eval(c *session, row, args []datum) (datum, error) {
	switch e.kind {
	case exprValue:
		return e.value, nil
	case exprParam:
		return args[e.index], nil
	case exprColumn:
		return row[e.index], nil
	}
	values, err := evalAll(c, e.args, row, args)
	if err != nil {
		return nil, err
	}
	if e.kind == exprCast {
		return castDatum(values[0], e.args[0].oid, e.oid)
	}
	if slices.Contains(values, nil) {
		return nil, nil
	}
	return e.function.call(c, values)
}
