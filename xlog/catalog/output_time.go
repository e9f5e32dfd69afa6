// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"math"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// The functions here write as src/backend/utils/adt/datetime.c does with DateStyle ISO.

const (
	secondsPerDay   = 24 * 60 * 60
	microsPerSecond = 1_000_000
)

func outDate(p *printer, _ *Type, raw []byte) error {
	days := int32(u32(raw))
	if p.infinite(int64(days), math.MinInt32, math.MaxInt32) {
		return nil
	}
	if p.date(time.Unix(xlog.PostgresEpoch+int64(days)*secondsPerDay, 0).UTC()) {
		p.str(" BC")
	}
	return nil
}

// infinite writes the two values that are none.
func (p *printer) infinite(v, least, greatest int64) bool {
	switch v {
	case least:
		p.str("-infinity")
	case greatest:
		p.str("infinity")
	default:
		return false
	}
	return true
}

// date writes the day, without the era, which is BC when the result says so.
func (p *printer) date(t time.Time) (bc bool) {
	year, month, day := t.Date()
	if bc = year <= 0; bc {
		year = 1 - year
	}
	p.padded(year, 4)
	p.char('-')
	p.padded(int(month), 2)
	p.char('-')
	p.padded(day, 2)
	return bc
}

// padded writes a number that is not negative with at least so many digits.
func (p *printer) padded(n, width int) {
	for rest := n; rest >= 10; rest /= 10 {
		width--
	}
	for range width - 1 {
		p.char('0')
	}
	p.int(int64(n))
}

func outTime(p *printer, t *Type, raw []byte) error { return p.timeOfDay(t, int64(u64(raw))) }

// timeOfDay writes microseconds since midnight, of which there may be those of a whole day.
func (p *printer) timeOfDay(t *Type, micros int64) error {
	if micros < 0 || micros > secondsPerDay*microsPerSecond {
		return malformed(t, "not in a day")
	}
	seconds := int(micros / microsPerSecond)
	p.clock(seconds/3600, seconds/60%60, seconds%60, int(micros%microsPerSecond))
	return nil
}

func (p *printer) clock(hour, minute, second, micros int) {
	p.padded(hour, 2)
	p.char(':')
	p.padded(minute, 2)
	p.char(':')
	p.padded(second, 2)
	p.fraction(micros)
}

// fraction writes microseconds as a fraction without zeros at its end (AppendSeconds).
func (p *printer) fraction(micros int) {
	if micros == 0 {
		return
	}
	p.char('.')
	width := 6
	for micros%10 == 0 {
		micros /= 10
		width--
	}
	p.padded(micros, width)
}

// outTimeTZ writes timetz: time of day i64, seconds west of Greenwich i32.
func outTimeTZ(p *printer, t *Type, raw []byte) error {
	if err := p.timeOfDay(t, int64(u64(raw))); err != nil {
		return err
	}
	p.zone(-int(int32(u32(raw[8:]))))
	return nil
}

// zone writes an offset in seconds east of Greenwich (EncodeTimezone).
func (p *printer) zone(offset int) {
	if offset < 0 {
		p.char('-')
		offset = -offset
	} else {
		p.char('+')
	}
	p.padded(offset/3600, 2)
	if offset%3600 != 0 {
		p.char(':')
		p.padded(offset/60%60, 2)
	}
	if offset%60 != 0 {
		p.char(':')
		p.padded(offset%60, 2)
	}
}

func outTimestamp(p *printer, _ *Type, raw []byte) error {
	p.timestamp(int64(u64(raw)), nil)
	return nil
}

func outTimestampTZ(p *printer, _ *Type, raw []byte) error {
	zone := p.Location
	if zone == nil {
		zone = time.UTC
	}
	p.timestamp(int64(u64(raw)), zone)
	return nil
}

// timestamp writes microseconds since 2000, in a time zone if one is given.
func (p *printer) timestamp(micros int64, zone *time.Location) {
	if p.infinite(micros, math.MinInt64, math.MaxInt64) {
		return
	}
	t := xlog.Time(micros)
	if zone != nil {
		t = t.In(zone)
	}
	bc := p.date(t)
	p.char(' ')
	p.clock(t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1000)
	if zone != nil {
		_, offset := t.Zone()
		p.zone(offset)
	}
	if bc {
		p.str(" BC")
	}
}
