// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"math/big"
	"strings"
)

// decimal is a value of type numeric: n / 10^scale. Rules are those of numeric.c.
type decimal struct {
	n     *big.Int
	scale int
}

// maxDigits is how long a numeric may be here.
const maxDigits = 1000

func parseDecimal(text string) (decimal, bool) {
	mantissa, fraction, _ := strings.Cut(text, ".")
	n, ok := new(big.Int).SetString(mantissa+fraction, 10)
	bare := strings.TrimLeft(text, "+-")
	if !ok || len(text) > maxDigits || strings.ContainsAny(text, "_eE") || bare == "" || strings.ContainsAny(fraction, "+-") {
		return decimal{n: new(big.Int)}, false
	}
	return decimal{n, len(fraction)}, true
}

// decimalOf reads what is known to be a numeric.
func decimalOf(v Value) decimal {
	if text, ok := v.(string); ok {
		d, _ := parseDecimal(text)
		return d
	}
	return decimal{n: big.NewInt(v.(int64))}
}

func (d decimal) String() string {
	digits := new(big.Int).Abs(d.n).String()
	if d.scale > 0 {
		if len(digits) <= d.scale {
			digits = strings.Repeat("0", d.scale-len(digits)+1) + digits
		}
		digits = digits[:len(digits)-d.scale] + "." + digits[len(digits)-d.scale:]
	}
	if d.n.Sign() < 0 {
		return "-" + digits
	}
	return digits
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// align gives two numbers the same scale.
func align(a, b decimal) (x, y *big.Int, scale int) {
	scale = max(a.scale, b.scale)
	x = new(big.Int).Mul(a.n, power(scale-a.scale))
	y = new(big.Int).Mul(b.n, power(scale-b.scale))
	return x, y, scale
}

func compareDecimals(a, b string) int {
	x, y, _ := align(decimalOf(a), decimalOf(b))
	return x.Cmp(y)
}

// round is rounding to a number of decimal places, halves away from zero.
func (d decimal) round(scale int) decimal {
	if scale >= d.scale {
		return decimal{new(big.Int).Mul(d.n, power(scale-d.scale)), scale}
	}
	return decimal{divideRounding(d.n, power(d.scale-scale)), scale}
}

func divideRounding(n, by *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(n, by, new(big.Int))
	if r.Abs(r).Lsh(r, 1).CmpAbs(by) >= 0 {
		q.Add(q, big.NewInt(int64(n.Sign()*by.Sign())))
	}
	return q
}

// arithmetic does + - * / %; there must be no division by zero.
func (d decimal) arithmetic(op byte, e decimal) decimal {
	x, y, scale := align(d, e)
	switch op {
	case '+':
		return decimal{x.Add(x, y), scale}
	case '-':
		return decimal{x.Sub(x, y), scale}
	case '*':
		return decimal{new(big.Int).Mul(d.n, e.n), d.scale + e.scale}
	case '%':
		return decimal{x.Rem(x, y), scale}
	}
	scale = divisionScale(d, e)
	return decimal{divideRounding(x.Mul(x, power(scale)), y), scale}
}

// divisionScale is select_div_scale of numeric.c: at least 16 significant digits, in groups of four.
func divisionScale(a, b decimal) int {
	weightA, firstA := leading(a)
	weightB, firstB := leading(b)
	weight := weightA - weightB
	if firstA <= firstB {
		weight--
	}
	return min(max(16-weight*4, a.scale, b.scale, 0), maxDigits)
}

// leading is the weight, to the base of 10000, of the first digit to that base, and that digit.
func leading(d decimal) (weight, first int) {
	digits := new(big.Int).Abs(d.n).String()
	if d.n.Sign() == 0 {
		return 0, 0
	}
	exponent := len(digits) - d.scale - 1 // of ten
	weight = exponent / 4
	if exponent < 0 {
		weight = (exponent - 3) / 4
	}
	for i := range exponent - weight*4 + 1 {
		first *= 10
		if i < len(digits) {
			first += int(digits[i] - '0')
		}
	}
	return weight, first
}
