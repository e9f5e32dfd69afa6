// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// maxColumnsOfTuple is MaxTupleAttributeNumber.
const maxColumnsOfTuple = 1664

// Form makes a tuple of values, one for each column (heap_form_tuple in src/backend/access/common/heaptuple.c). Nothing
// is compressed or stored elsewhere: a tuple that does not fit a page, or should not, is the caller's trouble. The head
// has no transactions and no place yet: t_xmin, t_xmax and t_cid are zero, t_ctid is no tuple's.
func Form(columns []Column, values []Value) (bufpage.HeapTuple, error) {
	if len(values) != len(columns) || len(columns) > maxColumnsOfTuple {
		return nil, fmt.Errorf("%w: %d values for %d columns", ErrForm, len(values), len(columns))
	}
	f := former{hoff: bufpage.HeapHeaderSize}
	for i := range values {
		if values[i].Null {
			f.infomask |= bufpage.HasNull
		}
	}
	if f.infomask != 0 {
		f.hoff += (len(columns) + 7) / 8
	}
	f.hoff = align(f.hoff, 8)
	f.tuple = make(bufpage.HeapTuple, f.hoff, f.hoff+64)
	for i := range values {
		if err := f.add(i, &columns[i].Type, &values[i]); err != nil {
			return nil, fmt.Errorf("column %s: %w", columns[i].Name, err)
		}
	}
	f.tuple.SetCTID(bufpage.TID{Block: 0xFFFFFFFF})
	f.tuple.SetInfomask2(uint16(len(columns)))
	f.tuple.SetInfomask(f.infomask)
	f.tuple[22] = byte(f.hoff)
	return f.tuple, nil
}

// former is a tuple in the making.
type former struct {
	tuple    bufpage.HeapTuple
	hoff     int
	infomask uint16
}

// add appends a value (fill_val).
func (f *former) add(i int, t *TypeInfo, v *Value) error {
	if v.Null {
		return nil
	}
	if f.infomask&bufpage.HasNull != 0 {
		f.tuple[bufpage.HeapHeaderSize+i/8] |= 1 << (i % 8)
	}
	switch {
	case t.Len == -1:
		f.infomask |= bufpage.HasVarWidth
		return f.varlena(t, v.Raw)
	case t.Len == -2 && bytes.IndexByte(v.Raw, 0) >= 0:
		return fmt.Errorf("%w: a string with a zero byte", ErrForm)
	case t.Len == -2:
		f.infomask |= bufpage.HasVarWidth
		f.tuple = append(append(f.tuple, v.Raw...), 0)
	case len(v.Raw) != int(t.Len):
		return fmt.Errorf("%w: %d bytes for a type of %d", ErrForm, len(v.Raw), t.Len)
	default:
		f.pad(t.Alignment())
		f.tuple = append(f.tuple, v.Raw...)
	}
	return nil
}

// varlena appends a value with a header, of one byte if its type may have that and it is short enough.
func (f *former) varlena(t *TypeInfo, raw []byte) error {
	const short = 0x7F // VARATT_SHORT_MAX
	switch {
	case len(raw) > maxValue-varlenaHeader:
		return fmt.Errorf("%w: of %d bytes", ErrForm, len(raw))
	case t.Storage != 'p' && 1+len(raw) <= short:
		f.tuple = appendHeader(f.tuple, t, len(raw), true)
	default:
		f.pad(t.Alignment())
		f.tuple = appendHeader(f.tuple, t, len(raw), false)
	}
	f.tuple = append(f.tuple, raw...)
	return nil
}

// pad appends zeros up to where a value may begin; the columns begin aligned themselves.
func (f *former) pad(n int) {
	for len(f.tuple)%n != 0 {
		f.tuple = append(f.tuple, 0)
	}
}
