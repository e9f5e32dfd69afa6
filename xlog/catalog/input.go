// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

var (
	// ErrNoInput says that text of a type is not understood here.
	ErrNoInput = errors.New("no text input for this type")
	// ErrSyntax says that a text is not one of the type.
	ErrSyntax = errors.New("invalid text")
)

// Input makes values of text. It reads what Output writes, and little else of what a server would take, of the types
// that the bookkeeping catalogs have: numbers but for numeric, "char", text and its like, name, bytea, date, timestamp,
// uuid, pg_lsn, tid, the reg* types as numbers, and arrays of these of one dimension. It is not for concurrent use when
// its Names is not.
type Input struct {
	Names Names
	// Location is that of a timestamptz without time zone; nil is UTC.
	Location *time.Location
}

// Parse makes a value, as Value has it, of text. The error is an ErrSyntax, an ErrNoInput, or one of Names.
func (in *Input) Parse(typ uint32, text string) ([]byte, error) {
	t, err := in.Names.Type(typ)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fmt.Errorf("%w: type %d does not exist", ErrNoInput, typ)
	}
	parse := parsers[t.OutputFunc]
	if parse == nil {
		return nil, fmt.Errorf("%w: type %s", ErrNoInput, t.Name)
	}
	raw, err := parse(in, t, text)
	if err != nil && !errors.Is(err, ErrNoInput) {
		err = fmt.Errorf("%w of type %s: %q: %w", ErrSyntax, t.Name, text, err)
	}
	return raw, err
}

// Parse makes a value of the given type of text. See Input.
func (db *DB) Parse(typ uint32, text string) ([]byte, error) {
	out := db.Output()
	in := Input{Names: out.Names, Location: out.Location}
	return in.Parse(typ, text)
}

// parsers are by the OID of the output function, whose text they read.
var parsers map[uint32]func(in *Input, t *Type, text string) ([]byte, error)

func init() {
	parsers = map[uint32]func(in *Input, t *Type, text string) ([]byte, error){
		31: inBytea, 33: inChar, 35: inName, 39: inInt, 41: inVector, 43: inInt, 45: inObject, 47: inText, 49: inTID,
		51: inUint, 53: inUint, 55: inVector, 196: inText, 201: inFloat, 215: inFloat, 322: inText, 461: inInt,
		751: inArray, 1047: inText, 1085: inDate, 1151: inTimestampTZ, 1243: inBool, 1313: inTimestamp, 1799: inUint,
		2219: inObject, 2221: inObject, 2953: inUUID, 3230: inLSN, 4085: inObject, 4092: inObject, 5081: inUint,
	}
}

func inText(_ *Input, _ *Type, text string) ([]byte, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, errors.New("zero byte")
	}
	return []byte(text), nil
}

func inName(_ *Input, t *Type, text string) ([]byte, error) {
	if len(text) >= int(t.Len) || strings.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("%d bytes for a name of less than %d", len(text), t.Len)
	}
	raw := make([]byte, t.Len)
	copy(raw, text)
	return raw, nil
}

// inChar reads "char": a byte, nothing for a zero one, or a backslash and three octal digits.
func inChar(_ *Input, _ *Type, text string) ([]byte, error) {
	switch {
	case text == "":
		return []byte{0}, nil
	case len(text) == 1:
		return []byte(text), nil
	case len(text) == 4 && text[0] == '\\':
		n, err := strconv.ParseUint(text[1:], 8, 8)
		return []byte{byte(n)}, err
	}
	return nil, errors.New("more than one byte")
}

func inBool(_ *Input, _ *Type, text string) ([]byte, error) {
	switch strings.ToLower(text) {
	case "t", "true", "yes", "on", "1":
		return []byte{1}, nil
	case "f", "false", "no", "off", "0":
		return []byte{0}, nil
	}
	return nil, errors.New("neither true nor false")
}

func inInt(_ *Input, t *Type, text string) ([]byte, error) {
	n, err := strconv.ParseInt(text, 10, 8*int(t.Len))
	return little(uint64(n), t.Len), err
}

func inUint(_ *Input, t *Type, text string) ([]byte, error) {
	n, err := strconv.ParseUint(text, 10, 8*int(t.Len))
	return little(n, t.Len), err
}

// little is the lower bytes of a number.
func little(n uint64, size int16) []byte {
	return binary.LittleEndian.AppendUint64(nil, n)[:min(8, max(0, size))]
}

// inObject reads one of the reg* types as a number, or as - for none. Names are not looked up.
func inObject(in *Input, t *Type, text string) ([]byte, error) {
	if text == "-" {
		text = "0"
	}
	return inUint(in, t, text)
}

func inBytea(_ *Input, _ *Type, text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, `\x`)
	if !ok {
		return nil, errors.New(`does not begin with \x`)
	}
	return hex.DecodeString(digits)
}

func inTID(_ *Input, _ *Type, text string) ([]byte, error) {
	var tid bufpage.TID
	if n, err := fmt.Sscanf(text, "(%d,%d)", &tid.Block, &tid.Offset); err != nil || n != 2 {
		return nil, errors.New("not (block,offset)")
	}
	raw := make([]byte, bufpage.TIDSize)
	tid.Put(raw)
	return raw, nil
}

func inLSN(_ *Input, _ *Type, text string) ([]byte, error) {
	lsn, err := xlog.ParseLSN(text)
	return little(uint64(lsn), 8), err
}

func inUUID(_ *Input, _ *Type, text string) ([]byte, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err == nil && len(raw) != 16 {
		err = fmt.Errorf("%d bytes", len(raw))
	}
	return raw, err
}

func inVector(in *Input, t *Type, text string) ([]byte, error) {
	element, err := in.Names.Type(t.Element)
	if err != nil {
		return nil, err
	}
	if element == nil {
		return nil, fmt.Errorf("%w: type %d does not exist", ErrNoInput, t.Element)
	}
	fields := strings.Fields(text)
	values := make([]Value, len(fields))
	for i, field := range fields {
		if values[i].Raw, err = in.Parse(t.Element, field); err != nil {
			return nil, err
		}
	}
	return encodeArray(&element.TypeInfo, []int{len(values)}, []int{0}, values)
}
