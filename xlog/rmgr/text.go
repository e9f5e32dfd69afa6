// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"strconv"

	"github.com/walmirror/walmirror/xlog"
)

// The functions below append a label and a value: appendUint(dst, "off ", 7) appends "off 7". They stand for printf's
// conversions, and do not allocate.

// appendUint is %u.
func appendUint[T ~uint8 | ~uint16 | ~uint32 | ~uint64](dst []byte, label string, v T) []byte {
	return strconv.AppendUint(append(dst, label...), uint64(v), 10)
}

// appendInt is %d.
func appendInt[T ~int | ~int8 | ~int16 | ~int32 | ~int64](dst []byte, label string, v T) []byte {
	return strconv.AppendInt(append(dst, label...), int64(v), 10)
}

const upperDigits = "0123456789ABCDEF"

// appendHex2 is 0x%02X.
func appendHex2(dst []byte, label string, v uint8) []byte {
	return append(append(dst, label...), '0', 'x', upperDigits[v>>4], upperDigits[v&15])
}

// appendLSN is %X/%X, as descriptions write positions.
func appendLSN(dst []byte, label string, l xlog.LSN) []byte {
	return l.AppendTo(append(dst, label...))
}

// appendLongLSN is %X/%08X, as pg_waldump writes the positions of records.
func appendLongLSN(dst []byte, label string, l xlog.LSN) []byte {
	dst = xlog.LSN(uint64(l) >> 32).AppendTo(append(dst, label...)) // 0/HI
	n := len(dst)
	hi := 0
	for dst[n-1-hi] != '/' {
		hi++
	}
	copy(dst[n-hi-2:], dst[n-hi:]) // drop the "0/" before it
	dst = append(dst[:n-2], '/')
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, upperDigits[uint32(l)>>shift&15])
	}
	return dst
}

// appendRelation is %u/%u/%u.
func appendRelation(dst []byte, label string, rel xlog.RelFileLocator) []byte {
	dst = appendUint(dst, label, rel.Tablespace)
	dst = appendUint(dst, "/", rel.Database)
	return appendUint(dst, "/", rel.RelNumber)
}

// appendFlag appends the label if the bit is set.
func appendFlag(dst []byte, set bool, label string) []byte {
	if set {
		return append(dst, label...)
	}
	return dst
}

// appendTimestamp is what timestamptz_to_str of pg_waldump writes (src/bin/pg_waldump/compat.c).
func (p *Printing) appendTimestamp(dst []byte, us int64) []byte {
	return xlog.Time(us).In(p.Location).AppendFormat(dst, "2006-01-02 15:04:05.000000 MST")
}
