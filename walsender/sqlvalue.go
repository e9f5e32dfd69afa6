// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

const oidNumeric = 1700

// datum is a value of SQL: nil (NULL), bool, int64 (of every integer type), string, xlog.LSN, time.Time, time.Duration or
// netip.Addr.
type datum any

// appendText appends the text form of a value, as PostgreSQL's output functions make it with the styles that are
// reported to the client. It must not be nil.
func appendText(dst []byte, d datum) []byte {
	switch d := d.(type) {
	case bool:
		if d {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case int64:
		return strconv.AppendInt(dst, d, 10)
	case string:
		return append(dst, d...)
	case xlog.LSN:
		return d.AppendTo(dst)
	case time.Time:
		return d.UTC().AppendFormat(dst, "2006-01-02 15:04:05.999999+00")
	case time.Duration:
		return appendInterval(dst, d)
	case netip.Addr:
		return d.WithZone("").AppendTo(dst)
	}
	panic(fmt.Sprintf("a datum cannot be %T", d))
}

// appendInterval prints a time that is not negative in the style postgres (EncodeInterval).
func appendInterval(dst []byte, d time.Duration) []byte {
	us := d.Microseconds()
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", us/3_600_000_000, us/60_000_000%60, us/1_000_000%60)
	if fraction := us % 1_000_000; fraction != 0 {
		dst = append(dst, strings.TrimRight(fmt.Sprintf(".%06d", fraction), "0")...)
	}
	return dst
}

// appendBinary appends the binary form of a value of a type: what its send function makes. It must not be nil.
func appendBinary(dst []byte, d datum, oid uint32) []byte {
	switch d := d.(type) {
	case bool:
		if d {
			return append(dst, 1)
		}
		return append(dst, 0)
	case int64:
		switch oid {
		case oidInt8:
			return binary.BigEndian.AppendUint64(dst, uint64(d))
		case oidNumeric:
			return appendNumeric(dst, d)
		}
		return binary.BigEndian.AppendUint32(dst, uint32(d))
	case string:
		return append(dst, d...)
	case xlog.LSN:
		return binary.BigEndian.AppendUint64(dst, uint64(d))
	case time.Time:
		return binary.BigEndian.AppendUint64(dst, uint64(protocol.Micros(d)))
	case time.Duration:
		dst = binary.BigEndian.AppendUint64(dst, uint64(d.Microseconds()))
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // days and months
	case netip.Addr:
		return appendInet(dst, d)
	}
	panic(fmt.Sprintf("a datum cannot be %T", d))
}

// appendInet is inet_send (network.c) of an address without a network.
func appendInet(dst []byte, a netip.Addr) []byte {
	const inet, inet6 = 2, 3 // PGSQL_AF_INET, PGSQL_AF_INET6
	family := byte(inet)
	if a.Is6() {
		family = inet6
	}
	b := a.AsSlice()
	dst = append(dst, family, byte(8*len(b)), 0, byte(len(b)))
	return append(dst, b...)
}

// appendNumeric is numeric_send (numeric.c) of an integer: digits to the base of 10000, the weight of the first, the sign,
// and how many decimal places are shown.
func appendNumeric(dst []byte, n int64) []byte {
	const negative = 0x4000
	sign, rest := uint16(0), uint64(n)
	if n < 0 {
		sign, rest = negative, -rest
	}
	var digits []uint16 // the least first
	for ; rest > 0; rest /= 10000 {
		digits = append(digits, uint16(rest%10000))
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(digits)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(max(0, len(digits)-1)))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	for i := len(digits) - 1; i >= 0; i-- {
		dst = binary.BigEndian.AppendUint16(dst, digits[i])
	}
	return dst
}

// parseText reads a value of a type from its text form.
func parseText(text string, oid uint32) (datum, error) {
	switch oid {
	case oidText, oidName:
		return text, nil
	case oidBool:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "t", "true", "on", "yes", "1":
			return true, nil
		case "f", "false", "off", "no", "0":
			return false, nil
		}
	case oidInt4, oidInt8:
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 8*int(typeLengths[oid])); err == nil {
			return n, nil
		}
	case oidOID, oidXID:
		if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32); err == nil {
			return int64(n), nil
		}
	case oidPGLSN:
		if lsn, err := xlog.ParseLSN(text); err == nil {
			return lsn, nil
		}
	case oidInet:
		if a, err := netip.ParseAddr(text); err == nil {
			return a, nil
		}
	default:
		return nil, errorf(codeFeatureNotSupported, "input of type %s is not supported", typeName(oid))
	}
	return nil, errorf(codeInvalidText, `invalid input syntax for type %s: "%s"`, typeName(oid), text)
}

// parseBinary reads a value of a type from its binary form.
func parseBinary(data []byte, oid uint32) (datum, error) {
	switch n := len(data); {
	case oid == oidText || oid == oidName:
		return string(data), nil
	case oid == oidBool && n == 1:
		return data[0] != 0, nil
	case oid == oidInt4 && n == 4:
		return int64(int32(binary.BigEndian.Uint32(data))), nil
	case (oid == oidOID || oid == oidXID) && n == 4:
		return int64(binary.BigEndian.Uint32(data)), nil
	case oid == oidInt8 && n == 8:
		return int64(binary.BigEndian.Uint64(data)), nil
	case oid == oidPGLSN && n == 8:
		return xlog.LSN(binary.BigEndian.Uint64(data)), nil
	}
	return nil, errorf(codeInvalidBinary, "incorrect binary data format of type %s", typeName(oid))
}

// typeNames are the types' names as format_type prints them.
var typeNames = map[uint32]string{
	oidBool: "boolean", oidBytea: "bytea", oidName: "name", oidInt8: "bigint", oidInt4: "integer", oidText: "text",
	oidOID: "oid", oidXID: "xid", oidInet: "inet", oidTimestampTZ: "timestamp with time zone", oidInterval: "interval",
	oidPGLSN: "pg_lsn", oidNumeric: "numeric",
}

func typeName(oid uint32) string {
	if name, ok := typeNames[oid]; ok {
		return name
	}
	return "with OID " + strconv.FormatUint(uint64(oid), 10)
}

// castDatum makes a value one of another type, by way of its text.
func castDatum(d datum, from, to uint32) (datum, error) {
	if d == nil || from == to {
		return d, nil
	}
	if a, ok := d.(netip.Addr); ok { // of inet only the text form is without the length of the network
		return fmt.Sprintf("%s/%d", a.WithZone(""), a.BitLen()), nil
	}
	if b, ok := d.(bool); ok && to != oidBool {
		return strconv.FormatBool(b), nil
	}
	return parseText(string(appendText(nil, d)), to)
}

// compareDatums compares two values of the same type; neither is nil.
func compareDatums(a, b datum) int {
	switch a := a.(type) {
	case bool:
		return strings.Compare(strconv.FormatBool(a), strconv.FormatBool(b.(bool)))
	case int64:
		return cmp.Compare(a, b.(int64))
	case string:
		return strings.Compare(a, b.(string))
	case xlog.LSN:
		return cmp.Compare(a, b.(xlog.LSN))
	case time.Time:
		return a.Compare(b.(time.Time))
	case time.Duration:
		return cmp.Compare(a, b.(time.Duration))
	case netip.Addr:
		return a.Compare(b.(netip.Addr))
	}
	panic(fmt.Sprintf("a datum cannot be %T", a))
}
