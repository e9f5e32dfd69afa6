// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"math"
	"strings"
	"unicode/utf8"
)

// builtins are the functions that do not depend on a session, by their names. The first of a name that fits is called.
var builtins map[string][]builtin

func init() {
	builtins = map[string][]builtin{}
	groups := []map[string][]builtin{textFunctions, numberFunctions, timeFunctions, arrayFunctions, catalogFunctions}
	for _, more := range groups {
		for name, list := range more {
			builtins[name] = list
		}
	}
}

// text1 is a function of a text.
func text1(result uint32, f func(string) Value) []builtin {
	return []builtin{{args: []uint32{Text}, result: result, call: func(_ *execution, args []Value) (Value, error) {
		return f(args[0].(string)), nil
	}}}
}

// text2 is a function of two texts.
func text2(result uint32, f func(a, b string) Value) []builtin {
	return []builtin{{args: []uint32{Text, Text}, result: result, call: func(_ *execution, args []Value) (Value, error) {
		return f(args[0].(string), args[1].(string)), nil
	}}}
}

var textFunctions = map[string][]builtin{
	"lower":        text1(Text, func(s string) Value { return strings.ToLower(s) }),
	"upper":        text1(Text, func(s string) Value { return strings.ToUpper(s) }),
	"length":       text1(Int4, func(s string) Value { return int64(utf8.RuneCountInString(s)) }),
	"char_length":  text1(Int4, func(s string) Value { return int64(utf8.RuneCountInString(s)) }),
	"octet_length": text1(Int4, func(s string) Value { return int64(len(s)) }),
	"btrim":        text1(Text, func(s string) Value { return strings.Trim(s, " ") }),
	"ltrim":        text1(Text, func(s string) Value { return strings.TrimLeft(s, " ") }),
	"rtrim":        text1(Text, func(s string) Value { return strings.TrimRight(s, " ") }),
	"quote_ident": {{args: []uint32{Text}, result: Text, call: func(x *execution, args []Value) (Value, error) {
		return x.quoteIdent(args[0].(string)), nil
	}}},
	"strpos": text2(Int4, func(s, sub string) Value {
		i := strings.Index(s, sub)
		if i < 0 {
			return int64(0)
		}
		return int64(utf8.RuneCountInString(s[:i]) + 1)
	}),
	"starts_with": text2(Bool, func(s, prefix string) Value { return BoolValue(strings.HasPrefix(s, prefix)) }),
	"replace":     {{args: []uint32{Text, Text, Text}, result: Text, call: replaceText}},
	"substring": {
		{args: []uint32{Text, Int4, Int4}, optional: 1, result: Text, call: substring},
	},
	"substr":              {{args: []uint32{Text, Int4, Int4}, optional: 1, result: Text, call: substring}},
	"left":                {{args: []uint32{Text, Int4}, result: Text, call: leftText}},
	"split_part":          {{args: []uint32{Text, Text, Int4}, result: Text, call: splitPart}},
	"concat":              {{args: []uint32{Text}, variadic: true, result: Text, nulls: true, call: concat}},
	"getdatabaseencoding": always(Name, "UTF8", 0),
	"pg_char_to_encoding": {{args: []uint32{Name}, result: Int4, call: func(_ *execution, args []Value) (Value, error) {
		for n, name := range encodingNames {
			if strings.EqualFold(name, args[0].(string)) {
				return n, nil
			}
		}
		return int64(-1), nil
	}}},
	"pg_encoding_to_char": {{args: []uint32{Int4}, result: Name, call: func(_ *execution, args []Value) (Value, error) {
		return encodingNames[args[0].(int64)], nil
	}}},
}

// encodingNames are those of src/common/encnames.c that are in use for servers.
var encodingNames = map[int64]string{
	0: "SQL_ASCII", 1: "EUC_JP", 2: "EUC_CN", 3: "EUC_KR", 4: "EUC_TW", 5: "EUC_JIS_2004", 6: "UTF8", 7: "MULE_INTERNAL",
	8: "LATIN1", 9: "LATIN2", 10: "LATIN3", 11: "LATIN4", 12: "LATIN5", 13: "LATIN6", 14: "LATIN7", 15: "LATIN8",
	16: "LATIN9", 17: "LATIN10", 18: "WIN1256", 19: "WIN1258", 20: "WIN866", 21: "WIN874", 22: "KOI8R", 23: "WIN1251",
	24: "WIN1252", 25: "ISO_8859_5", 26: "ISO_8859_6", 27: "ISO_8859_7", 28: "ISO_8859_8", 29: "WIN1250", 30: "WIN1253",
	31: "WIN1254", 32: "WIN1255", 33: "WIN1257", 34: "KOI8U",
}

