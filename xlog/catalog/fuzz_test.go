// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzNames knows a type for each output function, with the function's OID, and a few more: they refer to one another,
// and lead from each to any, as types in a directory may that somebody has made up.
type fuzzNames struct{ networkOrder bool }

// fuzzTypes are the types that fuzzNames knows.
func fuzzTypes() []uint32 { return slices.Sorted(maps.Keys(formats)) }

func (n fuzzNames) Type(oid uint32) (*Type, error) {
	f := formats[oid]
	if f == nil {
		return nil, nil
	}
	t := &Type{
		TypeInfo: TypeInfo{
			OID: oid, Len: int16(f.size), Align: "csid"[oid%4], Storage: 'x', NetworkOrder: n.networkOrder,
		},
		Name: f.function, Schema: "Odd", Delimiter: ',', OutputFunc: oid, Relation: oid, Element: 43,
	}
	switch f.function {
	case "int2vectorout":
		t.Element = 39
	case "oidvectorout":
		t.Element = 1799
	}
	switch f.size {
	case 0:
		t.Len = -1
	case 2, 4, 8:
		t.Align = " s i   d"[f.size-1]
	}
	if f.function == "nameout" {
		t.Len = 64
	}
	return t, nil
}

// Fields has the type itself among its fields.
func (n fuzzNames) Fields(relation uint32) (fields []TypeInfo, dropped []bool, err error) {
	for _, oid := range []uint32{43, 47, relation, 751, 1700, 25, 3835} {
		if t, _ := n.Type(oid); t != nil {
			fields, dropped = append(fields, t.TypeInfo), append(dropped, oid == 43)
		}
	}
	return fields, dropped, nil
}

func (fuzzNames) EnumLabel(oid uint32) (string, bool, error) { return `a "label"`, oid%2 == 0, nil }
func (fuzzNames) Subtype(oid uint32) (uint32, bool, error)   { return oid, oid != 0, nil }
func (fuzzNames) Internal(uint32) (string, bool, error)      { return "", false, nil }

func (fuzzNames) Object(_, oid uint32) (*Object, error) {
	if oid%3 == 0 {
		return nil, nil
	}
	return &Object{Name: `n"`, Schema: "s", Visible: oid%3 == 1, Args: []uint32{oid, 0, 47}}, nil
}

// FuzzOutput writes values of any bytes: nothing panics, and the text is not longer than allowed.
func FuzzOutput(f *testing.F) {
	types := fuzzTypes()
	require.NotEmpty(f, types)
	for i := range types {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), make([]byte, 4))
		f.Add(uint8(i), make([]byte, 64))
		f.Add(uint8(i)+128, bytes.Repeat([]byte{0x83}, 64))
		f.Add(uint8(i), bytes.Repeat([]byte{0xFF}, 24))
	}
	for _, seed := range fuzzValues {
		f.Add(uint8(slices.Index(types, seed.typ)), seed.raw)
	}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		names := fuzzNames{networkOrder: which >= 128}
		if which &= 127; int(which) >= len(types) {
			return
		}
		const limit = 1 << 16
		out := Output{Names: names, Major: 17, Limit: limit}
		prefix := []byte("before ")
		text, err := out.AppendText(prefix, types[which], raw)
		require.True(t, bytes.HasPrefix(text, prefix))
		if err != nil {
			require.Equal(t, prefix, text)
		}
		require.LessOrEqual(t, len(text), limit+len(prefix))
		require.Less(t, cap(text), 64*limit, "memory for what is not written")
	})
}

// fuzzValues are values with something in them.
var fuzzValues = []struct {
	typ uint32
	raw []byte
}{
	{751, []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x2b\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00" +
		"\x07\x00\x00\x00\x08\x00\x00\x00")},
	{751, []byte("\x06\x00\x00\x00\x00\x00\x00\x00\x2b\x00\x00\x00" + strings.Repeat("\xff\xff\x00\x00", 12))},
	{3804, []byte("\x02\x00\x00\x40\x01\x00\x00\x00\x01\x00\x00\x00ab")},
	{3804, []byte("\x01\x00\x00\x20\x01\x00\x00\x00\x08\x00\x00\x10k\x00\x00\x00\x20\x00\x00\x00\x00\x80\x07\x00")},
	{3835, []byte("\x2b\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00\x02")},
	{4232, []byte("\x2b\x00\x00\x00\x02\x00\x00\x00\x08\x00\x00\x00\x02\x02\x00\x00" +
		strings.Repeat("\x01\x00\x00\x00\x05\x00\x00\x00", 2))},
	{2291, append(make([]byte, 14), 2, 0, 2, 8, 24, 0, 7, 0, 0, 0, 5, 'a')},
	{1702, []byte("\x80\x81\x01\x00\x88\x13")},
	{1702, []byte("\xff\x3f\xff\x7f\x01\x00")},
	{3611, []byte("\x01\x00\x00\x00\x03\x00\x00\x00a\x00\x01\x00\x05\xc0")},
	{3613, []byte("\x01\x00\x00\x00\x01\x0f\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00a\x00")},
}

