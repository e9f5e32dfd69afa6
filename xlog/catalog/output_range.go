// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/pgtext"
)

// Flags of a range (src/include/utils/rangetypes.h).
const (
	rangeEmpty        = 0x01
	rangeLowerIn      = 0x02
	rangeUpperIn      = 0x04
	rangeLowerInf     = 0x08
	rangeUpperInf     = 0x10
	rangeLowerNull    = 0x20 // never set
	rangeUpperNull    = 0x40 // never set
	rangeNoLower      = rangeEmpty | rangeLowerNull | rangeLowerInf
	rangeNoUpper      = rangeEmpty | rangeUpperNull | rangeUpperInf
	multirangeOffset  = 1 << 31 // of an item: it is an offset, not a length
	multirangeLengths = multirangeOffset - 1
)

// outRange writes a range (range_out in src/backend/utils/adt/rangetypes.c). Payload: type of the range u32, lower
// bound, upper bound, flags u8.
func outRange(p *printer, t *Type, raw []byte) error {
	if len(raw) < 5 {
		return malformed(t, "too short")
	}
	bound, f, err := p.boundType(t, u32(raw))
	if err != nil {
		return err
	}
	end := len(raw) - 1
	_, err = p.bothBounds(bound, f, raw[:end], 4, raw[end])
	return err
}

func (p *printer) boundType(t *Type, rangeType uint32) (*Type, *format, error) {
	subtype, ok, err := p.Names.Subtype(rangeType)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, malformed(t, fmt.Sprintf("type %d is no range", rangeType))
	}
	return p.typeFormat(subtype)
}

// bothBounds writes a range whose bounds begin at an offset in a payload, and tells where they end.
func (p *printer) bothBounds(t *Type, f *format, payload []byte, at int, flags byte) (end int, err error) {
	if flags&rangeEmpty != 0 {
		p.str("empty")
		return at, nil
	}
	p.char("(["[flags&rangeLowerIn/rangeLowerIn])
	if flags&rangeNoLower == 0 {
		if at, err = p.bound(t, f, payload, at); err != nil {
			return at, err
		}
	}
	p.char(',')
	if flags&rangeNoUpper == 0 {
		if at, err = p.bound(t, f, payload, at); err != nil {
			return at, err
		}
	}
	p.char(")]"[flags&rangeUpperIn/rangeUpperIn])
	return at, nil
}

func (p *printer) bound(t *Type, f *format, payload []byte, at int) (end int, err error) {
	at = alignValue(&t.TypeInfo, payload, at)
	if at > len(payload) {
		return at, fmt.Errorf("%w: range ends before its bound", ErrValue)
	}
	raw, size, err := cutValue(&t.TypeInfo, payload[at:], p.plain)
	if err != nil {
		return at, err
	}
	start := len(p.buf)
	if err := p.write(t, f, raw); err != nil {
		return at, err
	}
	p.buf = pgtext.QuoteBound(p.buf, start)
	return at + size, nil
}

// alignValue is where in a payload the next value begins (att_align_pointer): that of a varlena with a short header is
// not aligned, and its first byte is not zero, as padding is.
func alignValue(t *TypeInfo, payload []byte, at int) int {
	if t.Len == -1 && at < len(payload) && payload[at] != 0 {
		return at
	}
	return alignPayload(at, t.Alignment())
}

// outMultirange writes a multirange (multirange_out in src/backend/utils/adt/multirangetypes.c). Payload:
//
//	0  type of the multirange u32
//	4  count u32
//	8  items u32[count-1]   length of the bounds of a range, or, every fourth, where those of the next one begin
//	   flags u8[count]
//	   bounds, aligned
func outMultirange(p *printer, t *Type, raw []byte) error {
	if len(raw) < 8 {
		return malformed(t, "too short")
	}
	bound, f, err := p.boundType(t, u32(raw))
	if err != nil {
		return err
	}
	count := int(u32(raw[4:]))
	flags := 8 + 4*max(0, count-1)
	if flags+count > len(raw) {
		return malformed(t, "more ranges than bytes")
	}
	begin := alignPayload(flags+count, bound.Alignment())
	start, end := begin, begin
	p.char('{')
	for i := range count {
		if i > 0 {
			p.char(',')
			if start = nextRange(u32(raw[8+4*(i-1):]), begin, start); start < end {
				return malformed(t, "ranges in one another")
			}
		}
		if end, err = p.bothBounds(bound, f, raw, start, raw[flags+i]); err != nil {
			return err
		}
	}
	p.char('}')
	return nil
}

// nextRange is where the bounds of a range begin, by its item and where those of the range before it begin.
func nextRange(item uint32, begin, before int) int {
	if item&multirangeOffset != 0 {
		return begin + int(item&multirangeLengths)
	}
	return before + int(item)
}
