// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"strings"
)

// array1 is a function of an array's elements.
func array1(result uint32, f func(all []*string) Value) []builtin {
	return []builtin{{
		args: []uint32{AnyArray, Int4}, optional: 1, result: result,
		call: func(_ *execution, args []Value) (Value, error) {
			if len(args) == 2 && args[1] != int64(1) {
				return nil, nil
			}
			all, err := splitArray(args[0].(string))
			if err != nil {
				return nil, err
			}
			return f(all), nil
		},
	}}
}

func lengthOf(all []*string) Value {
	if len(all) == 0 {
		return nil
	}
	return int64(len(all))
}

var arrayFunctions = map[string][]builtin{
	"array_length": array1(Int4, lengthOf), "array_upper": array1(Int4, lengthOf),
	"array_lower": array1(Int4, func(all []*string) Value {
		if len(all) == 0 {
			return nil
		}
		return int64(1)
	}),
	"cardinality": array1(Int4, func(all []*string) Value { return int64(len(all)) }),
	"array_to_string": {{
		args: []uint32{AnyArray, Text, Text}, optional: 1, result: Text,
		call: func(_ *execution, args []Value) (Value, error) {
			all, err := splitArray(args[0].(string))
			var parts []string
			for _, e := range all {
				switch {
				case e != nil:
					parts = append(parts, *e)
				case len(args) == 3:
					parts = append(parts, args[2].(string))
				}
			}
			if len(parts)*len(args[1].(string)) > rowLimit {
				return nil, errTooLong
			}
			return strings.Join(parts, args[1].(string)), err
		},
	}},
	"string_to_array": {{args: []uint32{Text, Text}, result: TextArray, call: func(_ *execution, args []Value) (Value, error) {
		if strings.Count(args[0].(string), args[1].(string)) > maxElements {
			return nil, errTooLong
		}
		var all []*string
		for _, part := range strings.Split(args[0].(string), args[1].(string)) {
			all = append(all, &part)
		}
		return joinArray(all), nil
	}}},
}

// rowFunctions make rows: they stand in FROM.
var rowFunctions = words("unnest generate_series generate_subscripts")

const maxSeries = 1_000_000

// rowsCall analyzes a function in FROM that makes rows; sql is empty when it is none of these.
func (a *analyzer) rowsCall(s *scope, e *expr) (t typed, sql string, err error) {
	if !rowFunctions[e.name] {
		return t, "", nil
	}
	all, err := a.exprs(&scope{outer: s}, e.args)
	if err != nil {
		return t, "", err
	}
	var rows func(x *execution, args []Value) ([][]Value, error)
	switch {
	case e.name == "unnest" && len(all) == 1 && elements[all[0].oid] != 0:
		t.oid = elements[all[0].oid]
		element := t.oid
		rows = func(_ *execution, args []Value) ([][]Value, error) { return unnest(args[0].(string), element) }
	case e.name == "generate_series" && (len(all) == 2 || len(all) == 3):
		t.oid, rows, err = a.series(e, all)
	case e.name == "generate_subscripts" && len(all) >= 2 && elements[all[0].oid] != 0:
		t.oid = Int4
		vector := all[0].oid == Int2Vector || all[0].oid == OIDVector
		rows = func(_ *execution, args []Value) ([][]Value, error) { return subscripts(args[0].(string), vector) }
		all = all[:1]
	default:
		return t, "", a.noFunction(e, all)
	}
	if err != nil {
		return t, "", err
	}
	return t, a.callSQL("pgmade", boundCall{key: fmt.Sprintf("rows %s %d", e.name, t.oid), rows: rows}, all), nil
}

func unnest(text string, element uint32) ([][]Value, error) {
	values, err := arrayValues(text, element)
	rows := make([][]Value, len(values))
	for i, v := range values {
		rows[i] = []Value{v}
	}
	return rows, err
}

func subscripts(text string, vector bool) ([][]Value, error) {
	all, err := splitArray(text)
	rows := make([][]Value, len(all))
	for i := range rows {
		n := int64(i)
		if !vector {
			n++
		}
		rows[i] = []Value{n}
	}
	return rows, err
}

// series is generate_series of integers.
func (a *analyzer) series(e *expr, all []typed) (uint32, func(*execution, []Value) ([][]Value, error), error) {
	oid := uint32(Int4)
	for i := range all {
		var err error
		if all[i].lit != nil {
			all[i], err = a.coerce(all[i], Int4)
		}
		if err != nil {
			return 0, nil, err
		}
		switch all[i].oid {
		case Int2, Int4:
		case Int8:
			oid = Int8
		default:
			return 0, nil, a.noFunction(e, all)
		}
	}
	return oid, func(_ *execution, args []Value) ([][]Value, error) {
		step := int64(1)
		if len(args) == 3 {
			step = args[2].(int64)
		}
		first, last := args[0].(int64), args[1].(int64)
		if step == 0 {
			return nil, errorf(codeInvalidParameter, "step size cannot equal zero")
		}
		var rows [][]Value
		for n := first; step > 0 && n <= last || step < 0 && n >= last; n += step {
			if len(rows) == maxSeries {
				return nil, errorf(codeTooMuch, "a series has more than %d numbers", maxSeries)
			}
			rows = append(rows, []Value{n})
		}
		return rows, nil
	}, nil
}
