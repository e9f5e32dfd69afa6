// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// any is = ANY (...) and the like, of an array or a query.
func (a *analyzer) any(s *scope, e *expr) (typed, error) {
	if e.query != nil {
		switch {
		case e.name == "=" && !e.all:
			return a.in(s, &expr{kind: exprIn, pos: e.pos, name: e.name, args: e.args, query: e.query})
		case e.name == "<>" && e.all:
			t, err := a.in(s, &expr{kind: exprIn, pos: e.pos, name: e.name, args: e.args, query: e.query})
			t.sql = "(NOT " + t.sql + ")"
			return t, err
		}
		return typed{}, a.p.At(e.pos, errorf(codeUnsupported, "ANY or ALL of a query is supported only with = and <>"))
	}
	all, err := a.exprs(s, e.args)
	if err != nil {
		return typed{}, err
	}
	left, right := all[0], all[1]
	if left, right, err = a.arrayOperands(e, left, right); err != nil {
		return typed{}, err
	}
	element := elements[right.oid]
	compare, err := elementCompare(e.name, left.oid)
	if err != nil {
		return typed{}, a.noOperator(e, left, typed{oid: element})
	}
	call := func(_ *execution, args []Value) (Value, error) {
		values, err := arrayValues(args[1].(string), element)
		if err != nil {
			return nil, err
		}
		return anyOf(values, e.all, func(v Value) (bool, error) { return compare(args[0], v) })
	}
	key := fmt.Sprintf("any %s %v %d %d", e.name, e.all, left.oid, element)
	return a.goCall(Bool, boundCall{key: key, call: call}, left, right), nil
}

// arrayOperands gives both sides types that fit.
func (a *analyzer) arrayOperands(e *expr, left, right typed) (typed, typed, error) {
	var err error
	if right.lit != nil {
		if left.lit != nil {
			if left, err = a.coerce(left, Text); err != nil {
				return left, right, err
			}
		}
		array := types[left.oid].array
		if array == 0 {
			return left, right, a.noOperator(e, left, right)
		}
		right, err = a.coerce(right, array)
		return left, right, err
	}
	element := elements[right.oid]
	if element == 0 {
		return left, right, a.p.At(e.pos, errorf(codeTypeMismatch, "op ANY/ALL (array) requires array on right side"))
	}
	if left.lit != nil {
		left, err = a.coerce(left, element)
		return left, right, err
	}
	if _, err := a.commonType(left.oid, element); err != nil {
		return left, right, a.noOperator(e, left, typed{oid: element})
	}
	return left, right, nil
}

// anyOf is true when f is true of some value, or with all of every one; NULLs count as not known.
func anyOf(values []Value, all bool, f func(Value) (bool, error)) (Value, error) {
	unknown := false
	for _, v := range values {
		if v == nil {
			unknown = true
			continue
		}
		ok, err := f(v)
		if err != nil {
			return nil, err
		}
		if ok != all {
			return BoolValue(ok), nil
		}
	}
	if unknown {
		return nil, nil
	}
	return BoolValue(all), nil
}

// elementCompare compares a value with an element of an array.
func elementCompare(op string, oid uint32) (func(x, y Value) (bool, error), error) {
	switch op {
	case "=", "<>", "<", "<=", ">", ">=":
		return func(x, y Value) (bool, error) { return compares(compareValues(x, y, oid), op), nil }, nil
	case "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*":
		name, negative := strings.CutPrefix(op, "!")
		match := matcher(name)
		return func(x, y Value) (bool, error) {
			v, err := match(nil, []Value{x, y})
			return (v == int64(1)) != negative, err
		}, nil
	}
	return nil, errorf(codeUndefinedFunction, "no such operator")
}

