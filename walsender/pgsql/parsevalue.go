// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgtext"
)

// ParseText makes a value of a type from its text form: what clients send, and what catalogs have. Types that are not
// known here are their text. Names, such as those of regclass, are not looked up: of these types a number is expected.
func ParseText(text string, oid uint32) (Value, error) {
	if classOf(oid) == classArray {
		return parseArray(text, oid)
	}
	v, ok := parseClass(text, oid)
	if !ok {
		return nil, errorf(codeInvalidText, `invalid input syntax for type %s: "%s"`, TypeName(oid), text)
	}
	return v, nil
}

// CatalogText is ParseText of what a catalog has, which is taken to be right: arrays may be of any form.
func CatalogText(text string, oid uint32) (Value, error) {
	if classOf(oid) == classArray {
		return text, nil
	}
	return ParseText(text, oid)
}

func parseClass(text string, oid uint32) (Value, bool) {
	trimmed := strings.TrimSpace(text)
	switch classOf(oid) {
	case classBool:
		return parseBool(strings.ToLower(trimmed))
	case classInt:
		n, err := strconv.ParseInt(trimmed, 10, 8*int(TypeLength(oid)))
		return n, err == nil
	case classOID:
		return parseOID(trimmed, oid)
	case classFloat:
		f, err := strconv.ParseFloat(trimmed, 8*int(TypeLength(oid)))
		return f, err == nil
	case classNumeric:
		d, ok := parseDecimal(trimmed)
		return d.String(), ok
	case classLSN:
		lsn, err := xlog.ParseLSN(trimmed)
		return LSNValue(lsn), err == nil
	case classTime:
		return parseTime(trimmed)
	case classDate:
		days, err := pgtext.ParseDate(trimmed)
		return int64(days), err == nil
	case classInterval:
		return parseInterval(trimmed)
	case classInet:
		return text, validInet(trimmed)
	}
	switch oid {
	case Name:
		text = text[:min(len(text), 63)]
	case Char:
		text = text[:min(len(text), 1)]
	}
	return text, true
}

func parseOID(text string, oid uint32) (Value, bool) {
	if isReg(oid) && text == "-" {
		return int64(0), true
	}
	bits := 32
	if oid == XID8 {
		bits = 63
	}
	n, err := strconv.ParseUint(text, 10, bits)
	return int64(n), err == nil
}

func parseBool(text string) (Value, bool) {
	switch text {
	case "on", "1":
		return int64(1), true
	case "off", "of", "0":
		return int64(0), true
	case "":
		return nil, false
	}
	switch {
	case strings.HasPrefix("true", text), strings.HasPrefix("yes", text):
		return int64(1), true
	case strings.HasPrefix("false", text), strings.HasPrefix("no", text):
		return int64(0), true
	}
	return nil, false
}

func validInet(text string) bool {
	if strings.Contains(text, "/") {
		_, err := netip.ParsePrefix(text)
		return err == nil
	}
	_, err := netip.ParseAddr(text)
	return err == nil
}

func parseTime(text string) (Value, bool) {
	if text == "epoch" {
		return TimeValue(time.Unix(0, 0)), true
	}
	micros, err := pgtext.ParseTimestampTZ(text, time.UTC)
	return micros, err == nil
}

// units are those of an interval, in microseconds.
var units = map[string]int64{
	"microsecond": 1, "us": 1, "millisecond": 1000, "ms": 1000, "second": 1e6, "sec": 1e6, "s": 1e6,
	"minute": 6e7, "min": 6e7, "m": 6e7,
	"hour": 36e8, "h": 36e8, "day": pgtext.MicrosPerDay, "d": pgtext.MicrosPerDay,
	"week": 7 * pgtext.MicrosPerDay, "w": 7 * pgtext.MicrosPerDay,
}

// parseInterval reads numbers with units, and hours:minutes:seconds.
func parseInterval(text string) (Value, bool) {
	fields := strings.Fields(text)
	total, some := 0.0, false
	for i := 0; i < len(fields); i++ {
		if strings.Contains(fields[i], ":") {
			us, ok := parseClock(fields[i])
			if !ok {
				return nil, false
			}
			total, some = total+us, true
			continue
		}
		number := strings.TrimRight(fields[i], "abcdefghijklmnopqrstuvwxyz")
		unit := fields[i][len(number):]
		if unit == "" && i+1 < len(fields) {
			i++
			unit = fields[i]
		}
		n, err := strconv.ParseFloat(number, 64)
		size := units[strings.TrimSuffix(unit, "s")]
		if unit == "" || unit == "s" {
			size = 1e6
		}
		if err != nil || size == 0 {
			return nil, false
		}
		total, some = total+n*float64(size), true
	}
	return int64(math.Round(total)), some && math.Abs(total) < math.MaxInt64
}

// parseClock reads [-]hours:minutes[:seconds] as microseconds.
func parseClock(text string) (float64, bool) {
	text, negative := strings.CutPrefix(text, "-")
	total := 0.0
	parts := strings.Split(text, ":")
	for i, part := range parts {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n < 0 || i > 2 {
			return 0, false
		}
		total += n * []float64{36e8, 6e7, 1e6}[i]
	}
	if negative {
		total = -total
	}
	return total, true
}
