// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog/pgtext"
)

// splitArray takes the text of an array of one dimension apart; nil is NULL. The text of vectors, which has no braces, is
// taken too.
func splitArray(text string) ([]*string, error) {
	if strings.Count(text, ",")+strings.Count(text, " ") > maxElements {
		return nil, errTooLong
	}
	bad := errorf(codeInvalidText, "malformed array literal: %q", text)
	inner, ok := strings.CutPrefix(text, "{")
	if !ok {
		return splitVector(text)
	}
	if inner, ok = strings.CutSuffix(inner, "}"); !ok {
		return nil, bad
	}
	var all []*string
	for rest := strings.Trim(inner, arraySpace); rest != ""; {
		rest = strings.TrimLeft(rest, arraySpace)
		element, quoted, n, ok := arrayElement(rest)
		if !ok {
			return nil, bad
		}
		if !quoted && strings.EqualFold(element, "null") {
			all = append(all, nil)
		} else {
			all = append(all, &element)
		}
		if rest = rest[n:]; rest != "" {
			if rest[0] != ',' || len(rest) == 1 {
				return nil, bad
			}
			rest = rest[1:]
		}
	}
	return all, nil
}

// maxElements is how many elements an array may have here.
const maxElements = 1 << 20

func splitVector(text string) ([]*string, error) {
	var all []*string
	for _, field := range strings.Fields(text) {
		if _, err := strconv.ParseInt(field, 10, 64); err != nil {
			return nil, errorf(codeInvalidText, "malformed array literal: %q", text)
		}
		all = append(all, &field)
	}
	return all, nil
}

// arraySpace is what may stand around elements.
const arraySpace = " \t\n\v\f\r"

// arrayElement reads one element; n is how many bytes it has.
func arrayElement(text string) (element string, quoted bool, n int, ok bool) {
	var b strings.Builder
	inQuotes, end := false, 0 // end is where the element ends, but for space
	for ; n < len(text); n++ {
		c := text[n]
		switch {
		case c == '\\' && n+1 < len(text):
			n++
			b.WriteByte(text[n])
			quoted = true
		case c == '"':
			inQuotes, quoted = !inQuotes, true
		case c == ',' && !inQuotes:
			return b.String()[:end], quoted, n, quoted || end > 0
		case (c == '{' || c == '}') && !inQuotes:
			return "", false, n, false // of several dimensions
		default:
			b.WriteByte(c)
			if !inQuotes && strings.IndexByte(arraySpace, c) >= 0 {
				continue
			}
		}
		end = b.Len()
	}
	return b.String()[:end], quoted, n, !inQuotes && (quoted || end > 0)
}

// joinArray makes the text of an array.
func joinArray(all []*string) string {
	b := []byte{'{'}
	for i, e := range all {
		if i > 0 {
			b = append(b, ',')
		}
		if e == nil {
			b = append(b, "NULL"...)
			continue
		}
		start := len(b)
		b = pgtext.QuoteElement(append(b, *e...), start, ',')
	}
	return string(append(b, '}'))
}

// arrayValues takes an array apart into values of its elements' type.
func arrayValues(text string, element uint32) ([]Value, error) {
	all, err := splitArray(text)
	if err != nil {
		return nil, err
	}
	values := make([]Value, len(all))
	for i, e := range all {
		if e == nil {
			continue
		}
		if values[i], err = ParseText(*e, element); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// parseArray is array_in of one dimension (arrayfuncs.c). Elements that are names are not looked up.
func parseArray(text string, oid uint32) (Value, error) {
	element := elements[oid]
	if element == 0 || isReg(element) {
		all, err := splitArray(text)
		if err != nil {
			return nil, err
		}
		return joinArray(all), nil
	}
	values, err := arrayValues(text, element)
	if err != nil {
		return nil, err
	}
	return arrayOf(values, element), nil
}

// arrayOf makes an array of values.
func arrayOf(values []Value, element uint32) Value {
	all := make([]*string, len(values))
	for i, v := range values {
		if v != nil {
			text := string(AppendText(nil, v, element))
			all[i] = &text
		}
	}
	return joinArray(all)
}
