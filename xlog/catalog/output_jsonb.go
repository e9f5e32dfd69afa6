// SPDX-License-Identifier: Apache-2.0

package catalog

// Bits of the head of a container and of an entry (src/include/utils/jsonb.h).
const (
	jsonCountMask  = 0x0FFFFFFF
	jsonScalar     = 0x10000000
	jsonObject     = 0x20000000
	jsonArray      = 0x40000000
	jsonLengthMask = 0x0FFFFFFF
	jsonHasOffset  = 0x80000000
	jsonKindMask   = 0x70000000

	jsonString    = 0x00000000
	jsonNumeric   = 0x10000000
	jsonFalse     = 0x20000000
	jsonTrue      = 0x30000000
	jsonNull      = 0x40000000
	jsonContainer = 0x50000000
)

// outJSONB writes jsonb (jsonb_out in src/backend/utils/adt/jsonb.c), which is a container:
//
//	head     u32             count in the lower bits; of an object there are twice as many entries
//	entries  u32[]           of an object all keys, then all values: kind; length, or, of some, where it ends in data
//	data                     numbers and containers aligned to four bytes, and the padding is part of their length
func outJSONB(p *printer, t *Type, raw []byte) error { return p.json(t, raw, 0) }

// jsonReader goes through the entries of a container.
type jsonReader struct {
	entries []byte
	data    []byte
	at      int // where the data of the next entry begins
}

// next takes the next entry and its bytes, padding and all. What follows begins behind them, so that no byte is read
// twice however the entries lie.
func (r *jsonReader) next(t *Type) (entry uint32, begin, end int, err error) {
	entry = u32(r.entries)
	r.entries = r.entries[4:]
	begin, end = r.at, int(entry&jsonLengthMask)
	if entry&jsonHasOffset == 0 {
		end += begin
	}
	if end < begin || end > len(r.data) {
		return 0, 0, 0, malformed(t, "entry outside of its container")
	}
	r.at = end
	return entry, begin, end, nil
}

func (p *printer) json(t *Type, raw []byte, depth int) error {
	if len(raw) < 4 || depth > maxJSONDepth {
		return malformed(t, "no container, or too many in one another")
	}
	head := u32(raw)
	count := int(head & jsonCountMask)
	entries := count
	if head&jsonObject != 0 {
		entries = 2 * count
	}
	if entries > (len(raw)-4)/4 {
		return malformed(t, "more entries than bytes")
	}
	r := jsonReader{entries: raw[4 : 4+4*entries], data: raw[4+4*entries:]}
	switch {
	case head&jsonScalar != 0:
		if count != 1 {
			return malformed(t, "not one scalar")
		}
		return p.jsonValue(t, &r, depth)
	case head&jsonObject != 0:
		return p.jsonObject(t, &r, count, depth)
	case head&jsonArray == 0:
		return malformed(t, "neither array nor object")
	}
	p.char('[')
	for i := range count {
		if i > 0 {
			p.str(", ")
		}
		if err := p.jsonValue(t, &r, depth); err != nil {
			return err
		}
	}
	p.char(']')
	return nil
}

func (p *printer) jsonObject(t *Type, keys *jsonReader, count, depth int) error {
	values := *keys
	for range count {
		if _, _, _, err := values.next(t); err != nil {
			return err
		}
	}
	p.char('{')
	for i := range count {
		if i > 0 {
			p.str(", ")
		}
		_, begin, end, err := keys.next(t)
		if err != nil {
			return err
		}
		p.jsonString(keys.data[begin:end])
		p.str(": ")
		if err := p.jsonValue(t, &values, depth); err != nil {
			return err
		}
	}
	p.char('}')
	return nil
}

func (p *printer) jsonValue(t *Type, r *jsonReader, depth int) error {
	entry, begin, end, err := r.next(t)
	if err != nil {
		return err
	}
	switch entry & jsonKindMask {
	case jsonString:
		p.jsonString(r.data[begin:end])
		return p.room(0)
	case jsonNumeric:
		return p.jsonNumeric(t, r.data[min(align(begin, 4), end):end])
	case jsonFalse:
		p.str("false")
	case jsonTrue:
		p.str("true")
	case jsonNull:
		p.str("null")
	case jsonContainer:
		return p.json(t, r.data[min(align(begin, 4), end):end], depth+1)
	default:
		return malformed(t, "unknown kind of entry")
	}
	return nil
}

func (p *printer) jsonNumeric(t *Type, stored []byte) error {
	v, _, err := cutVarlena(&t.TypeInfo, stored)
	if err != nil {
		return err
	}
	if v.kind != plainVarlena {
		return malformed(t, "number not in place")
	}
	n, err := decodeNumeric(v.body)
	if err != nil {
		return err
	}
	p.numeric(&n)
	return p.room(0)
}

// jsonString writes a string in quotes (escape_json in src/backend/utils/adt/json.c).
func (p *printer) jsonString(text []byte) {
	const hexDigits = "0123456789abcdef"
	p.char('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			p.buf = append(p.buf, '\\', c)
		case c >= ' ':
			p.char(c)
		case c >= '\b' && c <= '\r' && c != '\v':
			p.buf = append(p.buf, '\\', "btn?fr"[c-'\b'])
		default:
			p.buf = append(p.buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	p.char('"')
}
