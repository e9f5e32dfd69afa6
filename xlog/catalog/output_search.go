// SPDX-License-Identifier: Apache-2.0

package catalog

// outTSVector writes tsvector (tsvectorout in src/backend/utils/adt/tsvector.c). Payload:
//
//	count    u32
//	words    u32[]   bit 0: it has positions; 11 bits length; 20 bits where it begins in data
//	data             words, each with its positions behind it: aligned to two bytes, count u16, positions u16[]
func outTSVector(p *printer, t *Type, raw []byte) error {
	if len(raw) < 4 || int64(len(raw)-4) < 4*int64(u32(raw)) {
		return malformed(t, "more words than bytes")
	}
	count := int(u32(raw))
	data := raw[4+4*count:]
	for i := range count {
		entry := u32(raw[4+4*i:])
		length, at := int(entry>>1&0x7FF), int(entry>>12)
		if at+length > len(data) {
			return malformed(t, "word outside")
		}
		if i > 0 {
			p.char(' ')
		}
		p.lexeme(data[at : at+length])
		if err := p.room(0); err != nil {
			return err
		}
		if entry&1 == 0 {
			continue
		}
		if err := p.positions(t, data[min(align(at+length, 2), len(data)):]); err != nil {
			return err
		}
	}
	return nil
}

// positions writes where a word stands: 14 bits of a u16, the upper two its weight.
func (p *printer) positions(t *Type, raw []byte) error {
	if len(raw) < 2 || len(raw)-2 < 2*int(u16(raw)) {
		return malformed(t, "more positions than bytes")
	}
	for i := range int(u16(raw)) {
		p.char(":,"[min(i, 1)])
		position := u16(raw[2+2*i:])
		p.uint(uint64(position & 0x3FFF))
		if weight := position >> 14; weight > 0 {
			p.char(" CBA"[weight])
		}
	}
	return nil
}

func (p *printer) lexeme(text []byte) {
	p.char('\'')
	for _, c := range text {
		if c == '\'' || c == '\\' {
			p.char(c)
		}
		p.char(c)
	}
	p.char('\'')
}

// Items of a tsquery (src/include/tsearch/ts_type.h), 12 bytes each, operators before their operands, the right one
// first:
//
//	operand   type u8 = 1, weights u8, prefix u8, pad; crc u32; 12 bits length, 20 bits where it begins in data
//	operator  type u8 = 2, operator u8, distance u16, where the left operand is, counted from here, u32
const (
	queryItem     = 12
	queryOperand  = 1
	queryOperator = 2

	queryNot    = 1
	queryAnd    = 2
	queryOr     = 3
	queryPhrase = 4
)

// queryPriority is how strongly each operator binds (tsearch_op_priority).
var queryPriority = [...]int{queryNot: 4, queryAnd: 2, queryOr: 1, queryPhrase: 3}

type queryWriter struct {
	*printer
	t     *Type
	items []byte
	data  []byte
}

// outTSQuery writes tsquery (tsqueryout in src/backend/utils/adt/tsquery.c). Payload: count u32, items, words.
func outTSQuery(p *printer, t *Type, raw []byte) error {
	if len(raw) < 4 || int64(len(raw)-4) < queryItem*int64(u32(raw)) {
		return malformed(t, "more items than bytes")
	}
	count := int(u32(raw))
	if count == 0 {
		return nil
	}
	end := 4 + queryItem*count
	w := queryWriter{printer: p, t: t, items: raw[4:end], data: raw[end:]}
	return w.write(0, count, -1, false)
}

// write writes item i and those below it, which all stand before end.
func (w *queryWriter) write(i, end, above int, rightOfPhrase bool) error {
	if w.depth++; i >= end || w.depth > maxJSONDepth {
		return malformed(w.t, "operator without operands")
	}
	defer func() { w.depth-- }()
	item := w.items[queryItem*i:]
	if item[0] == queryOperand {
		return w.operand(item)
	}
	operator := item[1]
	if item[0] != queryOperator || operator == 0 || int(operator) >= len(queryPriority) {
		return malformed(w.t, "unknown item")
	}
	priority := queryPriority[operator]
	parentheses := priority < above || operator == queryPhrase && rightOfPhrase
	if parentheses {
		w.str("( ")
	}
	if err := w.operands(i, end, priority); err != nil {
		return err
	}
	if parentheses {
		w.str(" )")
	}
	return w.room(0)
}

func (w *queryWriter) operands(i, end, priority int) error {
	item := w.items[queryItem*i:]
	operator := item[1]
	if operator == queryNot {
		w.char('!')
		return w.write(i+1, end, priority, false)
	}
	left := i + int(u32(item[4:]))
	if left > end {
		return malformed(w.t, "operand outside")
	}
	if err := w.write(left, end, priority, false); err != nil {
		return err
	}
	switch operator {
	case queryOr:
		w.str(" | ")
	case queryAnd:
		w.str(" & ")
	default:
		w.distance(u16(item[2:]))
	}
	return w.write(i+1, left, priority, operator == queryPhrase)
}

func (w *queryWriter) distance(n uint16) {
	if n == 1 {
		w.str(" <-> ")
		return
	}
	w.str(" <")
	w.int(int64(int16(n)))
	w.str("> ")
}

func (w *queryWriter) operand(item []byte) error {
	place := u32(item[8:])
	begin, length := int(place>>12), int(place&0xFFF)
	if begin+length > len(w.data) {
		return malformed(w.t, "word outside")
	}
	w.lexeme(w.data[begin : begin+length])
	weights, prefix := item[1], item[2] != 0
	if weights == 0 && !prefix {
		return nil
	}
	w.char(':')
	if prefix {
		w.char('*')
	}
	for bit, letter := range []byte("ABCD") {
		if weights>>(3-bit)&1 != 0 {
			w.char(letter)
		}
	}
	return nil
}
