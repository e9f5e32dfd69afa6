// SPDX-License-Identifier: Apache-2.0

package pgtext

import (
	"math"
	"strconv"
)

// Interval is a value of the type (src/include/datatype/timestamp.h).
type Interval struct {
	Micros       int64
	Days, Months int32
}

// The intervals without end that there are since 17.
var (
	intervalNoBegin = Interval{math.MinInt64, math.MinInt32, math.MinInt32}
	intervalNoEnd   = Interval{math.MaxInt64, math.MaxInt32, math.MaxInt32}
)

// AppendInterval appends an interval (EncodeInterval in src/backend/utils/adt/datetime.c). Versions before 17 have none
// without end: those two values are numbers to them.
func AppendInterval(dst []byte, v Interval, major int) []byte {
	if major >= 17 {
		switch v {
		case intervalNoBegin:
			return append(dst, "-infinity"...)
		case intervalNoEnd:
			return append(dst, "infinity"...)
		}
	}
	w := intervalWriter{dst: dst, empty: true}
	w.part(v.Months/12, "year")
	w.part(v.Months%12, "mon")
	w.part(v.Days, "day")
	if w.empty || v.Micros != 0 {
		w.time(v.Micros)
	}
	return w.dst
}

type intervalWriter struct {
	dst    []byte
	empty  bool // nothing is written yet
	before bool // the last part was negative, so that a positive one gets its sign
}

func (w *intervalWriter) part(v int32, unit string) {
	if v == 0 {
		return
	}
	if !w.empty {
		w.dst = append(w.dst, ' ')
	}
	if w.before && v > 0 {
		w.dst = append(w.dst, '+')
	}
	w.dst = strconv.AppendInt(w.dst, int64(v), 10)
	w.dst = append(w.dst, ' ')
	w.dst = append(w.dst, unit...)
	if v != 1 {
		w.dst = append(w.dst, 's')
	}
	w.empty, w.before = false, v < 0
}

func (w *intervalWriter) time(micros int64) {
	if !w.empty {
		w.dst = append(w.dst, ' ')
	}
	n := uint64(micros)
	switch {
	case micros < 0:
		n = -n
		w.dst = append(w.dst, '-')
	case w.before:
		w.dst = append(w.dst, '+')
	}
	w.dst = appendClock(w.dst, n)
}
