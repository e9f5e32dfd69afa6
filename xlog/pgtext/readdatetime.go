// SPDX-License-Identifier: Apache-2.0

package pgtext

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

var (
	errTime  = errors.New("not of the form YYYY-MM-DD HH:MM:SS.ffffff+HH:MM BC")
	errRange = errors.New("out of range")
)

// ParseTimestamp is the inverse of AppEndTimestamp. It takes a day without time, too, a T before the time, and a time
// without seconds.
func ParseTimestamp(text string) (micros int64, err error) {
	return parseTimestamp(text, time.UTC, false)
}

// ParseTimestampTZ is ParseTimestamp with time zone. A text without an offset is of the place.
func ParseTimestampTZ(text string, place *time.Location) (micros int64, err error) {
	return parseTimestamp(text, place, true)
}

func parseTimestamp(text string, place *time.Location, zoned bool) (int64, error) {
	switch text {
	case "infinity":
		return NoEnd, nil
	case "-infinity":
		return NoBegin, nil
	}
	c := clockReader{text: text}
	year, month, day := c.date()
	if c.text != "" && !c.skip(' ') {
		c.skip('T')
	}
	hour, minute, second, nanos := c.clock()
	offset, hasOffset := c.zone()
	if c.era() {
		year = 1 - year
	}
	if c.failed || c.text != "" || hasOffset && !zoned || !isDay(year, month, day) {
		return 0, errTime
	}
	if hasOffset {
		place = time.UTC
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, place)
	seconds := t.Unix() - int64(offset) - xlog.PostgresEpoch
	if seconds < MinTimestamp/microsPerSecond || seconds >= EndTimestamp/microsPerSecond {
		return 0, errRange
	}
	return seconds*microsPerSecond + int64(t.Nanosecond()/1000), nil
}

// ParseDate is the inverse of AppendDate.
func ParseDate(text string) (days int32, err error) {
	switch text {
	case "infinity":
		return DateNoEnd, nil
	case "-infinity":
		return DateNoBegin, nil
	}
	c := clockReader{text: text}
	year, month, day := c.date()
	if c.era() {
		year = 1 - year
	}
	if c.failed || c.text != "" || !isDay(year, month, day) {
		return 0, errTime
	}
	n := (time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() - xlog.PostgresEpoch) / secondsPerDay
	if n < MinDate || n >= EndDate {
		return 0, errRange
	}
	return int32(n), nil
}

// isDay tells whether a month has that day.
func isDay(year, month, day int) bool {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() == day
}

// clockReader takes a text apart from the left; failed notes that something was not there.
type clockReader struct {
	text   string
	failed bool
}

// number takes digits, at least so many, and no more than 7.
func (c *clockReader) number(least, low, high int) int {
	n := 0
	for n < len(c.text) && c.text[n] >= '0' && c.text[n] <= '9' {
		n++
	}
	v, err := strconv.Atoi(c.text[:n])
	if n < least || n > 7 || err != nil || v < low || v > high {
		c.failed = true
	}
	c.text = c.text[n:]
	return v
}

func (c *clockReader) skip(b byte) bool {
	if c.text == "" || c.text[0] != b {
		return false
	}
	c.text = c.text[1:]
	return true
}

func (c *clockReader) expect(b byte) {
	if !c.skip(b) {
		c.failed = true
	}
}

func (c *clockReader) date() (year, month, day int) {
	year = c.number(4, 1, 5874897)
	c.expect('-')
	month = c.number(2, 1, 12)
	c.expect('-')
	day = c.number(2, 1, 31)
	return year, month, day
}

// clock takes the time of day, or nothing for midnight.
func (c *clockReader) clock() (hour, minute, second, nanos int) {
	if c.text == "" || c.text == " BC" || c.text[0] == '+' || c.text[0] == '-' {
		return 0, 0, 0, 0
	}
	hour = c.number(2, 0, 24)
	c.expect(':')
	minute = c.number(2, 0, 59)
	if c.skip(':') {
		second = c.number(2, 0, 60)
	}
	if c.skip('.') {
		nanos = 1000 * c.fraction()
	}
	c.failed = c.failed || hour == 24 && (minute != 0 || second != 0 || nanos != 0)
	return hour, minute, second, nanos
}

// fraction takes the digits behind the point of a second, as microseconds (ParseFractionalSecond in
// src/backend/utils/adt/datetime.c).
func (c *clockReader) fraction() (micros int) {
	n := 0
	for n < len(c.text) && c.text[n] >= '0' && c.text[n] <= '9' {
		n++
	}
	v, err := strconv.ParseFloat("0."+c.text[:n], 64)
	c.failed = c.failed || n == 0 || err != nil
	c.text = c.text[n:]
	return int(math.RoundToEven(v * 1e6))
}

// zone takes an offset from Greenwich, in seconds east of it.
func (c *clockReader) zone() (offset int, ok bool) {
	sign := 1
	switch {
	case c.skip('Z'):
		return 0, true
	case c.skip('-'):
		sign = -1
	case !c.skip('+'):
		return 0, false
	}
	offset = 3600 * c.number(2, 0, 15)
	if c.skip(':') {
		offset += 60 * c.number(2, 0, 59)
	}
	if c.skip(':') {
		offset += c.number(2, 0, 59)
	}
	return sign * offset, true
}

// era takes what says that the years are counted backwards.
func (c *clockReader) era() (bc bool) {
	c.text, bc = strings.CutSuffix(c.text, " BC")
	return bc
}
