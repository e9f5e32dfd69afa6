// SPDX-License-Identifier: Apache-2.0

package pgtext

import (
	"math"
	"strconv"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// MicrosPerDay is USECS_PER_DAY (src/include/datatype/timestamp.h).
const MicrosPerDay = secondsPerDay * microsPerSecond

const (
	secondsPerDay   = 24 * 60 * 60
	microsPerSecond = 1_000_000
)

// The dates and timestamps that are no day and no time: those before and after all others
// (src/include/datatype/timestamp.h, src/include/utils/date.h).
const (
	DateNoBegin = math.MinInt32
	DateNoEnd   = math.MaxInt32
	NoBegin     = math.MinInt64
	NoEnd       = math.MaxInt64
)

// Bounds of the others; the ends are not among them (MIN_TIMESTAMP, END_TIMESTAMP, DATETIME_MIN_JULIAN, DATE_END_JULIAN).
const (
	MinTimestamp = -211813488000000000
	EndTimestamp = 9223371331200000000
	MinDate      = -2451545
	EndDate      = 2145031949
)

// AppendDate appends a date in days since 2000 (EncodeDateOnly in src/backend/utils/adt/datetime.c).
func AppendDate(dst []byte, days int32) []byte {
	switch days {
	case DateNoBegin:
		return append(dst, "-infinity"...)
	case DateNoEnd:
		return append(dst, "infinity"...)
	}
	dst, bc := appendDay(dst, time.Unix(xlog.PostgresEpoch+int64(days)*secondsPerDay, 0).UTC())
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// appendDay appends the day, without the era, which is BC when the result says so.
func appendDay(dst []byte, t time.Time) (_ []byte, bc bool) {
	year, month, day := t.Date()
	if bc = year <= 0; bc {
		year = 1 - year
	}
	dst = AppendZeroPad(dst, uint64(year), 4)
	dst = append(dst, '-')
	dst = AppendZeroPad(dst, uint64(month), 2)
	dst = append(dst, '-')
	dst = AppendZeroPad(dst, uint64(day), 2)
	return dst, bc
}

// AppendZeroPad appends a number with at least so many digits (pg_ultostr_zeropad in src/backend/utils/adt/numutils.c).
func AppendZeroPad(dst []byte, n uint64, width int) []byte {
	for rest := n; rest >= 10; rest /= 10 {
		width--
	}
	for range width - 1 {
		dst = append(dst, '0')
	}
	return strconv.AppendUint(dst, n, 10)
}

// AppendTime appends microseconds since midnight, from 0 to MicrosPerDay (EncodeTimeOnly in
// src/backend/utils/adt/datetime.c).
func AppendTime(dst []byte, micros int64) []byte { return appendClock(dst, uint64(micros)) }

// AppendTimeTZ is AppendTime with a time zone, in seconds west of Greenwich.
func AppendTimeTZ(dst []byte, micros int64, west int32) []byte {
	return appendZone(AppendTime(dst, micros), -int(west))
}

// appendClock appends microseconds as hours, of which there may be many, minutes, seconds and a fraction without zeros at
// its end (AppendSeconds in src/backend/utils/adt/datetime.c).
func appendClock(dst []byte, micros uint64) []byte {
	seconds := micros / microsPerSecond
	dst = AppendZeroPad(dst, seconds/3600, 2)
	dst = append(dst, ':')
	dst = AppendZeroPad(dst, seconds/60%60, 2)
	dst = append(dst, ':')
	dst = AppendZeroPad(dst, seconds%60, 2)
	fraction := micros % microsPerSecond
	if fraction == 0 {
		return dst
	}
	width := 6
	for ; fraction%10 == 0; fraction /= 10 {
		width--
	}
	return AppendZeroPad(append(dst, '.'), fraction, width)
}

// appendZone appends an offset in seconds east of Greenwich (EncodeTimezone in src/backend/utils/adt/datetime.c).
func appendZone(dst []byte, offset int) []byte {
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = AppendZeroPad(append(dst, sign), uint64(offset/3600), 2)
	if offset%3600 != 0 {
		dst = AppendZeroPad(append(dst, ':'), uint64(offset/60%60), 2)
	}
	if offset%60 != 0 {
		dst = AppendZeroPad(append(dst, ':'), uint64(offset%60), 2)
	}
	return dst
}

// AppendTimestamp appends a timestamp without time zone in microseconds since 2000 (EncodeDateTime in
// src/backend/utils/adt/datetime.c).
func AppendTimestamp(dst []byte, micros int64) []byte { return appendTimestamp(dst, micros, nil) }

// AppendTimestampTZ is AppendTimestamp with time zone, at a place.
func AppendTimestampTZ(dst []byte, micros int64, place *time.Location) []byte {
	return appendTimestamp(dst, micros, place)
}

func appendTimestamp(dst []byte, micros int64, place *time.Location) []byte {
	switch micros {
	case NoBegin:
		return append(dst, "-infinity"...)
	case NoEnd:
		return append(dst, "infinity"...)
	}
	t := xlog.Time(micros)
	if place != nil {
		t = t.In(place)
	}
	dst, bc := appendDay(dst, t)
	hour, minute, second := t.Clock()
	dst = append(dst, ' ')
	dst = appendClock(dst, uint64((hour*60+minute)*60+second)*microsPerSecond+uint64(t.Nanosecond()/1000))
	if place != nil {
		_, offset := t.Zone()
		dst = appendZone(dst, offset)
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}
