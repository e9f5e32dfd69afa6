// SPDX-License-Identifier: Apache-2.0

package pgsql

import "strings"

// operator analyzes an operator with one or two sides.
func (a *analyzer) operator(s *scope, e *expr) (typed, error) {
	switch e.name {
	case "and", "or":
		return a.logical(s, e)
	case "not":
		t, err := a.boolean(s, e.args[0], "NOT")
		return of("(NOT "+t.sql+")", Bool, t), err
	}
	all, err := a.exprs(s, e.args)
	if err != nil {
		return typed{}, err
	}
	if len(all) == 1 {
		return a.sign(e, all[0])
	}
	switch e.name {
	case "=", "<>", "<", "<=", ">", ">=":
		return a.compare(e, all[0], all[1])
	case "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*", "^@":
		return a.match(e, all[0], all[1])
	case "||":
		return a.concatenate(e, all[0], all[1])
	case "+", "-", "*", "/", "%":
		return a.arithmetic(e, all[0], all[1])
	}
	return typed{}, a.noOperator(e, all...)
}

// logical is AND and OR. Of a chain of them SQLite gets a flat one.
func (a *analyzer) logical(s *scope, e *expr) (typed, error) {
	word := strings.ToUpper(e.name)
	var parts []typed
	var sql []string
	for at := e; ; at = at.args[0] {
		same := at.kind == exprOp && at.name == e.name && len(at.args) == 2
		side := at
		if same {
			side = at.args[1]
		}
		t, err := a.boolean(s, side, word)
		if err != nil {
			return typed{}, err
		}
		parts, sql = append([]typed{t}, parts...), append([]string{t.sql}, sql...)
		if !same {
			plus := ""
			if word == "OR" { // which SQLite must not take apart: its tables here are not made for it
				plus = "+"
			}
			return of("("+plus+"("+strings.Join(sql, " "+word+" ")+"))", Bool, parts...), nil
		}
	}
}

// noOperator is the error for an operator that these types do not have.
func (a *analyzer) noOperator(e *expr, sides ...typed) error {
	names := make([]string, len(sides))
	for i, t := range sides {
		names[i] = TypeName(t.oid)
	}
	what := e.name + " " + names[len(names)-1]
	if len(sides) == 2 {
		what = names[0] + " " + what
	}
	err := errorf(codeUndefinedFunction, "operator does not exist: %s", what)
	err.Hint = "No operator matches the given name and argument types. You might need to add explicit type casts."
	if len(sides) == 1 {
		err.Hint = "No operator matches the given name and argument type. You might need to add an explicit type cast."
	}
	return a.p.At(e.pos, err)
}

// unifyOperands gives operands a type in which they can be compared.
func (a *analyzer) unifyOperands(e *expr, all []typed) (oid uint32, err error) {
	for _, t := range all {
		if t.lit != nil {
			continue
		}
		if oid, err = a.commonType(oid, t.oid); err != nil {
			return 0, a.noOperator(e, all[0], t)
		}
	}
	if oid == 0 {
		oid = Text
	}
	for i, t := range all {
		if t.oid == oid && t.lit == nil {
			continue
		}
		if all[i], err = a.convert(t, oid); err != nil {
			return 0, err
		}
	}
	return oid, nil
}

// commonType is the type in which values of two types are compared; 0 as the first is none yet.
func (a *analyzer) commonType(x, y uint32) (uint32, error) {
	cx, cy := classOf(x), classOf(y)
	switch {
	case x == 0 || x == y:
		return y, nil
	case isNumber(x) && isNumber(y):
		if rank(x) > rank(y) {
			return x, nil
		}
		return y, nil
	case (cx == classInt || cx == classOID) && (cy == classInt || cy == classOID):
		if cx == classOID {
			return x, nil
		}
		return y, nil
	case cx == classDate && cy == classTime:
		return y, nil
	case cy == classDate && cx == classTime, cx == cy && cx != classOpaque && cx != classArray:
		return x, nil
	case cx == classArray && (x == AnyArray || y == AnyArray):
		return x, nil
	}
	return 0, errorf(codeTypeMismatch, "types do not fit")
}

// unify gives the branches of a CASE and its like one type (select_common_type in parse_coerce.c).
func (a *analyzer) unify(all []typed, what string, pos int) (oid uint32, err error) {
	for _, t := range all {
		if t.lit != nil {
			continue
		}
		common, err := a.commonType(oid, t.oid)
		if err != nil {
			return 0, a.p.At(pos, errorf(codeTypeMismatch, "%s types %s and %s cannot be matched", what, TypeName(oid),
				TypeName(t.oid)))
		}
		if common != oid && oid != 0 && classOf(oid) == classText && classOf(t.oid) == classText {
			common = Text
		}
		oid = common
	}
	if oid == 0 {
		oid = Text
	}
	for i, t := range all {
		if t.oid == oid && t.lit == nil {
			continue
		}
		if all[i], err = a.convert(t, oid); err != nil {
			return 0, err
		}
	}
	return oid, nil
}

// convert is coerce, and the conversions between types that go without saying.
func (a *analyzer) convert(t typed, oid uint32) (typed, error) {
	if t.lit != nil {
		return a.coerce(t, oid)
	}
	return a.castTo(t, oid, 0)
}

// compare is one of the six comparisons.
func (a *analyzer) compare(e *expr, left, right typed) (typed, error) {
	all := []typed{left, right}
	if _, err := a.unifyOperands(e, all); err != nil {
		return typed{}, err
	}
	return of("("+all[0].sql+" "+e.name+" "+all[1].sql+")", Bool, all...), nil
}

// match is LIKE and the like, and regular expressions.
func (a *analyzer) match(e *expr, left, right typed) (typed, error) {
	all := []typed{left, right}
	for i, t := range all {
		if t.lit == nil && classOf(t.oid) != classText {
			return typed{}, a.noOperator(e, left, right)
		}
		var err error
		if all[i], err = a.convert(t, Text); err != nil {
			return typed{}, err
		}
	}
	name, negative := strings.CutPrefix(e.name, "!")
	t := a.goCall(Bool, boundCall{key: "match " + name, call: matcher(name)}, all...)
	if negative {
		t.sql = "(NOT " + t.sql + ")"
	}
	return t, nil
}

// concatenate is ||. With text on one side, all else is text too.
func (a *analyzer) concatenate(e *expr, left, right typed) (typed, error) {
	all := []typed{left, right}
	for i, t := range all {
		other := all[1-i]
		if t.lit == nil && classOf(t.oid) == classArray {
			return a.appendArray(e, left, right)
		}
		if t.lit == nil && classOf(t.oid) != classText && (other.lit == nil && classOf(other.oid) != classText) {
			return typed{}, a.noOperator(e, left, right)
		}
	}
	for i, t := range all {
		var err error
		if all[i], err = a.convert(t, Text); err != nil {
			return typed{}, err
		}
	}
	return of("("+all[0].sql+" || "+all[1].sql+")", Text, all...), nil
}

// sign is an operator with one side.
func (a *analyzer) sign(e *expr, t typed) (typed, error) {
	if t.lit != nil {
		var err error
		if t, err = a.coerce(t, Float8); err != nil {
			return t, err
		}
	}
	zero := typed{sql: "0", oid: Int4}
	switch {
	case !isNumber(t.oid) && t.oid != Interval, e.name != "-" && e.name != "+":
		return t, a.noOperator(e, t)
	case e.name == "+":
		return t, nil
	case t.oid == Interval:
		zero.oid = Interval
	}
	return a.arithmetic(e, zero, t)
}
