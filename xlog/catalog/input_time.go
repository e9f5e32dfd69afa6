// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

var errTime = errors.New("not of the form YYYY-MM-DD HH:MM:SS.ffffff+HH:MM BC")

// Bounds of a timestamp in microseconds (src/include/datatype/timestamp.h), and of a date in days.
const (
	minTimestamp = -211813488000000000
	endTimestamp = 9223371331200000000
	minDate      = -2451545
	endDate      = 2145031949
)

func inTimestamp(_ *Input, _ *Type, text string) ([]byte, error) {
	return timestampOf(text, time.UTC, false)
}

func inTimestampTZ(in *Input, _ *Type, text string) ([]byte, error) {
	if in.Location != nil {
		return timestampOf(text, in.Location, true)
	}
	return timestampOf(text, time.UTC, true)
}

// timestampOf reads a time at a place; with zoned the text may name the offset of another.
func timestampOf(text string, place *time.Location, zoned bool) ([]byte, error) {
	switch text {
	case "infinity":
		return little(math.MaxInt64, 8), nil
	case "-infinity":
		return little(1<<63, 8), nil
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
		return nil, errTime
	}
	if hasOffset {
		place = time.UTC
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, place)
	micros := xlog.Micros(t.Add(-time.Duration(offset) * time.Second))
	if micros < minTimestamp || micros >= endTimestamp {
		return nil, errors.New("out of range")
	}
	return little(uint64(micros), 8), nil
}

func inDate(_ *Input, _ *Type, text string) ([]byte, error) {
	switch text {
	case "infinity":
		return little(math.MaxInt32, 4), nil
	case "-infinity":
		return little(1<<31, 4), nil
	}
	c := clockReader{text: text}
	year, month, day := c.date()
	if c.era() {
		year = 1 - year
	}
	if c.failed || c.text != "" || !isDay(year, month, day) {
		return nil, errTime
	}
	days := (time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() - xlog.PostgresEpoch) / secondsPerDay
	if days < minDate || days >= endDate {
		return nil, errors.New("out of range")
	}
	return little(uint64(days), 4), nil
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
		before := c.text
		micros := c.number(1, 0, 999999)
		for range 6 - min(6, len(before)-len(c.text)) {
			micros *= 10
		}
		nanos = 1000 * micros
	}
	c.failed = c.failed || hour == 24 && (minute != 0 || second != 0 || nanos != 0)
	return hour, minute, second, nanos
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