func replaceText(_ *execution, args []Value) (Value, error) {
	text, from, to := args[0].(string), args[1].(string), args[2].(string)
	if from == "" {
		return text, nil
	}
	if n := strings.Count(text, from) * (len(to) - len(from)); n > rowLimit {
		return nil, errTooLong
	}
	return strings.ReplaceAll(text, from, to), nil
}

// substring counts characters from 1 on (text_substring in varlena.c).
func substring(_ *execution, args []Value) (Value, error) {
	runes := []rune(args[0].(string))
	start, end := args[1].(int64), int64(math.MaxInt32)
	if len(args) == 3 {
		if args[2].(int64) < 0 {
			return nil, errorf("22011", "negative substring length not allowed")
		}
		end = start + args[2].(int64)
	}
	n := int64(len(runes)) + 1
	start, end = min(max(start, 1), n), min(max(end, 1), n)
	return string(runes[start-1 : max(start, end)-1]), nil
}

func leftText(_ *execution, args []Value) (Value, error) {
	runes, n := []rune(args[0].(string)), args[1].(int64)
	if n < 0 {
		n = max(0, int64(len(runes))+n)
	}
	return string(runes[:min(n, int64(len(runes)))]), nil
}

func splitPart(_ *execution, args []Value) (Value, error) {
	parts, n := strings.Split(args[0].(string), args[1].(string)), args[2].(int64)
	switch {
	case n == 0:
		return nil, errorf(codeInvalidParameter, "field position must not be zero")
	case n < 0:
		n += int64(len(parts)) + 1
	}
	if n < 1 || n > int64(len(parts)) {
		return "", nil
	}
	return parts[n-1], nil
}

func concat(_ *execution, args []Value) (Value, error) {
	var b strings.Builder
	for _, v := range args {
		if v != nil {
			b.WriteString(v.(string))
		}
		if b.Len() > rowLimit {
			return nil, errTooLong
		}
	}
	return b.String(), nil
}

var errTooLong = errorf(codeTooMuch, "a value is too long")

var numberFunctions = map[string][]builtin{
	"abs": {
		{args: []uint32{Int4}, result: Int4, call: func(_ *execution, args []Value) (Value, error) {
			return max(args[0].(int64), -args[0].(int64)), nil
		}},
		{args: []uint32{Int8}, result: Int8, call: func(_ *execution, args []Value) (Value, error) {
			return max(args[0].(int64), -args[0].(int64)), nil
		}},
		{args: []uint32{Numeric}, result: Numeric, call: func(_ *execution, args []Value) (Value, error) {
			return strings.TrimPrefix(args[0].(string), "-"), nil
		}},
		{args: []uint32{Float8}, result: Float8, call: func(_ *execution, args []Value) (Value, error) {
			return math.Abs(args[0].(float64)), nil
		}},
	},
	"round": {
		{args: []uint32{Numeric, Int4}, optional: 1, result: Numeric, call: roundNumeric},
		{args: []uint32{Float8}, result: Float8, call: func(_ *execution, args []Value) (Value, error) {
			return math.RoundToEven(args[0].(float64)), nil
		}},
	},
	"mod": {{args: []uint32{Int8, Int8}, result: Int8, call: func(_ *execution, args []Value) (Value, error) {
		return integerArithmetic('%', args[0], args[1], Int8)
	}}},
	"pg_size_pretty": {
		{args: []uint32{Int8}, result: Text, call: sizePretty}, {args: []uint32{Numeric}, result: Text, call: sizePretty},
	},
}

func roundNumeric(_ *execution, args []Value) (Value, error) {
	scale := int64(0)
	if len(args) == 2 {
		scale = args[1].(int64)
	}
	if scale < -maxDigits || scale > maxDigits {
		return nil, outOfRange(Numeric)
	}
	d := decimalOf(args[0]).round(int(scale))
	if scale < 0 {
		d = d.round(0)
	}
	return d.String(), nil
}

// sizePretty prints a number of bytes in a unit that leaves few digits (dbsize.c).
func sizePretty(_ *execution, args []Value) (Value, error) {
	n := decimalOf(numericOf(args[0])).round(0)
	limit, half := decimal{n: power(0), scale: 0}, false
	limit.n.SetInt64(10 * 1024)
	for _, unit := range []string{"bytes", "kB", "MB", "GB", "TB", "PB"} {
		size := decimal{n: n.n}
		if half {
			size.n = divideRounding(n.n, power(0).SetInt64(2))
		}
		if size.n.CmpAbs(limit.n) < 0 || unit == "PB" {
			return size.String() + " " + unit, nil
		}
		shift := int64(1024)
		if !half {
			limit.n.SetInt64(20*1024 - 1)
			shift = 512
		}
		half = true
		n.n = power(0).Quo(n.n, power(0).SetInt64(shift))
		limit.n.SetInt64(10 * 1024)
	}
	return nil, nil
}
