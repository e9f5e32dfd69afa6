// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgtext"
)

// Value is a value while a statement runs: nil (NULL), int64, float64 or string. Which of them the values of a type are
// is said by ParseText, which makes them; see the list of classes in types.go for those that come from elsewhere.
type Value any

// Constructors of values that Go programs have in other forms.
func BoolValue(b bool) Value {
	if b {
		return int64(1)
	}
	return int64(0)
}

// LSNValue is a value of type pg_lsn.
func LSNValue(lsn xlog.LSN) Value { return fmt.Sprintf("%016X", uint64(lsn)) }

// TimeValue is a value of type timestamptz.
func TimeValue(t time.Time) Value { return xlog.Micros(t) }

// IntervalValue is a value of type interval.
func IntervalValue(d time.Duration) Value { return d.Microseconds() }

// InetValue is a value of type inet: an address without a network.
func InetValue(a netip.Addr) Value { return a.WithZone("").String() }

// AppendText appends the text form of a value, as PostgreSQL's output functions make it with the styles that are reported
// to clients. It must not be nil. Values of types such as regclass must have become names before.
func AppendText(dst []byte, v Value, oid uint32) []byte {
	switch v := v.(type) {
	case int64:
		return appendInt(dst, v, oid)
	case float64:
		if oid == Float4 {
			return pgtext.AppendFloat4(dst, float32(v))
		}
		return pgtext.AppendFloat8(dst, v)
	case string:
		if classOf(oid) == classLSN {
			return lsnOf(v).AppendTo(dst)
		}
		return append(dst, v...)
	}
	panic(fmt.Sprintf("a value cannot be %T", v))
}

func lsnOf(v string) xlog.LSN {
	n, _ := strconv.ParseUint(v, 16, 64)
	return xlog.LSN(n)
}

func appendInt(dst []byte, v int64, oid uint32) []byte {
	switch classOf(oid) {
	case classBool:
		if v != 0 {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case classTime:
		if oid == TimestampTZ {
			return pgtext.AppendTimestampTZ(dst, v, time.UTC)
		}
		return pgtext.AppendTimestamp(dst, v)
	case classDate:
		return pgtext.AppendDate(dst, int32(v))
	case classInterval:
		days, rest := int32(v/pgtext.MicrosPerDay), v%pgtext.MicrosPerDay
		return pgtext.AppendInterval(dst, pgtext.Interval{Days: days, Micros: rest}, 0)
	case classOID:
		return strconv.AppendUint(dst, uint64(v), 10)
	}
	return strconv.AppendInt(dst, v, 10)
}

func timeOf(us int64) time.Time { return xlog.Time(us) }
