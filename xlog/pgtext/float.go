// SPDX-License-Identifier: Apache-2.0

package pgtext

import (
	"bytes"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// AppendFloat8 appends the shortest text that means exactly this number (float8out_internal in
// src/backend/utils/adt/float.c, and src/common/d2s.c): with an exponent from 10^15 on and below 10^-4.
func AppendFloat8(dst []byte, v float64) []byte { return appendFloat(dst, v, 64) }

// AppendFloat4 is AppendFloat8 of single precision (src/common/f2s.c): with an exponent from 10^6 on and below 10^-4.
func AppendFloat4(dst []byte, v float32) []byte { return appendFloat(dst, float64(v), 32) }

// appendFloat appends a number of the given bits, which are 32 or 64.
func appendFloat(dst []byte, v float64, size int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	case v == 0:
		return strconv.AppendFloat(dst, v, 'f', 0, size)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'e', -1, size)
	dst = roundToEven(dst, start, v, size)
	for digits := 1; isHalfway(dst[start:], size); digits++ {
		dst = appendLonger(dst[:start], v, size, digits)
	}
	most := 15
	if size == 32 {
		most = 6
	}
	if exp := exponent(dst[start:]); exp >= -4 && exp < most {
		return withoutExponent(dst, start, exp)
	}
	return dst
}

// roundToEven replaces the number that begins at start by the one of the same length that is nearer to v, or as near
// and even, if it means v: of two that are as near Go takes either.
func roundToEven(dst []byte, start int, v float64, size int) []byte {
	var memory [32]byte
	text := dst[start:]
	nearest := strconv.AppendFloat(memory[:0], v, 'e', max(0, significant(text)-1), size)
	if bytes.Equal(text, nearest) {
		return dst
	}
	if back, err := strconv.ParseFloat(string(nearest), size); err != nil || back != v {
		return dst
	}
	return append(dst[:start], nearest...)
}

// significant is the number of digits of a number in the form 1.234e+05.
func significant(text []byte) int {
	n := bytes.IndexByte(text, 'e')
	if text[0] == '-' {
		n--
	}
	return max(1, n-1) // without the point
}

// withoutExponent rewrites a number in the form 1.234e+05 that begins at start.
func withoutExponent(dst []byte, start, exp int) []byte {
	if dst[start] == '-' {
		start++
	}
	var memory [24]byte
	digits := append(memory[:0], dst[start])
	if dst[start+1] == '.' {
		digits = append(digits, dst[start+2:start+bytes.IndexByte(dst[start:], 'e')]...)
	}
	dst = dst[:start]
	for ; exp < 0; exp++ {
		digits = slices.Insert(digits, 0, '0')
	}
	for i := 0; i < len(digits) || i <= exp; i++ {
		if i == exp+1 {
			dst = append(dst, '.')
		}
		if i < len(digits) {
			dst = append(dst, digits[i])
		} else {
			dst = append(dst, '0')
		}
	}
	return dst
}

// appendLonger writes the number with the given number of digits behind the point, or, when these do not mean it, no
// digits that would mean it.
func appendLonger(dst []byte, v float64, size, digits int) []byte {
	start := len(dst)
	for ; ; digits++ {
		dst = strconv.AppendFloat(dst[:start], v, 'e', digits, size)
		if back, err := strconv.ParseFloat(string(dst[start:]), size); err == nil && back == v {
			return dst
		}
	}
}

// isHalfway tells whether a number in the form 1.234e+05 is exactly between two floating point numbers, and so means
// one of them only because halves are rounded to even. Go takes that for a text of that number, PostgreSQL does not.
// Such a number is odd * 2^k where odd has one bit more than a floating point number.
func isHalfway(text []byte, size int) bool {
	mantissa := 53
	if size == 32 {
		mantissa = 24
	}
	digits, exp := decimal(text)
	var hi, lo uint64
	switch {
	case exp > 23 || exp < -24:
		return false
	case exp >= 0:
		hi, lo = bits.Mul64(digits, pow5(exp))
	default:
		if digits%pow5(-exp) != 0 {
			return false
		}
		lo = digits / pow5(-exp)
	}
	if hi != 0 {
		return bits.Len64(hi)+64-bits.TrailingZeros64(lo) == mantissa+1
	}
	return bits.Len64(lo)-bits.TrailingZeros64(lo) == mantissa+1
}

// decimal takes a number in the form 1.234e+05 for digits * 10^exp.
func decimal(text []byte) (digits uint64, exp int) {
	exp = exponent(text)
	mantissa, _, _ := bytes.Cut(text, []byte("e"))
	behind := false
	for _, c := range mantissa {
		switch {
		case c == '.':
			behind = true
		case c != '-':
			digits = digits*10 + uint64(c-'0')
			if behind {
				exp--
			}
		}
	}
	for digits != 0 && digits%10 == 0 {
		digits /= 10
		exp++
	}
	return digits, exp
}

func exponent(text []byte) int {
	n, _ := strconv.Atoi(string(text[bytes.IndexByte(text, 'e')+1:]))
	return n
}

func pow5(n int) uint64 {
	v := uint64(1)
	for range n {
		v *= 5
	}
	return v
}
