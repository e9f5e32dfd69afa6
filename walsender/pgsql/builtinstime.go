// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgtext"
)

var timeFunctions = map[string][]builtin{
	"extract": {
		{args: []uint32{Text, Interval}, result: Numeric, call: func(_ *execution, args []Value) (Value, error) {
			return fieldOf(args[0].(string), args[1].(int64), Interval)
		}},
		{args: []uint32{Text, TimestampTZ}, result: Numeric, call: func(_ *execution, args []Value) (Value, error) {
			return fieldOf(args[0].(string), args[1].(int64), TimestampTZ)
		}},
	},
	"date_part": {
		{args: []uint32{Text, Interval}, result: Float8, call: datePart(Interval)},
		{args: []uint32{Text, TimestampTZ}, result: Float8, call: datePart(TimestampTZ)},
	},
	"date_trunc": {{args: []uint32{Text, TimestampTZ}, result: TimestampTZ, call: dateTrunc}},
	"to_timestamp": {{args: []uint32{Float8}, result: TimestampTZ, call: func(_ *execution, args []Value) (Value, error) {
		us := args[0].(float64)*1e6 - xlog.PostgresEpoch*1e6
		if !(us > -9e18 && us < 9e18) {
			return nil, outOfRange(TimestampTZ)
		}
		return int64(us), nil
	}}},
	"timezone": {{args: []uint32{Text, TimestampTZ}, result: Timestamp, call: func(_ *execution, args []Value) (Value, error) {
		switch strings.ToLower(args[0].(string)) {
		case "utc", "etc/utc", "gmt", "zulu", "z":
			return args[1], nil
		}
		return nil, errorf(codeUnsupported, "time zones other than UTC are not supported by this server")
	}}},
}

func datePart(oid uint32) func(_ *execution, args []Value) (Value, error) {
	return func(_ *execution, args []Value) (Value, error) {
		v, err := fieldOf(args[0].(string), args[1].(int64), oid)
		if err != nil {
			return nil, err
		}
		return floatOf(v), nil
	}
}

// fieldOf is a field of a time or an interval (timestamptz_part_common and interval_part_common in timestamp.c).
func fieldOf(field string, us int64, oid uint32) (Value, error) {
	if oid == Interval {
		return intervalField(strings.ToLower(field), us)
	}
	t := timeOf(us)
	seconds := func(us int64) Value { return decimal{big.NewInt(us), 6}.String() }
	switch strings.ToLower(field) {
	case "epoch":
		return seconds(us + xlog.PostgresEpoch*1e6), nil
	case "year":
		return fmt.Sprint(t.Year()), nil
	case "month":
		return fmt.Sprint(int(t.Month())), nil
	case "day":
		return fmt.Sprint(t.Day()), nil
	case "hour":
		return fmt.Sprint(t.Hour()), nil
	case "minute":
		return fmt.Sprint(t.Minute()), nil
	case "second":
		return seconds(int64(t.Second())*1e6 + int64(t.Nanosecond()/1000)), nil
	case "dow":
		return fmt.Sprint(int(t.Weekday())), nil
	}
	return nil, noUnit(field, oid)
}

func intervalField(field string, us int64) (Value, error) {
	rest := us % pgtext.MicrosPerDay
	switch field {
	case "epoch":
		return decimal{big.NewInt(us), 6}.String(), nil
	case "day":
		return fmt.Sprint(us / pgtext.MicrosPerDay), nil
	case "hour":
		return fmt.Sprint(rest / 36e8), nil
	case "minute":
		return fmt.Sprint(rest / 6e7 % 60), nil
	case "second":
		return decimal{big.NewInt(rest % 6e7), 6}.String(), nil
	}
	return nil, noUnit(field, Interval)
}

func noUnit(field string, oid uint32) error {
	return errorf(codeInvalidParameter, "unit %q not recognized for type %s", field, TypeName(oid))
}

func dateTrunc(_ *execution, args []Value) (Value, error) {
	t := timeOf(args[1].(int64))
	month, day, hour, minute, second := t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second()
	switch strings.ToLower(args[0].(string)) {
	case "year":
		month, day, hour, minute, second = 1, 1, 0, 0, 0
	case "month":
		day, hour, minute, second = 1, 0, 0, 0
	case "day":
		hour, minute, second = 0, 0, 0
	case "hour":
		minute, second = 0, 0
	case "minute":
		second = 0
	case "second":
	default:
		return nil, noUnit(args[0].(string), TimestampTZ)
	}
	return TimeValue(time.Date(t.Year(), month, day, hour, minute, second, 0, time.UTC)), nil
}
