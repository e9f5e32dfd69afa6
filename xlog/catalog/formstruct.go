// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Form makes a tuple of a struct; see Struct for its fields, and the function Form for the tuple. A nil pointer or
// slice is a null, and so is a column without a field. A string is the text of any type that Input knows. The zero Time,
// which stands for infinity in a struct that was read, is refused.
func (r *Relation) Form(src any) (bufpage.HeapTuple, error) {
	v := reflect.Indirect(reflect.ValueOf(src))
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a tuple is made of a struct, not of %T", src)
	}
	values := make([]Value, len(r.columns))
	for i := range values {
		values[i].Null = true
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		column := -1
		if field.IsExported() {
			column = r.Column(columnName(field))
		}
		if column < 0 {
			continue
		}
		var err error
		if values[column], err = r.value(column, v.Field(i)); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", r.Name, r.columns[column].Name, err)
		}
	}
	for i := range values {
		if values[i].Null && r.columns[i].NotNull && !r.columns[i].Dropped {
			return nil, fmt.Errorf("%w: %s.%s must not be null", ErrForm, r.Name, r.columns[i].Name)
		}
	}
	return Form(r.columns, values)
}

// columnName is the column that a field is for.
func columnName(field reflect.StructField) string {
	if name := field.Tag.Get("catalog"); name != "" {
		return name
	}
	return strings.ToLower(field.Name)
}

// value is what a column gets of a field.
func (r *Relation) value(column int, v reflect.Value) (Value, error) {
	t := &r.columns[column].Type
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
		if v.IsNil() {
			return Value{Null: true}, nil
		}
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.String:
		raw, err := r.db.Parse(t.OID, v.String())
		return Value{Raw: raw}, err
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return Value{Raw: v.Bytes()}, nil
	case v.Type() == timeType && t.OID == typeTimestampTZ:
		return timestampValue(v.Interface().(time.Time))
	}
	n, ok := bitsOf(t, v)
	if !ok {
		return Value{}, fmt.Errorf("%w: a %s, %v, for type %d of %d bytes", ErrForm, v.Type(), v, t.OID, t.Len)
	}
	return Value{Raw: little(n, t.Len)}, nil
}

// bitsOf is a number as a type has it; false when its kind or its value does not suit the type.
func bitsOf(t *TypeInfo, v reflect.Value) (n uint64, ok bool) {
	switch {
	case t.OID == typeBool:
		if v.Kind() == reflect.Bool && v.Bool() {
			n = 1
		}
		return n, v.Kind() == reflect.Bool
	case t.OID == typeFloat4 && v.Kind() == reflect.Float32:
		return uint64(math.Float32bits(float32(v.Float()))), true
	case t.OID == typeFloat8 && v.Kind() == reflect.Float64:
		return math.Float64bits(v.Float()), true
	case t.OID == typeFloat4 || t.OID == typeFloat8 || t.Len < 1 || t.Len > 8:
		return 0, false
	}
	unused := 64 - 8*int(t.Len)
	signed := t.OID == typeInt2 || t.OID == typeInt4 || t.OID == typeInt8
	switch {
	case v.CanInt():
		return uint64(v.Int()), v.Int()<<unused>>unused == v.Int() && (signed || v.Int() >= 0)
	case v.CanUint() && signed && t.OID != typeInt8:
		return v.Uint(), int64(v.Uint())<<unused>>unused == int64(v.Uint())
	case v.CanUint():
		return v.Uint(), v.Uint()<<unused>>unused == v.Uint()
	}
	return 0, false
}

func timestampValue(t time.Time) (Value, error) {
	if t.IsZero() || t.Year() < -4712 || t.Year() > 294276 {
		return Value{}, fmt.Errorf("%w: no timestamp for %s", ErrForm, t)
	}
	return Value{Raw: little(uint64(xlog.Micros(t)), 8)}, nil
}
