// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/pgtext"
)

// Bits of a numeric's header (src/backend/utils/adt/numeric.c).
const (
	numericKind         = 0xC000
	numericNegative     = 0x4000
	numericShort        = 0x8000
	numericSpecial      = 0xC000
	numericSpecialKind  = 0xF000
	numericNaN          = 0xC000
	numericInfinity     = 0xD000
	numericMinusInf     = 0xF000
	numericLongScale    = 0x3FFF
	numericShortSign    = 0x2000
	numericShortScale   = 0x1F80
	numericShortShift   = 7
	numericShortWeight  = 0x003F
	numericShortWeight7 = 0x0040 // sign of the weight
)

// numeric is a number, digits[0] * 10000^weight + digits[1] * 10000^(weight-1) ..., written with scale digits behind
// the point. Payload:
//
//	header u16 in the short form, else header u16, weight i16
//	digits u16 each
type numeric struct {
	special  string // what it is when it is no number
	negative bool
	weight   int
	scale    int
	digits   []byte // two bytes each
}

func decodeNumeric(raw []byte) (n numeric, err error) {
	if len(raw) < 2 {
		return n, fmt.Errorf("%w: numeric of %d bytes", ErrValue, len(raw))
	}
	header := u16(raw)
	switch header & numericKind {
	case numericSpecial:
		n.special = numericSpecials[header&numericSpecialKind]
		if n.special == "" {
			n.special = "NaN"
		}
		return n, nil
	case numericShort:
		n.negative = header&numericShortSign != 0
		n.scale = int(header & numericShortScale >> numericShortShift)
		n.weight = int(header & numericShortWeight)
		if header&numericShortWeight7 != 0 {
			n.weight -= numericShortWeight + 1
		}
		n.digits = raw[2:]
	default:
		if len(raw) < 4 {
			return n, fmt.Errorf("%w: numeric of %d bytes", ErrValue, len(raw))
		}
		n.negative = header&numericKind == numericNegative
		n.scale = int(header & numericLongScale)
		n.weight = int(int16(u16(raw[2:])))
		n.digits = raw[4:]
	}
	return n, nil
}

var numericSpecials = map[uint16]string{
	numericNaN: "NaN", numericInfinity: "Infinity", numericMinusInf: "-Infinity",
}

// digit is the i-th digit to the base of 10000.
func (n *numeric) digit(i int) uint16 {
	if i < 0 || i >= len(n.digits)/2 {
		return 0
	}
	return u16(n.digits[2*i:]) % 10000
}

func outNumeric(p *printer, _ *Type, raw []byte) error {
	n, err := decodeNumeric(raw)
	if err == nil {
		p.numeric(&n)
	}
	return err
}

func (p *printer) numeric(n *numeric) {
	if n.special != "" {
		p.str(n.special)
		return
	}
	if n.negative {
		p.char('-')
	}
	p.int(int64(n.digit(min(0, n.weight)))) // the first one, or 0 when it stands behind the point
	for i := 1; i <= n.weight; i++ {
		p.buf = pgtext.AppendZeroPad(p.buf, uint64(n.digit(i)), 4)
	}
	if n.scale == 0 {
		return
	}
	p.char('.')
	end := len(p.buf) + n.scale
	for i := n.weight + 1; len(p.buf) < end; i++ {
		p.buf = pgtext.AppendZeroPad(p.buf, uint64(n.digit(i)), 4)
	}
	p.buf = p.buf[:end]
}
