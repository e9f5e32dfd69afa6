// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// expr analyzes an expression.
func (a *analyzer) expr(s *scope, e *expr) (typed, error) {
	if err := a.ctx.Err(); err != nil {
		return typed{}, err
	}
	t, err := a.exprKind(s, e)
	if err != nil {
		return t, err
	}
	return s.grouped(t), a.tooLong(t)
}

func (a *analyzer) exprKind(s *scope, e *expr) (typed, error) {
	switch e.kind {
	case exprNull:
		return typed{sql: "NULL", oid: Unknown, lit: e}, nil
	case exprString:
		return typed{sql: quote(e.text), oid: Unknown, lit: e}, nil
	case exprBool:
		return typed{sql: map[string]string{"true": "1", "false": "0"}[e.text], oid: Bool}, nil
	case exprInteger, exprDecimal:
		return a.number(e)
	case exprParam:
		return a.param(e)
	case exprColumn:
		return a.column(s, e)
	case exprCall:
		return a.call(s, e)
	case exprOp:
		return a.operator(s, e)
	case exprCast:
		return a.cast(s, e)
	case exprCase:
		return a.caseExpr(s, e)
	case exprQuery, exprExists:
		return a.queryExpr(s, e)
	case exprIn:
		return a.in(s, e)
	case exprAny:
		return a.any(s, e)
	case exprArray:
		return a.array(s, e)
	case exprElement:
		return a.element(s, e)
	case exprIs:
		return a.is(s, e)
	case exprDistinct:
		return a.isDistinct(s, e)
	}
	return typed{}, a.p.At(e.pos, errorf(codeUnsupported, "this use of * is not supported by this server"))
}

