// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"math"
	"math/big"

	"github.com/walmirror/walmirror/xlog"
)

// arithmetic analyzes + - * / %.
func (a *analyzer) arithmetic(e *expr, left, right typed) (typed, error) {
	var err error
	if left, right, err = a.arithmeticLiterals(e, left, right); err != nil {
		return typed{}, err
	}
	op := e.name[0]
	if isNumber(left.oid) && isNumber(right.oid) {
		return a.numbers(op, left, right)
	}
	result, f := timeArithmetic(op, left.oid, right.oid)
	if f == nil {
		result, f = lsnArithmetic(op, left.oid, right.oid)
	}
	if f == nil {
		return typed{}, a.noOperator(e, left, right)
	}
	key := "arithmetic " + e.name + TypeName(left.oid) + TypeName(right.oid)
	call := func(_ *execution, args []Value) (Value, error) { return f(args[0], args[1]) }
	return a.collated(a.goCall(result, boundCall{key: key, call: call}, left, right)), nil
}

// arithmeticLiterals gives literals the type of the other side, but beside a time that of an interval.
func (a *analyzer) arithmeticLiterals(e *expr, left, right typed) (typed, typed, error) {
	var err error
	like := func(other typed, isRight bool) uint32 {
		switch {
		case other.lit != nil:
			return Int4
		case classOf(other.oid) == classTime && (e.name == "+" || !isRight):
			return Interval
		}
		return other.oid
	}
	l, r := left, right
	if left.lit != nil {
		l, err = a.coerce(left, like(right, false))
	}
	if right.lit != nil && err == nil {
		r, err = a.coerce(right, like(left, true))
	}
	return l, r, err
}

// numbers is arithmetic of numbers of the same or of different types.
func (a *analyzer) numbers(op byte, left, right typed) (typed, error) {
	oid := left.oid
	if rank(right.oid) > rank(oid) {
		oid = right.oid
	}
	if rank(oid) == rank(Float4) && left.oid != right.oid {
		oid = Float8
	}
	l, err := a.castTo(left, oid, 0)
	if err != nil {
		return typed{}, err
	}
	r, err := a.castTo(right, oid, 0)
	if err != nil {
		return typed{}, err
	}
	f := integerArithmetic
	switch classOf(oid) {
	case classFloat:
		f = floatArithmetic
	case classNumeric:
		f = numericArithmetic
	}
	call := func(_ *execution, args []Value) (Value, error) { return f(op, args[0], args[1], oid) }
	return a.collated(a.goCall(oid, boundCall{key: "arithmetic " + string(op) + TypeName(oid), call: call}, l, r)), nil
}

var errDivision = errorf(codeDivisionByZero, "division by zero")

func integerArithmetic(op byte, x, y Value, oid uint32) (Value, error) {
	l, r := big.NewInt(x.(int64)), big.NewInt(y.(int64))
	if r.Sign() == 0 && (op == '/' || op == '%') {
		return nil, errDivision
	}
	switch op {
	case '+':
		l.Add(l, r)
	case '-':
		l.Sub(l, r)
	case '*':
		l.Mul(l, r)
	case '/':
		l.Quo(l, r)
	case '%':
		l.Rem(l, r)
	}
	if !l.IsInt64() {
		return nil, outOfRange(oid)
	}
	return l.Int64(), checkRange(l.Int64(), oid)
}

func outOfRange(oid uint32) error {
	if classOf(oid) == classOID {
		return errorf(codeOutOfRange, "OID out of range")
	}
	return errorf(codeOutOfRange, "%s out of range", TypeName(oid))
}

// checkRange says whether an integer fits its type.
func checkRange(n int64, oid uint32) error {
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	switch {
	case oid == Int2:
		least, most = math.MinInt16, math.MaxInt16
	case oid == Int4:
		least, most = math.MinInt32, math.MaxInt32
	case classOf(oid) == classOID && oid != XID8:
		least, most = 0, math.MaxUint32
	}
	if n < least || n > most {
		return outOfRange(oid)
	}
	return nil
}

func floatArithmetic(op byte, x, y Value, _ uint32) (Value, error) {
	l, r := x.(float64), y.(float64)
	switch op {
	case '+':
		return l + r, nil
	case '-':
		return l - r, nil
	case '*':
		return l * r, nil
	}
	if r == 0 {
		return nil, errDivision
	}
	if op == '%' {
		return nil, errorf(codeUndefinedFunction, "operator does not exist: double precision %% double precision")
	}
	return l / r, nil
}

func numericArithmetic(op byte, x, y Value, _ uint32) (Value, error) {
	l, r := decimalOf(x), decimalOf(y)
	if r.n.Sign() == 0 && (op == '/' || op == '%') {
		return nil, errDivision
	}
	d := l.arithmetic(op, r)
	if len(d.n.String()) > maxDigits {
		return nil, errorf(codeOutOfRange, "value overflows numeric format")
	}
	return d.String(), nil
}

// lsnArithmetic is that of positions in the log.
func lsnArithmetic(op byte, left, right uint32) (result uint32, f func(x, y Value) (Value, error)) {
	switch {
	case left == PGLSN && right == PGLSN && op == '-':
		return Numeric, lsnDifference
	case left == PGLSN && isNumber(right) && (op == '+' || op == '-'):
		return PGLSN, func(x, y Value) (Value, error) {
			n := new(big.Int).SetUint64(uint64(lsnOf(x.(string))))
			bytes := decimalOf(numericOf(y)).round(0)
			sum := decimal{n: n}.arithmetic(op, bytes).n
			if !sum.IsUint64() {
				return nil, errorf(codeOutOfRange, "pg_lsn out of range")
			}
			return LSNValue(xlog.LSN(sum.Uint64())), nil
		}
	}
	return 0, nil
}

func lsnDifference(x, y Value) (Value, error) { return LSNDifference([]Value{x, y}) }

// LSNDifference is the function pg_wal_lsn_diff.
func LSNDifference(args []Value) (Value, error) {
	x, y := args[0], args[1]
	l, r := lsnOf(x.(string)), lsnOf(y.(string))
	n := new(big.Int).SetUint64(uint64(l))
	return n.Sub(n, new(big.Int).SetUint64(uint64(r))).String(), nil
}
