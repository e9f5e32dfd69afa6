// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Form makes a tuple of a struct; see Struct for its fields, and the function Form for the tuple. A nil pointer or slice
// is a null, and so is a column without a field. A string is the text of any type that Input knows.
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
			return nil, fmt.Errorf("%w: %s.%s must not be null", ErrValue, r.Name, r.columns[i].Name)
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
		return Value{Raw: binary.LittleEndian.AppendUint64(nil, uint64(toMicros(v.Interface().(time.Time))))}, nil
	}
	n, ok := bitsOf(v)
	if !ok || t.Len < 1 || t.Len > 8 || !fits(v, int(t.Len)) {
		return Value{}, fmt.Errorf("%w: a %s for type %d of %d bytes", ErrValue, v.Type(), t.OID, t.Len)
	}
	return Value{Raw: binary.LittleEndian.AppendUint64(nil, n)[:t.Len]}, nil
}

// bitsOf is a number as its bits, with the sign of an integer in all upper ones.
func bitsOf(v reflect.Value) (uint64, bool) {
	switch {
	case v.CanInt():
		return uint64(v.Int()), true
	case v.CanUint():
		return v.Uint(), true
	case v.Kind() == reflect.Bool && v.Bool():
		return 1, true
	case v.Kind() == reflect.Bool:
		return 0, true
	case v.Kind() == reflect.Float32:
		return uint64(math.Float32bits(float32(v.Float()))), true
	case v.Kind() == reflect.Float64:
		return math.Float64bits(v.Float()), true
	}
	return 0, false
}

// fits tells whether a number can be stored in so many bytes: an integer when its value can, others of their own size.
func fits(v reflect.Value, size int) bool {
	if !v.CanInt() {
		return int(v.Type().Size()) == size
	}
	shift := 64 - 8*size
	return v.Int()<<shift>>shift == v.Int()
}

// toMicros is a timestamp's number.
func toMicros(t time.Time) int64 {
	return (t.Unix()-postgresEpoch)*microsPerSecond + int64(t.Nanosecond()/1000)
}
