// SPDX-License-Identifier: Apache-2.0

package pgtext

import (
	"bytes"
	"slices"
)

// QuoteElement puts what was appended to dst from start on into quotes, if it must have them as an element of an array
// (array_out in src/backend/utils/adt/arrayfuncs.c).
func QuoteElement(dst []byte, start int, delimiter byte) []byte {
	text := dst[start:]
	must := len(text) == 0 || len(text) == 4 && bytes.EqualFold(text, []byte("NULL"))
	for _, c := range text {
		must = must || c == '"' || c == '\\' || c == '{' || c == '}' || c == delimiter || isSpace(c)
	}
	if !must {
		return dst
	}
	return quote(dst, start, false)
}

// QuoteField is QuoteElement for a field of a record (record_out in src/backend/utils/adt/rowtypes.c).
func QuoteField(dst []byte, start int) []byte {
	return quoteIfAny(dst, start, "\"\\(), \t\n\v\f\r")
}

// QuoteBound is QuoteElement for a bound of a range (range_bound_escape in src/backend/utils/adt/rangetypes.c).
func QuoteBound(dst []byte, start int) []byte {
	return quoteIfAny(dst, start, "\"\\()[], \t\n\v\f\r")
}

func quoteIfAny(dst []byte, start int, special string) []byte {
	if text := dst[start:]; len(text) == 0 || bytes.ContainsAny(text, special) {
		return quote(dst, start, true)
	}
	return dst
}

// quote puts a text into double quotes, and doubles each quote and each backslash in it (or puts a backslash before them).
func quote(dst []byte, start int, double bool) []byte {
	extra := 2
	for _, c := range dst[start:] {
		if c == '"' || c == '\\' {
			extra++
		}
	}
	end := len(dst)
	dst = slices.Grow(dst, extra)[:end+extra]
	to := len(dst) - 1
	dst[to] = '"'
	for from := end - 1; from >= start; from-- {
		to--
		c := dst[from]
		dst[to] = c
		if c == '"' || c == '\\' {
			to--
			if dst[to] = '\\'; double {
				dst[to] = c
			}
		}
	}
	dst[start] = '"'
	return dst
}

// isSpace is isspace in the C locale, and in those of UTF-8 for one byte.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
