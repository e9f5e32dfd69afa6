// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"encoding/binary"
	"math"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgtext"
)

// ParseBinary makes a value of a type from its binary form, as clients send it.
func ParseBinary(data []byte, oid uint32) (Value, error) {
	n := len(data)
	switch classOf(oid) {
	case classText:
		return ParseText(string(data), oid)
	case classBool:
		if n == 1 {
			return BoolValue(data[0] != 0), nil
		}
	case classInt, classTime:
		if v, ok := signed(data); ok && n == int(TypeLength(oid)) {
			return v, nil
		}
	case classOID:
		if n == 4 && TypeLength(oid) == 4 {
			return int64(binary.BigEndian.Uint32(data)), nil
		}
	case classFloat:
		switch {
		case oid == Float4 && n == 4:
			return float64(math.Float32frombits(binary.BigEndian.Uint32(data))), nil
		case oid == Float8 && n == 8:
			return math.Float64frombits(binary.BigEndian.Uint64(data)), nil
		}
	case classLSN:
		if n == 8 {
			return LSNValue(xlog.LSN(binary.BigEndian.Uint64(data))), nil
		}
	case classInterval:
		if n == 16 && binary.BigEndian.Uint32(data[12:]) == 0 {
			us, days := int64(binary.BigEndian.Uint64(data)), int64(int32(binary.BigEndian.Uint32(data[8:])))
			return us + days*pgtext.MicrosPerDay, nil
		}
	case classArray:
		return parseBinaryArray(data, oid)
	}
	return nil, errorf(codeInvalidBinary, "incorrect binary data format of type %s", TypeName(oid))
}

func signed(data []byte) (int64, bool) {
	switch len(data) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(data))), true
	case 4:
		return int64(int32(binary.BigEndian.Uint32(data))), true
	case 8:
		return int64(binary.BigEndian.Uint64(data)), true
	}
	return 0, false
}

// parseBinaryArray is array_recv (arrayfuncs.c) of one dimension.
func parseBinaryArray(data []byte, oid uint32) (Value, error) {
	bad := errorf(codeInvalidBinary, "incorrect binary data format of type %s", TypeName(oid))
	if len(data) < 12 {
		return nil, bad
	}
	dimensions := binary.BigEndian.Uint32(data)
	element := elements[oid]
	if dimensions == 0 {
		return "{}", nil
	}
	if dimensions != 1 || len(data) < 20 || binary.BigEndian.Uint32(data[8:]) != element {
		return nil, bad
	}
	count, rest := int(binary.BigEndian.Uint32(data[12:])), data[20:]
	if count > len(rest)/4 {
		return nil, bad
	}
	values := make([]Value, count)
	for i := range values {
		if len(rest) < 4 {
			return nil, bad
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size < 0 {
			continue
		}
		if size > len(rest) {
			return nil, bad
		}
		v, err := ParseBinary(rest[:size], element)
		if err != nil {
			return nil, err
		}
		values[i], rest = v, rest[size:]
	}
	return arrayOf(values, element), nil
}
