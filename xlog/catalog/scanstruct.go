// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Struct is a row of a catalog as a Go struct. A field has the value of the column of its name in lower case, or of the
// name in its tag: `catalog:"relname"`. A column that a version does not have leaves the field zero, and so does a null,
// which a field of a pointer's type tells apart from a value. What a field's type has to be:
//
//	bool                            bool
//	byte                            "char"
//	int16, int32, int64             int2, int4, int8, also a narrower one
//	uint32                          oid, xid, cid, regproc and its like
//	uint64                          int8, xid8, pg_lsn
//	xlog.LSN                        pg_lsn
//	float32, float64                float4, float8
//	time.Time                       timestamptz; infinity is the zero Time
//	string                          any type, as its text
//	[]byte                          any type, its bytes as Row.Value has them
type Struct interface {
	// Catalog is the relation's name.
	Catalog() string
}

// Rows reads a whole relation.
func Rows[T Struct](db *DB) ([]T, error) {
	var list []T
	var zero T
	r, err := db.Relation(zero.Catalog())
	if err != nil {
		return nil, err
	}
	err = r.Scan(func(row *Row) error {
		var v T
		if err := row.ScanStruct(&v); err != nil {
			return err
		}
		list = append(list, v)
		return nil
	})
	return list, err
}

// ScanStruct fills the struct that dest points to. See Struct for its fields.
func (row *Row) ScanStruct(dest any) error {
	v := reflect.ValueOf(dest)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("a row is scanned into a pointer to a struct, not into %T", dest)
	}
	v = v.Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name := field.Tag.Get("catalog")
		if name == "" {
			name = strings.ToLower(field.Name)
		}
		column := row.rel.Column(name)
		if column < 0 {
			continue
		}
		if err := row.set(v.Field(i), column); err != nil {
			return err
		}
	}
	return nil
}

// Scan copies the first columns to what dest points to, nil for one to leave out. See Struct for the types.
func (row *Row) Scan(dest ...any) error {
	for i, d := range dest {
		if d == nil {
			continue
		}
		v := reflect.ValueOf(d)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("a column is scanned into a pointer, not into %T", d)
		}
		if err := row.set(v.Elem(), i); err != nil {
			return err
		}
	}
	return nil
}

// set gives a Go value column i.
func (row *Row) set(v reflect.Value, i int) error {
	raw, err := row.Value(i)
	if err != nil {
		return err
	}
	if raw == nil {
		v.SetZero()
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		text, err := row.text(i, raw)
		v.SetString(text)
		return err
	}
	if !assign(v, raw, row.rel.columns[i].Type.OID) {
		return fmt.Errorf("%s.%s, of type %d and %d bytes, does not fit a %s", row.rel.Name, row.rel.columns[i].Name,
			row.rel.columns[i].Type.OID, len(raw), v.Type())
	}
	return nil
}

// text is column i as text, of which raw is the value.
func (row *Row) text(i int, raw []byte) (string, error) {
	switch row.rel.columns[i].Type.OID {
	case typeName:
		raw, _, _ = bytes.Cut(raw, []byte{0})
		return string(raw), nil
	case typeText:
		return string(raw), nil
	}
	text, _, err := row.Text(i)
	return text, err
}

var (
	timeType = reflect.TypeFor[time.Time]()
	lsnType  = reflect.TypeFor[xlog.LSN]()
)

// OIDs of types (src/include/catalog/pg_type.dat).
const (
	typeName        = 19
	typeText        = 25
	typeTimestampTZ = 1184
	typeLSN         = 3220
)

// assign gives v the value of the bytes; false when they are of another length or kind.
func assign(v reflect.Value, raw []byte, typ uint32) bool {
	switch {
	case v.Type() == timeType:
		return typ == typeTimestampTZ && len(raw) == 8 && setTime(v, int64(binary.LittleEndian.Uint64(raw)))
	case v.Type() == lsnType && typ != typeLSN:
		return false
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes(append([]byte{}, raw...))
		return true
	case v.CanInt() && (len(raw) == 1 || len(raw) == 2 || len(raw) == 4 || len(raw) == 8):
		shift := 64 - 8*len(raw)
		n := int64(number(raw)<<shift) >> shift
		v.SetInt(n)
		return v.Int() == n
	case int(v.Type().Size()) != len(raw):
		return false
	}
	return setNumber(v, number(raw))
}

// number is an integer of 1, 2, 4 or 8 bytes.
func number(raw []byte) uint64 {
	var wide [8]byte
	copy(wide[:], raw)
	return binary.LittleEndian.Uint64(wide[:])
}

func setNumber(v reflect.Value, n uint64) bool {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(n != 0)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(n)
	case reflect.Float32:
		v.SetFloat(float64(math.Float32frombits(uint32(n))))
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(n))
	default:
		return false
	}
	return true
}

func setTime(v reflect.Value, us int64) bool {
	if us == math.MinInt64 || us == math.MaxInt64 {
		v.SetZero()
		return true
	}
	v.Set(reflect.ValueOf(xlog.Time(us)))
	return true
}
