// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgtext"
)

// outRecord writes a row of a composite type (record_out in src/backend/utils/adt/rowtypes.c). It is a tuple whose head
// says other things, and whose first four bytes are the varlena's header:
//
//	0  datum_typmod  i32
//	4  datum_typeid  u32
//	8  and so on as in bufpage.HeapTuple, from t_ctid on at 12
func outRecord(p *printer, t *Type, raw []byte) error {
	if len(raw) < bufpage.HeapHeaderSize-varlenaHeader {
		return malformed(t, "too short")
	}
	tuple := make(bufpage.HeapTuple, varlenaHeader+len(raw))
	copy(tuple[varlenaHeader:], raw)
	row, err := p.Names.Type(u32(raw[4:]))
	if err != nil {
		return err
	}
	if row == nil || row.Relation == 0 {
		return malformed(t, "not of a composite type")
	}
	fields, dropped, err := p.Names.Fields(row.Relation)
	if err != nil {
		return err
	}
	p.char('(')
	if err := p.fields(tuple, fields, dropped); err != nil {
		return err
	}
	p.char(')')
	return nil
}

func (p *printer) fields(tuple bufpage.HeapTuple, fields []TypeInfo, dropped []bool) error {
	data, at, first := tuple.Data(), 0, true
	for i := range fields {
		null := tuple.IsNull(i)
		var begin int
		if !null {
			var err error
			if begin, at, err = cutColumn(data, at, &fields[i]); err != nil {
				return err
			}
		}
		if dropped[i] {
			continue
		}
		if !first {
			p.char(',')
		}
		first = false
		if null {
			continue
		}
		if err := p.field(&fields[i], data[begin:at]); err != nil {
			return err
		}
	}
	return nil
}

func (p *printer) field(t *TypeInfo, stored []byte) error {
	raw, _, err := cutValue(t, stored, p.plain)
	if err != nil {
		return err
	}
	start := len(p.buf)
	if err := p.value(t.OID, raw); err != nil {
		return err
	}
	p.buf = pgtext.QuoteField(p.buf, start)
	return nil
}

// outEnum writes the label of an enumeration's value.
func outEnum(p *printer, t *Type, raw []byte) error {
	label, ok, err := p.Names.EnumLabel(u32(raw))
	if err == nil && !ok {
		err = malformed(t, "no such label")
	}
	p.str(label)
	return err
}
