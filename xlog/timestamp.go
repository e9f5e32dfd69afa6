// SPDX-License-Identifier: Apache-2.0

package xlog

import "time"

// PostgresEpoch is 2000-01-01 00:00 UTC in Unix time, in seconds: times in records, tuples and messages are counted from
// there (src/include/datatype/timestamp.h).
const PostgresEpoch = 946684800

// Time is the time that PostgreSQL writes as a number of microseconds since 2000-01-01 00:00 UTC (TimestampTz).
// Any number gives a time, without overflow.
func Time(micros int64) time.Time {
	sec, usec := micros/1000000, micros%1000000
	return time.Unix(sec+PostgresEpoch, usec*1000).UTC()
}

// Micros is the inverse of Time: the microseconds from 2000-01-01 00:00 UTC to t, rounded down. A time that does not
// fit gives the nearest one that does. The zero Time gives 0.
func Micros(t time.Time) int64 {
	const limit = 1<<63 - 1
	if t.IsZero() {
		return 0
	}
	sec := t.Unix() - PostgresEpoch
	switch {
	case sec > limit/1000000-1:
		return limit
	case sec < -limit/1000000:
		return -limit - 1
	}
	return sec*1000000 + int64(t.Nanosecond()/1000)
}