// compareValues compares two values of types that can be compared.
func compareValues(x, y Value, oid uint32) int {
	switch l := x.(type) {
	case int64:
		if r, ok := y.(int64); ok {
			return cmp.Compare(l, r)
		}
	case string:
		if r, ok := y.(string); ok && classOf(oid) != classNumeric {
			return strings.Compare(l, r)
		}
	}
	if classOf(oid) == classNumeric {
		return compareDecimals(numericOf(x).(string), numericOf(y).(string))
	}
	return cmp.Compare(floatOf(x), floatOf(y))
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

// array is ARRAY[...] and ARRAY(query).
func (a *analyzer) array(s *scope, e *expr) (typed, error) {
	if e.query != nil {
		return a.arrayQuery(s, e)
	}
	all, err := a.exprs(s, e.args)
	if err != nil {
		return typed{}, err
	}
	if len(all) == 0 {
		return constant("{}", TextArray), nil
	}
	element, err := a.unify(all, "ARRAY", e.pos)
	if err != nil {
		return typed{}, err
	}
	array := types[element].array
	if array == 0 {
		return typed{}, a.p.At(e.pos, errorf(codeUndefinedObject, "could not find array type for data type %s",
			TypeName(element)))
	}
	call := func(_ *execution, args []Value) (Value, error) { return arrayOf(args, element), nil }
	return a.goCall(array, boundCall{key: fmt.Sprintf("array %d", element), nulls: true, call: call}, all...), nil
}

func (a *analyzer) arrayQuery(s *scope, e *expr) (typed, error) {
	r, err := a.inner(s, e.query)
	if err != nil {
		return typed{}, err
	}
	if len(r.outs) != 1 {
		return typed{}, a.p.At(e.pos, errorf(codeSyntax, "subquery must return only one column"))
	}
	t := a.collect(typed{sql: "json_group_array(c0)"}, r.outs[0].oid)
	t.sql = fmt.Sprintf("(SELECT %s FROM (%s))", t.sql, r.sql)
	t.agg, t.free = false, nil
	return t, nil
}

// collect makes an array of what SQLite has put together as JSON.
func (a *analyzer) collect(list typed, element uint32) typed {
	call := func(_ *execution, args []Value) (Value, error) {
		dec := json.NewDecoder(strings.NewReader(args[0].(string)))
		dec.UseNumber()
		var all []any
		if err := dec.Decode(&all); err != nil {
			return nil, errorf(codeInternal, "%s", err)
		}
		values := make([]Value, len(all))
		for i, v := range all {
			values[i] = v
			if n, ok := v.(json.Number); ok {
				if whole, err := n.Int64(); err == nil && classOf(element) != classFloat {
					values[i] = whole
				} else {
					values[i], _ = n.Float64()
				}
			}
		}
		return arrayOf(values, element), nil
	}
	array := types[element].array
	if array == 0 {
		array = TextArray
	}
	return a.goCall(array, boundCall{key: fmt.Sprintf("collect %d", element), call: call}, list)
}

// element is array[index]. Arrays count from 1, vectors from 0.
func (a *analyzer) element(s *scope, e *expr) (typed, error) {
	all, err := a.exprs(s, e.args)
	if err != nil {
		return typed{}, err
	}
	array := all[0]
	element := elements[array.oid]
	if element == 0 {
		return typed{}, a.p.At(e.pos, errorf(codeTypeMismatch,
			"cannot subscript type %s because it does not support subscripting", TypeName(array.oid)))
	}
	if all[1], err = a.castTo(all[1], Int4, 0); err != nil {
		return typed{}, err
	}
	first := int64(1)
	if array.oid == Int2Vector || array.oid == OIDVector {
		first = 0
	}
	call := func(_ *execution, args []Value) (Value, error) {
		values, err := arrayValues(args[0].(string), element)
		if i := args[1].(int64) - first; err == nil && i >= 0 && i < int64(len(values)) {
			return values[i], nil
		}
		return nil, err
	}
	return a.collated(a.goCall(element, boundCall{key: fmt.Sprintf("element %d", array.oid), call: call}, all...)), nil
}

// appendArray is || of two arrays, or of an array and an element.
func (a *analyzer) appendArray(e *expr, left, right typed) (typed, error) {
	array := left.oid
	if elements[array] == 0 {
		array = right.oid
	}
	all := []typed{left, right}
	for i, t := range all {
		var err error
		switch {
		case t.lit != nil:
			all[i], err = a.coerce(t, array)
		case t.oid == elements[array]:
			call := func(_ *execution, args []Value) (Value, error) { return arrayOf(args, t.oid), nil }
			all[i] = a.goCall(array, boundCall{key: fmt.Sprintf("array %d", t.oid), nulls: true, call: call}, t)
		case t.oid != array:
			return typed{}, a.noOperator(e, left, right)
		}
		if err != nil {
			return typed{}, err
		}
	}
	call := func(_ *execution, args []Value) (Value, error) {
		if args[0] == nil || args[1] == nil {
			if args[0] == nil {
				return args[1], nil
			}
			return args[0], nil
		}
		x, err := splitArray(args[0].(string))
		if err != nil {
			return nil, err
		}
		y, err := splitArray(args[1].(string))
		if len(x)+len(y) > maxElements {
			return nil, errTooLong
		}
		return joinArray(append(x, y...)), err
	}
	return a.goCall(array, boundCall{key: "append array", nulls: true, call: call}, all...), nil
}
