// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"net/netip"
	"strings"

	"github.com/walmirror/walmirror/xlog/pgtext"
)

// AppendBinary appends the binary form of a value, as the send function of its type makes it. It must not be nil.
func AppendBinary(dst []byte, v Value, oid uint32) ([]byte, error) {
	switch v := v.(type) {
	case int64:
		return appendBinaryInt(dst, v, oid), nil
	case float64:
		if oid == Float4 {
			return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v))), nil
		}
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v)), nil
	case string:
		return appendBinaryText(dst, v, oid)
	}
	return dst, nil
}

func appendBinaryInt(dst []byte, v int64, oid uint32) []byte {
	if classOf(oid) == classInterval {
		dst = binary.BigEndian.AppendUint64(dst, uint64(v%pgtext.MicrosPerDay))
		dst = binary.BigEndian.AppendUint32(dst, uint32(v/pgtext.MicrosPerDay))
		return append(dst, 0, 0, 0, 0) // months
	}
	switch TypeLength(oid) {
	case 1:
		return append(dst, byte(v))
	case 2:
		return binary.BigEndian.AppendUint16(dst, uint16(v))
	case 4:
		return binary.BigEndian.AppendUint32(dst, uint32(v))
	}
	return binary.BigEndian.AppendUint64(dst, uint64(v))
}

func appendBinaryText(dst []byte, v string, oid uint32) ([]byte, error) {
	switch classOf(oid) {
	case classText:
		return append(dst, v...), nil
	case classLSN:
		return binary.BigEndian.AppendUint64(dst, uint64(lsnOf(v))), nil
	case classNumeric:
		return appendBinaryNumeric(dst, decimalOf(v)), nil
	case classInet:
		return appendBinaryInet(dst, v, oid), nil
	case classArray:
		return appendBinaryArray(dst, v, oid)
	}
	switch oid {
	case Bytea:
		raw, err := hex.DecodeString(strings.TrimPrefix(v, `\x`))
		return append(dst, raw...), err
	case 114, 142: // json, xml
		return append(dst, v...), nil
	case 3802: // jsonb, with its version
		return append(append(dst, 1), v...), nil
	case 2950: // uuid
		raw, err := hex.DecodeString(strings.ReplaceAll(v, "-", ""))
		return append(dst, raw...), err
	case OIDVector, Int2Vector:
		return appendBinaryArray(dst, v, oid)
	}
	return dst, errorf(codeUndefinedFunction, "no binary output function available for type %s", TypeName(oid))
}

// appendBinaryArray is array_send (arrayfuncs.c). Vectors begin at 0, arrays at 1.
func appendBinaryArray(dst []byte, text string, oid uint32) ([]byte, error) {
	element := elements[oid]
	if element == 0 || isReg(element) {
		return dst, errorf(codeUndefinedFunction, "no binary output function available for type %s", TypeName(oid))
	}
	values, err := arrayValues(text, element)
	if err != nil {
		return dst, err
	}
	dimensions, nulls, first := uint32(1), uint32(0), uint32(1)
	if len(values) == 0 {
		dimensions = 0
	}
	for _, v := range values {
		if v == nil {
			nulls = 1
		}
	}
	for _, n := range []uint32{dimensions, nulls, element} {
		dst = binary.BigEndian.AppendUint32(dst, n)
	}
	if oid == OIDVector || oid == Int2Vector {
		first = 0
	}
	if dimensions > 0 {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(values)))
		dst = binary.BigEndian.AppendUint32(dst, first)
	}
	for _, v := range values {
		if v == nil {
			dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
			continue
		}
		one, err := AppendBinary(nil, v, element)
		if err != nil {
			return dst, err
		}
		dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(one))), one...)
	}
	return dst, nil
}

// appendBinaryInet is inet_send (network.c).
func appendBinaryInet(dst []byte, text string, oid uint32) []byte {
	const inet, inet6 = 2, 3 // PGSQL_AF_INET, PGSQL_AF_INET6
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		a, _ := netip.ParseAddr(text)
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	family := byte(inet)
	if prefix.Addr().Is6() {
		family = inet6
	}
	isCIDR := byte(0)
	if oid == 650 {
		isCIDR = 1
	}
	b := prefix.Addr().AsSlice()
	dst = append(dst, family, byte(prefix.Bits()), isCIDR, byte(len(b)))
	return append(dst, b...)
}

// inetText is an address as text, which has the length of the network.
func inetText(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String()
	}
	return text
}

// appendBinaryNumeric is numeric_send (numeric.c): digits to the base of 10000, the weight of the first, the sign, and how
// many decimal places are shown.
func appendBinaryNumeric(dst []byte, d decimal) []byte {
	const negative = 0x4000
	groups := (d.scale + 3) / 4
	rest := new(big.Int).Abs(d.n)
	rest.Mul(rest, power(groups*4-d.scale))
	var digits []uint16 // the least first
	for base, digit := big.NewInt(10000), new(big.Int); rest.Sign() > 0; {
		rest.QuoRem(rest, base, digit)
		digits = append(digits, uint16(digit.Uint64()))
	}
	weight := max(len(digits)-groups-1, -groups-1)
	for len(digits) > 0 && digits[0] == 0 {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		weight = 0
	}
	sign := uint16(0)
	if d.n.Sign() < 0 {
		sign = negative
	}
	for _, n := range []uint16{uint16(len(digits)), uint16(weight), sign, uint16(d.scale)} {
		dst = binary.BigEndian.AppendUint16(dst, n)
	}
	for i := len(digits) - 1; i >= 0; i-- {
		dst = binary.BigEndian.AppendUint16(dst, digits[i])
	}
	return dst
}