// exprs analyzes several.
func (a *analyzer) exprs(s *scope, list []*expr) ([]typed, error) {
	all := make([]typed, len(list))
	for i, e := range list {
		var err error
		if all[i], err = a.expr(s, e); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// number is a literal: of the smallest type that it fits, from integer on.
func (a *analyzer) number(e *expr) (typed, error) {
	if e.kind == exprInteger {
		n, err := strconv.ParseInt(e.text, 10, 64)
		switch {
		case err == nil && int64(int32(n)) == n:
			return typed{sql: e.text, oid: Int4}, nil
		case err == nil:
			return typed{sql: strconv.FormatInt(n, 10), oid: Int8}, nil
		}
	}
	v, err := ParseText(e.text, Numeric)
	if err != nil {
		return typed{}, err
	}
	return constant(v, Numeric), nil
}

// constant is a value in the SQL of SQLite.
func constant(v Value, oid uint32) typed {
	t := typed{oid: oid}
	switch v := v.(type) {
	case nil:
		t.sql = "NULL"
	case int64:
		t.sql = fmt.Sprintf("(%d)", v)
		if v < -1<<62 { // which SQLite would read as a float
			t.sql = fmt.Sprintf("CAST('%d' AS INTEGER)", v)
		}
	case float64:
		t.sql = "CAST(" + quote(strconv.FormatFloat(v, 'g', 17, 64)) + " AS REAL)"
		if math.IsInf(v, 0) { // which SQLite reads from a number that is too great
			t.sql = fmt.Sprintf("(%c9e999)", fmt.Sprint(v)[0])
		}
	case string:
		t.sql = quote(v)
	}
	if classOf(oid) == classNumeric {
		t.sql = "(" + t.sql + collateNumeric + ")"
	}
	return t
}

func (a *analyzer) param(e *expr) (typed, error) {
	for len(a.params) <= e.index {
		a.params = append(a.params, 0)
	}
	t := typed{sql: fmt.Sprintf("?%d", e.index+1), oid: a.params[e.index]}
	if t.oid == 0 || t.oid == Unknown {
		t.oid, t.lit = Unknown, e
	} else if classOf(t.oid) == classNumeric {
		t.sql = "(" + t.sql + collateNumeric + ")"
	}
	return t, nil
}

func (a *analyzer) column(s *scope, e *expr) (typed, error) {
	c, own, err := a.findColumn(s, e)
	if err != nil {
		return typed{}, err
	}
	t := c.expr()
	if own && !s.inAggregate {
		t.free = &freeColumn{pos: e.pos, name: c.fullName()}
	}
	return t, nil
}

// caseExpr is CASE; with an operand, conditions are what it is compared with.
func (a *analyzer) caseExpr(s *scope, e *expr) (typed, error) {
	var parts, results []typed
	for i := 0; i < len(e.args); i += 2 {
		when := e.args[i]
		if e.operand != nil {
			when = &expr{kind: exprOp, pos: e.args[i].pos, name: "=", args: []*expr{e.operand, e.args[i]}}
		}
		condition, err := a.boolean(s, when, "CASE/WHEN")
		if err != nil {
			return typed{}, err
		}
		then, err := a.expr(s, e.args[i+1])
		if err != nil {
			return typed{}, err
		}
		parts, results = append(parts, condition), append(results, then)
	}
	otherwise := typed{sql: "NULL", oid: Unknown, lit: &expr{kind: exprNull}}
	if e.otherwise != nil {
		var err error
		if otherwise, err = a.expr(s, e.otherwise); err != nil {
			return typed{}, err
		}
	}
	results = append([]typed{otherwise}, results...)
	oid, err := a.unify(results, "CASE", e.pos)
	if err != nil {
		return typed{}, err
	}
	var b strings.Builder
	b.WriteString("CASE")
	for i, condition := range parts {
		fmt.Fprintf(&b, " WHEN %s THEN %s", condition.sql, results[i+1].sql)
	}
	fmt.Fprintf(&b, " ELSE %s END", results[0].sql)
	return of("("+b.String()+")", oid, append(parts, results...)...), nil
}

// queryExpr is a query that is a value, or EXISTS.
func (a *analyzer) queryExpr(s *scope, e *expr) (typed, error) {
	r, err := a.inner(s, e.query)
	if err != nil {
		return typed{}, err
	}
	if e.kind == exprExists {
		return typed{sql: "EXISTS(" + r.sql + ")", oid: Bool}, nil
	}
	if len(r.outs) != 1 {
		return typed{}, a.p.At(e.pos, errorf(codeSyntax, "subquery must return only one column"))
	}
	call := boundCall{key: "one row", nulls: true, call: func(_ *execution, args []Value) (Value, error) {
		if args[0].(int64) > 1 {
			return nil, errorf(codeCardinality, "more than one row returned by a subquery used as an expression")
		}
		return args[1], nil
	}}
	one := a.goCall(r.outs[0].oid, call, typed{sql: "count(*)"}, typed{sql: "min(c0)"})
	one.sql = fmt.Sprintf("(SELECT %s FROM (SELECT * FROM (%s) LIMIT 2))", one.sql, r.sql)
	return a.collated(one), nil
}

// inner analyzes a query within an expression.
func (a *analyzer) inner(s *scope, q *Query) (*result, error) {
	return a.query(q, &scope{outer: s})
}

// collated lets SQLite compare an expression as its type needs it.
func (a *analyzer) collated(t typed) typed {
	if classOf(t.oid) == classNumeric && !strings.HasSuffix(t.sql, collateNumeric+")") {
		t.sql = "(" + t.sql + collateNumeric + ")"
	}
	return t
}

// in is IN with a list or a query.
func (a *analyzer) in(s *scope, e *expr) (typed, error) {
	left, err := a.expr(s, e.args[0])
	if err != nil {
		return typed{}, err
	}
	if e.query != nil {
		return a.inQuery(s, e, left)
	}
	list, err := a.exprs(s, e.args[1:])
	if err != nil {
		return typed{}, err
	}
	all := append([]typed{left}, list...)
	if _, err := a.unifyOperands(e, all); err != nil {
		return typed{}, err
	}
	var b strings.Builder
	for i, t := range all[1:] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(t.sql)
	}
	return of("("+all[0].sql+" IN ("+b.String()+"))", Bool, all...), nil
}

func (a *analyzer) inQuery(s *scope, e *expr, left typed) (typed, error) {
	r, err := a.inner(s, e.query)
	if err != nil {
		return typed{}, err
	}
	if len(r.outs) != 1 {
		return typed{}, a.p.At(e.pos, errorf(codeSyntax, "subquery has too many columns"))
	}
	right := typed{oid: r.outs[0].oid, sql: "c0"}
	all := []typed{left, right}
	if _, err := a.unifyOperands(e, all); err != nil {
		return typed{}, err
	}
	inside := r.sql
	if all[1].sql != "c0" {
		inside = "SELECT " + all[1].sql + " FROM (" + r.sql + ")"
	}
	return of("("+all[0].sql+" IN ("+inside+"))", Bool, left), nil
}

// is is IS NULL and its like.
func (a *analyzer) is(s *scope, e *expr) (typed, error) {
	if e.name == "null" {
		t, err := a.expr(s, e.args[0])
		if err == nil && t.lit != nil {
			t, err = a.coerce(t, Text)
		}
		return of("("+t.sql+" IS NULL)", Bool, t), err
	}
	t, err := a.boolean(s, e.args[0], "IS "+strings.ToUpper(e.name))
	value := map[string]string{"true": "1", "false": "0", "unknown": "NULL"}[e.name]
	return of("("+t.sql+" IS "+value+")", Bool, t), err
}

func (a *analyzer) isDistinct(s *scope, e *expr) (typed, error) {
	all, err := a.exprs(s, e.args)
	if err != nil {
		return typed{}, err
	}
	if _, err := a.unifyOperands(&expr{pos: e.pos, name: "="}, all); err != nil {
		return typed{}, err
	}
	return of("("+all[0].sql+" IS NOT "+all[1].sql+")", Bool, all...), nil
}
