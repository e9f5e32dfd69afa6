// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"math"

	"github.com/walmirror/walmirror/xlog/pgtext"
)

// timeArithmetic is that of times and intervals.
func timeArithmetic(op byte, left, right uint32) (result uint32, f func(x, y Value) (Value, error)) {
	l, r := classOf(left), classOf(right)
	switch {
	case l == classTime && r == classTime && op == '-':
		return Interval, subtractTimes
	case l == classTime && r == classInterval && (op == '+' || op == '-'):
		return left, func(x, y Value) (Value, error) { return moveTime(op, x, y) }
	case l == classInterval && r == classTime && op == '+':
		return right, func(x, y Value) (Value, error) { return moveTime(op, y, x) }
	case l == classInterval && r == classInterval && (op == '+' || op == '-'):
		return Interval, func(x, y Value) (Value, error) { return integerArithmetic(op, x, y, Int8) }
	case l == classInterval && isNumber(right) && (op == '*' || op == '/'):
		return Interval, func(x, y Value) (Value, error) { return scaleInterval(op, x.(int64), floatOf(y)) }
	case isNumber(left) && r == classInterval && op == '*':
		return Interval, func(x, y Value) (Value, error) { return scaleInterval(op, y.(int64), floatOf(x)) }
	case l == classDate && r == classDate && op == '-':
		return Int4, subtractDates
	case l == classDate && r == classInt && (op == '+' || op == '-'):
		return Date, func(x, y Value) (Value, error) { return moveDate(op, x, y) }
	}
	return 0, nil
}

func scaleInterval(op byte, us int64, by float64) (Value, error) {
	scaled := float64(us) * by
	if op == '/' {
		if by == 0 {
			return nil, errDivision
		}
		scaled = float64(us) / by
	}
	if math.IsNaN(scaled) || math.Abs(scaled) > math.MaxInt64/2 {
		return nil, errorf(codeOutOfRange, "interval out of range")
	}
	return int64(math.RoundToEven(scaled)), nil
}

// moveTime is timestamp_pl_interval (timestamp.c).
func moveTime(op byte, at, by Value) (Value, error) {
	if !isFinite(at, classTime) {
		return at, nil
	}
	v, err := integerArithmetic(op, at, by, Int8)
	if err != nil || v.(int64) < pgtext.MinTimestamp || v.(int64) >= pgtext.EndTimestamp {
		return nil, errorf(codeDatetimeRange, "timestamp out of range")
	}
	return v, nil
}

// subtractTimes is timestamp_mi (timestamp.c) until 16: intervals here have an end.
func subtractTimes(x, y Value) (Value, error) {
	if !isFinite(x, classTime) || !isFinite(y, classTime) {
		return nil, errorf(codeDatetimeRange, "cannot subtract infinite timestamps")
	}
	return integerArithmetic('-', x, y, Int8)
}

// moveDate is date_pli and date_mii (date.c).
func moveDate(op byte, at, by Value) (Value, error) {
	if !isFinite(at, classDate) {
		return at, nil
	}
	v, err := integerArithmetic(op, at, by, Int8)
	if err != nil || v.(int64) < pgtext.MinDate || v.(int64) >= pgtext.EndDate {
		return nil, errorf(codeDatetimeRange, "date out of range")
	}
	return v, nil
}

// subtractDates is date_mi (date.c).
func subtractDates(x, y Value) (Value, error) {
	if !isFinite(x, classDate) || !isFinite(y, classDate) {
		return nil, errorf(codeDatetimeRange, "cannot subtract infinite dates")
	}
	return integerArithmetic('-', x, y, Int4)
}

// isFinite tells a timestamp or a date from those before and after all others.
func isFinite(v Value, c class) bool {
	if c == classDate {
		return v != int64(pgtext.DateNoBegin) && v != int64(pgtext.DateNoEnd)
	}
	return v != int64(pgtext.NoBegin) && v != int64(pgtext.NoEnd)
}

// timeOfDate is date2timestamp (date.c).
func timeOfDate(v Value) (Value, error) {
	switch days := v.(int64); {
	case days == pgtext.DateNoBegin:
		return int64(pgtext.NoBegin), nil
	case days == pgtext.DateNoEnd:
		return int64(pgtext.NoEnd), nil
	case days >= pgtext.EndTimestamp/pgtext.MicrosPerDay:
		return nil, errorf(codeDatetimeRange, "date out of range for timestamp")
	default:
		return days * pgtext.MicrosPerDay, nil
	}
}

// dateOfTime is timestamp_date (date.c).
func dateOfTime(v Value) (Value, error) {
	switch us := v.(int64); us {
	case pgtext.NoBegin:
		return int64(pgtext.DateNoBegin), nil
	case pgtext.NoEnd:
		return int64(pgtext.DateNoEnd), nil
	default:
		return floorDiv(us, pgtext.MicrosPerDay), nil
	}
}
