// SPDX-License-Identifier: Apache-2.0

package catalog

// TypeName is a type's name as SQL has it, with its modifier, such as numeric(10,2): what the function format_type
// returns (src/backend/utils/adt/format_type.c). The modifier is -1 for none, as in pg_attribute.atttypmod. That of a
// type with a function of its own to print it is left out.
func (o *Output) TypeName(oid uint32, typmod int32) (string, error) {
	p := printer{Output: o, limit: maxValue}
	if oid == 0 {
		return "-", nil
	}
	err := p.typeName(oid, typmod, true)
	return string(p.buf), err
}

// standardName is the SQL standard's name of a type, which a modifier may split: timestamp(3) with time zone.
type standardName struct{ before, after string }

var standardNames = map[uint32]standardName{
	typeBool: {"boolean", ""}, typeInt2: {"smallint", ""}, typeInt4: {"integer", ""}, typeInt8: {"bigint", ""},
	typeFloat4: {"real", ""}, typeFloat8: {"double precision", ""}, typeNumeric: {"numeric", ""}, typeJSON: {"json", ""},
	typeBpchar: {"character", ""}, typeVarchar: {"character varying", ""}, typeBit: {"bit", ""},
	typeVarbit: {"bit varying", ""}, typeInterval: {"interval", ""}, typeTime: {"time", " without time zone"},
	typeTimeTZ: {"time", " with time zone"}, typeTimestamp: {"timestamp", " without time zone"},
	typeTimestampTZ: {"timestamp", " with time zone"},
}

// OIDs of types (src/include/catalog/pg_type.dat).
const (
	typeBool      = 16
	typeInt8      = 20
	typeInt2      = 21
	typeInt4      = 23
	typeJSON      = 114
	typeFloat4    = 700
	typeFloat8    = 701
	typeBpchar    = 1042
	typeVarchar   = 1043
	typeTime      = 1083
	typeTimestamp = 1114
	typeInterval  = 1186
	typeTimeTZ    = 1266
	typeBit       = 1560
	typeVarbit    = 1562
	typeNumeric   = 1700
)

// arrayOutput is the OID of array_out, which all arrays have but int2vector and oidvector.
const arrayOutput = 751

// typeName writes a type's name (format_type_extended). Without a modifier, given or not, character and bit are others
// than with one: they would mean those of length 1.
func (p *printer) typeName(oid uint32, typmod int32, given bool) error {
	t, err := p.Names.Type(oid)
	if err != nil {
		return err
	}
	if t == nil {
		p.str("???")
		return nil
	}
	end := ""
	if t.Element != 0 && t.OutputFunc == arrayOutput {
		if t, err = p.Names.Type(t.Element); err != nil {
			return err
		}
		if t == nil {
			p.str("???[]")
			return nil
		}
		end = "[]"
	}
	modified := given && typmod >= 0
	name, standard := standardNames[t.OID]
	if given && !modified && (t.OID == typeBit || t.OID == typeBpchar) {
		standard = false
	}
	if standard {
		p.str(name.before)
	} else {
		p.qualified(&Object{Name: t.Name, Schema: t.Schema}, t.Visible)
	}
	if modified {
		p.modifier(t, typmod)
	}
	if standard {
		p.str(name.after)
	}
	p.str(end)
	return nil
}

// modifier writes a type's modifier as the type's typmodout does.
func (p *printer) modifier(t *Type, typmod int32) {
	switch t.OID {
	case typeBpchar, typeVarchar:
		p.numbers(max(0, typmod-varlenaHeader))
	case typeNumeric:
		p.numericModifier(typmod)
	case typeInterval:
		p.intervalModifier(typmod)
	case typeBit, typeVarbit, typeTime, typeTimeTZ, typeTimestamp, typeTimestampTZ:
		p.numbers(typmod)
	default:
		if t.ModifierFunc == 0 {
			p.numbers(typmod)
		}
	}
}

// numbers writes numbers in parentheses.
func (p *printer) numbers(list ...int32) {
	for i, n := range list {
		p.char("(,"[min(i, 1)])
		p.int(int64(n))
	}
	p.char(')')
}

// numericModifier writes precision and scale, which since 15 has 11 bits with a sign (numerictypmodout).
func (p *printer) numericModifier(typmod int32) {
	if typmod < varlenaHeader {
		return
	}
	precision, scale := (typmod-varlenaHeader)>>16&0xFFFF, (typmod-varlenaHeader)&0xFFFF
	if p.Major >= 15 {
		scale = (scale&0x7FF ^ 1024) - 1024
	}
	p.numbers(precision, scale)
}

// The fields of an interval as bits (INTERVAL_MASK in src/include/utils/timestamp.h), in the upper half of its modifier.
const (
	fieldMonth  = 1 << 1
	fieldYear   = 1 << 2
	fieldDay    = 1 << 3
	fieldHour   = 1 << 10
	fieldMinute = 1 << 11
	fieldSecond = 1 << 12
)

var intervalFields = map[int32]string{
	fieldYear: " year", fieldMonth: " month", fieldDay: " day", fieldHour: " hour", fieldMinute: " minute",
	fieldSecond: " second", fieldYear | fieldMonth: " year to month", fieldDay | fieldHour: " day to hour",
	fieldDay | fieldHour | fieldMinute:               " day to minute",
	fieldDay | fieldHour | fieldMinute | fieldSecond: " day to second",
	fieldHour | fieldMinute:                          " hour to minute",
	fieldHour | fieldMinute | fieldSecond:            " hour to second",
	fieldMinute | fieldSecond:                        " minute to second",
}

// intervalModifier writes fields and precision (intervaltypmodout).
func (p *printer) intervalModifier(typmod int32) {
	const fullPrecision = 0xFFFF
	p.str(intervalFields[typmod>>16&0x7FFF])
	if precision := typmod & 0xFFFF; precision != fullPrecision {
		p.numbers(precision)
	}
}
