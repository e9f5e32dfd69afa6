// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Value is a value while a statement runs: nil (NULL), int64, float64 or string. Which of them the values of a type are
// is said by ParseText, which makes them; see the list of classes in types.go for those that come from elsewhere.
type Value any

// epoch is the zero of timestamps.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	microsPerDay = int64(24 * time.Hour / time.Microsecond)
	noBegin      = math.MinInt64 // -infinity
	noEnd        = math.MaxInt64 // infinity
)

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
		return appendFloat(dst, v, oid)
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
		return appendTime(dst, v, oid == TimestampTZ)
	case classDate:
		return epoch.AddDate(0, 0, int(v)).AppendFormat(dst, time.DateOnly)
	case classInterval:
		return appendInterval(dst, v)
	case classOID:
		return strconv.AppendUint(dst, uint64(v), 10)
	}
	return strconv.AppendInt(dst, v, 10)
}

// appendTime prints a timestamp in the style ISO; the time zone is UTC.
func appendTime(dst []byte, us int64, zone bool) []byte {
	switch us {
	case noBegin:
		return append(dst, "-infinity"...)
	case noEnd:
		return append(dst, "infinity"...)
	}
	t := timeOf(us)
	year, before := t.Year(), t.Year() <= 0
	if before {
		year = 1 - year
	}
	dst = fmt.Appendf(dst, "%04d", year)
	dst = t.AppendFormat(dst, "-01-02 15:04:05.999999")
	if zone {
		dst = append(dst, "+00"...)
	}
	if before {
		dst = append(dst, " BC"...)
	}
	return dst
}

func timeOf(us int64) time.Time { return xlog.Time(us) }

// appendInterval prints an interval without months in the style postgres (EncodeInterval in datetime.c).
func appendInterval(dst []byte, us int64) []byte {
	days, rest := us/microsPerDay, us%microsPerDay
	if days != 0 {
		dst = fmt.Appendf(dst, "%d day", days)
		if days != 1 {
			dst = append(dst, 's')
		}
		if rest == 0 {
			return dst
		}
		dst = append(dst, ' ')
		if days < 0 && rest > 0 {
			dst = append(dst, '+')
		}
	}
	if rest < 0 {
		dst, rest = append(dst, '-'), -rest
	}
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", rest/3_600_000_000, rest/60_000_000%60, rest/1_000_000%60)
	if fraction := rest % 1_000_000; fraction != 0 {
		dst = append(dst, strings.TrimRight(fmt.Sprintf(".%06d", fraction), "0")...)
	}
	return dst
}

// appendFloat prints a number with as few digits as tell it from others (extra_float_digits is 1).
func appendFloat(dst []byte, f float64, oid uint32) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	bits, most := 64, 15
	if oid == Float4 {
		bits, most = 32, 6
	}
	scientific := strconv.AppendFloat(nil, f, 'e', -1, bits)
	_, exponent, _ := strings.Cut(string(scientific), "e")
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= most {
		return append(dst, scientific...)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits)
}
