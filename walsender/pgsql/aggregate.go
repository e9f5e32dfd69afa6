// SPDX-License-Identifier: Apache-2.0

package pgsql

import "strings"

// aggregates are the functions of all rows of a group.
var aggregates = words("count min max sum avg bool_and bool_or every string_agg array_agg")

// aggregate analyzes a call of an aggregate. SQLite has all of them, or what they are made of.
func (a *analyzer) aggregate(s *scope, e *expr) (typed, error) {
	switch {
	case s.clause != "":
		return typed{}, a.p.At(e.pos, errorf(codeGrouping, "aggregate functions are not allowed in %s", s.clause))
	case s.inAggregate:
		return typed{}, a.p.At(e.pos, errorf(codeGrouping, "aggregate function calls cannot be nested"))
	}
	s.inAggregate = true
	defer func() { s.inAggregate = false }()
	all, err := a.exprs(s, e.args)
	if err != nil {
		return typed{}, err
	}
	d := e.call
	if d == nil {
		d = &callDetails{}
	}
	tail, err := a.aggregateTail(s, d)
	if err != nil {
		return typed{}, err
	}
	t, err := a.aggregateOf(e, d, all, tail)
	t.agg, t.free = true, nil
	return t, err
}

// aggregateTail is what comes behind the arguments: the order of rows, and which of them count.
func (a *analyzer) aggregateTail(s *scope, d *callDetails) (tail string, err error) {
	var keys []string
	for _, key := range d.order {
		t, err := a.expr(s, key.expr)
		if err != nil {
			return "", err
		}
		keys = append(keys, t.sql+direction(key))
	}
	if len(keys) > 0 {
		tail = " ORDER BY " + strings.Join(keys, ",")
	}
	tail += ")"
	if d.filter != nil {
		t, err := a.boolean(s, d.filter, "FILTER")
		if err != nil {
			return "", err
		}
		tail += " FILTER (WHERE " + t.sql + ")"
	}
	return tail, nil
}

func (a *analyzer) aggregateOf(e *expr, d *callDetails, all []typed, tail string) (typed, error) {
	if d.star {
		if e.name != "count" {
			return typed{}, a.noFunction(e, nil)
		}
		return typed{sql: "count(*" + tail, oid: Int8}, nil
	}
	if len(all) != 1 && (e.name != "string_agg" || len(all) != 2) {
		return typed{}, a.noFunction(e, all)
	}
	arg := all[0]
	if arg.lit != nil {
		var err error
		if arg, err = a.coerce(arg, Text); err != nil {
			return typed{}, err
		}
	}
	distinct := ""
	if d.distinct {
		distinct = "DISTINCT "
	}
	simple := func(name string, oid uint32) (typed, error) {
		return a.collated(typed{sql: name + "(" + distinct + arg.sql + tail, oid: oid}), nil
	}
	switch e.name {
	case "count":
		return simple("count", Int8)
	case "min", "max":
		if classOf(arg.oid) == classBool || classOf(arg.oid) == classOpaque || arg.oid == XID {
			return typed{}, a.noFunction(e, all)
		}
		oid := arg.oid
		if oid == Name || oid == VarChar || isReg(oid) { // name has none of its own
			oid = map[bool]uint32{true: OID, false: Text}[isReg(oid)]
		}
		return simple(e.name, oid)
	case "bool_and", "every", "bool_or":
		if arg.oid != Bool {
			return typed{}, a.noFunction(e, all)
		}
		return simple(map[bool]string{true: "max", false: "min"}[e.name == "bool_or"], Bool)
	case "array_agg":
		list := typed{sql: "json_group_array(" + distinct + arg.sql + tail, oid: Text}
		count := typed{sql: "count(*" + filterOf(tail), oid: Int8}
		t := a.collect(list, arg.oid)
		t.sql = "CASE WHEN " + count.sql + ">0 THEN " + t.sql + " END"
		return t, nil
	case "string_agg":
		return a.stringAgg(e, all, distinct, tail)
	}
	return a.sum(e, arg, all, distinct, tail)
}

// filterOf is a tail without the order.
func filterOf(tail string) string {
	if i := strings.Index(tail, ") FILTER"); i >= 0 {
		return tail[i:]
	}
	return ")"
}

func (a *analyzer) stringAgg(e *expr, all []typed, distinct, tail string) (typed, error) {
	for i := range all {
		if !goesAs(all[i], Text) {
			return typed{}, a.noFunction(e, all)
		}
		var err error
		if all[i], err = a.convert(all[i], Text); err != nil {
			return typed{}, err
		}
	}
	if len(all) < 2 {
		return typed{}, a.noFunction(e, all)
	}
	if distinct != "" {
		return typed{}, a.p.At(e.pos, errorf(codeUnsupported, "string_agg(DISTINCT) is not supported by this server"))
	}
	return typed{sql: "group_concat(" + all[0].sql + "," + all[1].sql + tail, oid: Text}, nil
}

// sum is sum and avg.
func (a *analyzer) sum(e *expr, arg typed, all []typed, distinct, tail string) (typed, error) {
	result, class := uint32(Numeric), classOf(arg.oid)
	switch {
	case class == classInt && arg.oid != Int8 && e.name == "sum":
		result = Int8
	case class == classInt:
	case arg.oid == Float4 && e.name == "sum":
		result = Float4
	case class == classFloat:
		result = Float8
	case class == classInterval:
		result = Interval
	default:
		return typed{}, a.noFunction(e, all)
	}
	sum := typed{sql: "sum(" + distinct + arg.sql + tail, oid: result}
	count := typed{sql: "count(" + distinct + arg.sql + tail, oid: Int8}
	average := e.name == "avg"
	call := func(_ *execution, args []Value) (Value, error) {
		switch {
		case result == Numeric && average:
			return numericArithmetic('/', numericOf(args[0]), numericOf(args[1]), Numeric)
		case result == Numeric:
			return numericOf(args[0]), nil
		case average && result == Interval:
			return args[0].(int64) / args[1].(int64), nil
		case average:
			return floatOf(args[0]) / floatOf(args[1]), nil
		}
		return args[0], nil
	}
	key := "sum " + e.name + TypeName(result)
	return a.collated(a.goCall(result, boundCall{key: key, call: call}, sum, count)), nil
}
