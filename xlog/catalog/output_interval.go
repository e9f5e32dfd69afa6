// SPDX-License-Identifier: Apache-2.0

package catalog

import "math"

// outInterval writes an interval with IntervalStyle postgres (EncodeInterval in src/backend/utils/adt/datetime.c): time
// in microseconds i64, days i32, months i32.
func outInterval(p *printer, _ *Type, raw []byte) error {
	micros, days, months := int64(u64(raw)), int32(u32(raw[8:])), int32(u32(raw[12:]))
	if p.Major >= 17 && p.infiniteInterval(micros, days, months) {
		return nil
	}
	w := intervalWriter{printer: p, empty: true}
	w.part(months/12, "year")
	w.part(months%12, "mon")
	w.part(days, "day")
	if w.empty || micros != 0 {
		w.time(micros)
	}
	return nil
}

// infiniteInterval writes the intervals without end that there are since 17.
func (p *printer) infiniteInterval(micros int64, days, months int32) bool {
	switch {
	case micros == math.MinInt64 && days == math.MinInt32 && months == math.MinInt32:
		p.str("-infinity")
	case micros == math.MaxInt64 && days == math.MaxInt32 && months == math.MaxInt32:
		p.str("infinity")
	default:
		return false
	}
	return true
}

type intervalWriter struct {
	*printer
	empty  bool // nothing is written yet
	before bool // the last part was negative, so that a positive one gets its sign
}

func (w *intervalWriter) part(v int32, unit string) {
	if v == 0 {
		return
	}
	if !w.empty {
		w.char(' ')
	}
	if w.before && v > 0 {
		w.char('+')
	}
	w.int(int64(v))
	w.char(' ')
	w.str(unit)
	if v != 1 {
		w.char('s')
	}
	w.empty, w.before = false, v < 0
}

func (w *intervalWriter) time(micros int64) {
	if !w.empty {
		w.char(' ')
	}
	n := uint64(micros)
	switch {
	case micros < 0:
		n = -n
		w.char('-')
	case w.before:
		w.char('+')
	}
	seconds := n / microsPerSecond
	w.clock(int(seconds/3600), int(seconds/60%60), int(seconds%60), int(n%microsPerSecond))
}
