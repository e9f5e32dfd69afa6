// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/walmirror/walmirror/protocol"
)

// coerce gives a literal or a parameter a type. Anything else must have it already, or one that is kept alike.
func (a *analyzer) coerce(t typed, oid uint32) (typed, error) {
	if t.lit == nil {
		return a.castTo(t, oid, 0)
	}
	switch t.lit.kind {
	case exprNull:
		return typed{sql: "NULL", oid: oid}, nil
	case exprParam:
		a.params[t.lit.index] = oid
		made, err := a.param(t.lit)
		return made, err
	}
	if isReg(oid) {
		return a.lookupName(t, oid)
	}
	v, err := ParseText(t.lit.text, oid)
	if err != nil {
		return t, a.at(t.lit.pos, err)
	}
	if f, ok := v.(float64); ok && math.IsNaN(f) { // NULL to SQLite
		return t, a.p.At(t.lit.pos, errorf(codeUnsupported, "NaN is not supported by this server"))
	}
	return constant(v, oid), nil
}

// cast is an explicit one.
func (a *analyzer) cast(s *scope, e *expr) (typed, error) {
	oid, err := a.typeOID(e.typ)
	if err != nil {
		return typed{}, err
	}
	t, err := a.expr(s, e.args[0])
	if err != nil {
		return t, err
	}
	if t.lit != nil && t.lit.kind != exprString || e.typ.size == 0 && t.lit != nil {
		return a.coerce(t, oid)
	}
	if t.lit != nil {
		if t, err = a.coerce(t, Text); err != nil {
			return t, err
		}
	}
	made, err := a.castTo(t, oid, e.typ.size)
	if e.typ.size > 0 && (oid == VarChar || oid == BPChar) {
		made.typmod = int32(e.typ.size) + 4 + 1
	}
	return made, a.at(e.pos, err)
}

// at says in an error where in the text it is, unless it says so already.
func (a *analyzer) at(pos int, err error) error {
	if e, ok := errors.AsType[*protocol.Error](err); ok && e.Position == 0 {
		return a.p.At(pos, e)
	}
	return err
}

// typeOID finds a type by its name.
func (a *analyzer) typeOID(t typeText) (uint32, error) {
	oid, ok := typesByName[t.name]
	if ok && t.array {
		oid = types[oid].array
		ok = oid != 0
	}
	if !ok {
		return 0, a.p.At(t.pos, errorf(codeUndefinedObject, "type %q does not exist", t.name))
	}
	return oid, nil
}

// castTo converts an expression to a type; size is that of a varchar, 0: none.
func (a *analyzer) castTo(t typed, oid uint32, size int) (typed, error) {
	from, to := classOf(t.oid), classOf(oid)
	var f func(Value) (Value, error)
	switch {
	case t.lit != nil:
		return a.coerce(t, oid)
	case t.oid == oid && size == 0, from == classInt && oid == Int8:
		return retyped(t, oid), nil
	case isReg(t.oid) && to == classText:
		return a.nameText(t, oid)
	case to == classText && isReg(oid):
		return a.lookupName(t, oid)
	case from == classText && isReg(oid):
		return a.lookupName(t, oid)
	case to == classText:
		f = func(v Value) (Value, error) { return shorten(castText(v, t.oid), oid, size), nil }
		if from == classText && oid != Name && oid != Char && size == 0 {
			return retyped(t, oid), nil
		}
	case from == classText:
		f = func(v Value) (Value, error) { return ParseText(v.(string), oid) }
	case from == classInt && to == classOID && t.oid != Int8: // the same 32 bits
		f = func(v Value) (Value, error) { return v.(int64) & math.MaxUint32, nil }
	case from == classOID && oid == Int4:
		f = func(v Value) (Value, error) { return int64(int32(v.(int64))), nil }
	default:
		f = conversion(from, to, oid)
	}
	if f == nil {
		return t, errorf(codeCannotCoerce, "cannot cast type %s to %s", TypeName(t.oid), TypeName(oid))
	}
	call := func(_ *execution, args []Value) (Value, error) { return f(args[0]) }
	key := fmt.Sprintf("cast %d %d %d", t.oid, oid, size)
	made := a.goCall(oid, boundCall{key: key, call: call}, t)
	made.name = t.name
	return a.collated(made), nil
}

// retyped is an expression whose values are the same in another type.
func retyped(t typed, oid uint32) typed {
	if t.oid != oid {
		t.oid, t.table, t.num, t.typmod = oid, 0, 0, 0
	}
	return t
}

// castText is a value as text, which is not always its text form.
func castText(v Value, oid uint32) string {
	switch classOf(oid) {
	case classBool:
		return strconv.FormatBool(v != int64(0))
	case classInet:
		return inetText(v.(string))
	}
	return string(AppendText(nil, v, oid))
}

// shorten cuts text to what its type holds.
func shorten(text string, oid uint32, size int) string {
	switch {
	case oid == Name:
		size = 63
	case oid == Char:
		size = 1
	}
	if size > 0 && len(text) > size {
		text = text[:size]
	}
	return text
}

// conversion is a function that converts values of one class to those of another; nil: there is none.
func conversion(from, to class, oid uint32) func(Value) (Value, error) {
	switch {
	case from == classBool && oid == Int4, from == classInt && to == classBool:
		return func(v Value) (Value, error) {
			if to == classBool {
				return BoolValue(v != int64(0)), nil
			}
			return v, nil
		}
	case (from == classInt || from == classOID) && (to == classInt || to == classOID):
		return func(v Value) (Value, error) { return v, checkRange(v.(int64), oid) }
	case isNumberClass(from) && isNumberClass(to):
		return func(v Value) (Value, error) { return convertNumber(v, to, oid) }
	case from == classTime && to == classTime:
		return func(v Value) (Value, error) { return v, nil }
	case from == classDate && to == classTime:
		return timeOfDate
	case from == classTime && to == classDate:
		return dateOfTime
	case from == classArray && to == classArray, from == classOpaque && to == classArray:
		return func(v Value) (Value, error) { return v, nil }
	case from == classOpaque && to == classOpaque && (oid == 114 || oid == 3802):
		return func(v Value) (Value, error) { return v, nil }
	}
	return nil
}

func isNumberClass(c class) bool { return c == classInt || c == classFloat || c == classNumeric }

func floorDiv(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

func convertNumber(v Value, to class, oid uint32) (Value, error) {
	switch to {
	case classFloat:
		f := floatOf(v)
		if oid == Float4 {
			f = float64(float32(f))
		}
		return f, nil
	case classNumeric:
		return numericOf(v), nil
	}
	if f, ok := v.(float64); ok {
		f = math.RoundToEven(f)
		if math.IsNaN(f) || f < -1<<63 || f >= 1<<63 {
			return nil, outOfRange(oid)
		}
		return int64(f), checkRange(int64(f), oid)
	}
	n := decimalOf(v).round(0).n
	if !n.IsInt64() {
		return nil, outOfRange(oid)
	}
	return n.Int64(), checkRange(n.Int64(), oid)
}

// floatOf is a number as a float.
func floatOf(v Value) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	f, _ := strconv.ParseFloat(v.(string), 64)
	return f
}

// numericOf is a number as a numeric.
func numericOf(v Value) Value {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return expand(strconv.FormatFloat(v, 'e', -1, 64))
	}
	return v
}