// TestOutputDeep writes jsonb that is deeper than any server makes it.
func TestOutputDeep(t *testing.T) {
	var raw []byte
	const depth = 2 * maxJSONDepth
	for i := range depth {
		raw = append(raw, 1, 0, 0, 0x40)
		raw = binary.LittleEndian.AppendUint32(raw, uint32(8*(depth-i)-4)|jsonContainer)
	}
	raw = append(raw, 0, 0, 0, 0x40)
	out := Output{Names: fuzzNames{}, Limit: 1 << 20}
	_, err := out.Text(3804, raw)
	require.ErrorIs(t, err, ErrValue)
}

// TestNumericLimit has many short numbers with long texts.
func TestNumericLimit(t *testing.T) {
	number := []byte("\x00\x00\xff\x7f\x01\x00")
	values := make([]Value, 1000)
	for i := range values {
		values[i].Raw = number
	}
	raw, err := encodeArray(&TypeInfo{OID: 1702, Len: -1, Align: 'i'}, []int{len(values)}, []int{1}, values)
	require.NoError(t, err)
	out := Output{Names: fuzzNames{}, Limit: 1 << 20}
	text, err := out.AppendText(nil, 751, raw)
	require.ErrorIs(t, err, ErrValue)
	require.Less(t, cap(text), 4<<20)
}

// FuzzParse reads any text: what is a value has a text that means the same value.
func FuzzParse(f *testing.F) {
	types := slices.Sorted(maps.Keys(parsers))
	for _, text := range []string{
		"", "1", "-1", "{1,2,NULL}", `{"a \"b",c}`, "{", "{}", `{"`, "1 2 3", "infinity", "NaN", "1e-5", "(1,2)", `\x00ff`,
		"t", "-", "0/1", "2000-01-01 00:00:00+00", "0044-03-15 12:00:00.5+01:30 BC", "24:00", "2024-02-30",
		"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
	} {
		for i := range types {
			f.Add(uint8(i), text)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		if int(which) >= len(types) {
			return
		}
		typ := types[which]
		in, out := Input{Names: fuzzNames{}}, Output{Names: fuzzNames{}, Major: 17}
		raw, err := in.Parse(typ, text)
		if err != nil {
			return
		}
		printed, err := out.Text(typ, raw)
		require.NoError(t, err)
		if strings.HasPrefix(formats[typ].function, "reg") {
			return // written as names
		}
		again, err := in.Parse(typ, printed)
		require.NoError(t, err, "%q", printed)
		require.Equal(t, raw, again, "%q", printed)
	})
}

// FuzzDeform takes tuples of any bytes apart, and makes what was found again.
func FuzzDeform(f *testing.F) {
	columns := []Column{
		{Name: "a", Type: TypeInfo{Len: 4, Align: 'i'}}, {Name: "b", Type: TypeInfo{Len: -1, Align: 'i', Storage: 'x'}},
		{Name: "c", Type: TypeInfo{Len: -2, Align: 'c'}}, {Name: "d", Type: TypeInfo{Len: -1, Align: 'd', Storage: 'p'}},
		{Name: "e", Type: TypeInfo{Len: -1, Align: 'i', Storage: 'm', NetworkOrder: true}},
		{Name: "f", Type: TypeInfo{Len: 8, Align: 'd'}}, {Name: "g", Type: TypeInfo{Len: -3, Align: '?'}},
	}
	for n := range columns {
		values := make([]Value, n)
		for i := range values {
			values[i] = Value{Raw: []byte("12345678")[:max(0, min(8, columns[i].Type.Len+4))], Null: i == 2}
			if columns[i].Type.Len > 0 {
				values[i].Raw = make([]byte, columns[i].Type.Len)
			}
		}
		tuple, err := Form(columns[:n], values)
		require.NoError(f, err)
		f.Add([]byte(tuple))
	}
	f.Fuzz(func(t *testing.T, tuple []byte) {
		r := &Relation{columns: columns}
		row, err := r.Deform(tuple)
		if err != nil {
			return
		}
		values, good := make([]Value, len(columns)), true
		for i := range columns {
			raw, err := row.Value(i)
			good = good && err == nil
			values[i] = Value{Raw: raw, Null: raw == nil}
		}
		if !good {
			return
		}
		again, err := Form(columns, values)
		require.NoError(t, err)
		row, err = r.Deform(again)
		require.NoError(t, err)
		for i := range values {
			raw, err := row.Value(i)
			require.NoError(t, err)
			require.True(t, bytes.Equal(values[i].Raw, raw))
			require.Equal(t, values[i].Null, raw == nil)
		}
	})
}
