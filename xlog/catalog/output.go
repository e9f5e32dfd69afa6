// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Names is what an Output asks the database whose values it writes. A nil result without an error says that there is no
// such row.
type Names interface {
	// Type is a row of pg_type.
	Type(oid uint32) (*Type, error)
	// Fields are the columns of a composite type, with those that were dropped, by its pg_class OID.
	Fields(relation uint32) ([]TypeInfo, []bool, error)
	// EnumLabel is pg_enum.enumlabel.
	EnumLabel(oid uint32) (label string, ok bool, err error)
	// Subtype is the type of a range's bounds (rngsubtype), by the OID of the range or of its multirange.
	Subtype(rangeType uint32) (oid uint32, ok bool, err error)
	// Internal is the name in C (prosrc) of a function of the language internal.
	Internal(function uint32) (name string, ok bool, err error)
	// Object is a row of one of the catalogs that the reg* types refer to.
	Object(catalog, oid uint32) (*Object, error)
}

// Type is what Output uses of a row of pg_type.
type Type struct {
	TypeInfo
	Name       string
	Schema     string
	Visible    bool // found without its schema (TypeIsVisible)
	Delimiter  byte // between the elements of an array of this type
	Relation   uint32
	Element    uint32
	OutputFunc uint32 // typoutput
	// ModifierFunc is typmodout, 0 when the modifier is written as a number.
	ModifierFunc uint32
}

// Object is what Output uses of something that has a name and perhaps a schema.
type Object struct {
	Name    string
	Schema  string
	Visible bool     // found without its schema, and with the types of its arguments (pg_function_is_visible and alike)
	Alone   bool     // of a function or an operator: found by nothing but its name
	Args    []uint32 // types of a function's arguments; of an operator's operands, of which the left one may be 0
}

// OIDs of the catalogs that Names.Object is asked for.
const (
	catalogFunctions  = 1255
	catalogRelations  = 1259
	catalogRoles      = 1260
	catalogSchemas    = 2615
	catalogOperators  = 2617
	catalogCollations = 3456
	catalogTSDicts    = 3600
	catalogTSConfigs  = 3602
)

// maxDepth is how many values may be in one another; maxJSONDepth is that of jsonb, where a server's stack ends
// before.
const (
	maxDepth     = 1000
	maxJSONDepth = 50000
)

// Output writes values as the text output functions of PostgreSQL do, with these settings: DateStyle ISO, IntervalStyle
// postgres, bytea_output hex, extra_float_digits 1 or more, lc_monetary C. It is not for concurrent use.
type Output struct {
	Names Names
	// Location is the setting TimeZone; nil is UTC.
	Location *time.Location
	// Major is the server's version: 12 to 18, of Greenplum that which it stands on. What a value looks like differs little.
	Major   int
	Flavour xlog.Flavour
	// Limit is the greatest length of one value's text in bytes, and of what is decompressed for it; 0 is that of the
	// server, 1 GB.
	Limit int

	printer printer // of the value that is being written
}

// Text is the text of a value that is not NULL. raw is as Value has it. The error is an ErrValue when the bytes make no
// sense, an ErrNoOutput when there is no text for the type, or one of Names.
func (o *Output) Text(typ uint32, raw []byte) (string, error) {
	text, err := o.AppendText(nil, typ, raw)
	return string(text), err
}

// AppendText adds the text of a value to dst. See Text.
func (o *Output) AppendText(dst []byte, typ uint32, raw []byte) ([]byte, error) {
	limit := o.Limit
	if limit == 0 {
		limit = maxValue
	}
	limit += len(dst)
	p := &o.printer
	*p = printer{Output: o, buf: dst, limit: limit, budget: limit}
	if err := p.value(typ, raw); err != nil {
		return dst, err
	}
	return p.buf, nil
}

// printer writes one value, and those in it.
type printer struct {
	*Output
	buf    []byte
	limit  int // of buf
	budget int // bytes that may still be decompressed
	depth  int
}

// format is how the values of some types are written.
type format struct {
	function string // the output function's name in C
	size     int    // of every value, in bytes; 0 when it varies
	write    func(p *printer, t *Type, raw []byte) error
}

func (p *printer) value(typ uint32, raw []byte) error {
	t, f, err := p.typeFormat(typ)
	if err != nil {
		return err
	}
	return p.write(t, f, raw)
}

// typeFormat finds out how to write a type. Types of the same output function look alike, domains and their base types
// among them.
func (p *printer) typeFormat(typ uint32) (*Type, *format, error) {
	t, err := p.Names.Type(typ)
	if err != nil {
		return nil, nil, err
	}
	if t == nil {
		return nil, nil, fmt.Errorf("%w: type %d does not exist", ErrNoOutput, typ)
	}
	if f := formats[t.OutputFunc]; f != nil {
		return t, f, nil
	}
	name, ok, err := p.Names.Internal(t.OutputFunc)
	if err != nil {
		return nil, nil, err
	}
	if f := formatsByName[name]; ok && f != nil {
		return t, f, nil
	}
	return nil, nil, fmt.Errorf("%w: type %s, output function %d", ErrNoOutput, t.Name, t.OutputFunc)
}

func (p *printer) write(t *Type, f *format, raw []byte) error {
	if f.size != 0 && len(raw) != f.size {
		return fmt.Errorf("%w: %d bytes of type %s", ErrValue, len(raw), t.Name)
	}
	if p.depth++; p.depth > maxDepth {
		return fmt.Errorf("%w: more than %d values in one another", ErrValue, maxDepth)
	}
	defer func() { p.depth-- }()
	err := f.write(p, t, raw)
	if err == nil {
		err = p.room(0)
	}
	return err
}

// room tells whether n more bytes are within the limit.
func (p *printer) room(n int) error {
	if n > p.limit-len(p.buf) {
		return fmt.Errorf("%w: text of more than %d bytes", ErrValue, p.limit)
	}
	return nil
}

// plain is the payload of a varlena inside another value.
func (p *printer) plain(v *varlena) ([]byte, error) {
	if v.kind == compressedVarlena {
		if p.budget -= v.rawSize; p.budget < 0 {
			return nil, fmt.Errorf("%w: more than %d bytes compressed in it", ErrValue, p.limit)
		}
	}
	return v.plain()
}

// malformed is the error of a value whose parts do not fit together.
func malformed(t *Type, what string) error { return fmt.Errorf("%w: %s: %s", ErrValue, t.Name, what) }

func (p *printer) str(s string) { p.buf = append(p.buf, s...) }
func (p *printer) char(c byte)  { p.buf = append(p.buf, c) }

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
