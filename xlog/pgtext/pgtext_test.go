// SPDX-License-Identifier: Apache-2.0

package pgtext

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// What real servers write is compared where values come from: in xlog/catalog and walsender/pgsql.

func TestFloats(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "0": 0, "-0": math.Copysign(0, -1),
		"5.684341886080802e-14": math.Ldexp(1, -44), "9.007199254740992e+15": 9007199254740993, "5e-324": 5e-324,
		"1e+15": 1e15, "999999999999999": 999999999999999, "1e+16": 1e16, "100000000000000": 1e14, "0.0001": 1e-4,
		"1e-05": 1e-5, "9.999999999999999e+22": 1e23, "4.503599627370496e+15": 4503599627370496.5, "-1234.5": -1234.5,
		"1.7976931348623157e+308": math.MaxFloat64,
	} {
		require.Equal(t, want, string(AppendFloat8(nil, v)))
	}
	for want, v := range map[string]float32{
		"NaN": float32(math.NaN()), "1e+06": 1e6, "999999": 999999, "100000": 1e5, "1.6777216e+07": 16777216,
		"8.388608e+06": 8388608.5, "3.3554432e+07": 33554432, "1e-45": 1e-45, "3.4028235e+38": math.MaxFloat32, "0.1": 0.1,
	} {
		require.Equal(t, want, string(AppendFloat4(nil, v)))
	}
}

// FuzzFloats: the text means the number, and no shorter one does.
func FuzzFloats(f *testing.F) {
	f.Add(uint64(0x3D30000000000000))
	f.Add(math.Float64bits(1e23))
	f.Fuzz(func(t *testing.T, n uint64) {
		v := math.Float64frombits(n)
		back, err := strconv.ParseFloat(string(AppendFloat8(nil, v)), 64)
		require.NoError(t, err)
		require.True(t, back == v || v != v)
		w := math.Float32frombits(uint32(n))
		back, err = strconv.ParseFloat(string(AppendFloat4(nil, w)), 32)
		require.NoError(t, err)
		require.True(t, float32(back) == w || w != w)
	})
}

func TestDatesAndTimes(t *testing.T) {
	t.Parallel()
	for want, days := range map[string]int32{
		"infinity": DateNoEnd, "-infinity": DateNoBegin, "2000-01-01": 0, "1999-12-31": -1, "0001-12-31 BC": -730120,
		"4714-11-24 BC": MinDate, "5874897-12-31": EndDate - 1,
	} {
		require.Equal(t, want, string(AppendDate(nil, days)))
		back, err := ParseDate(want)
		require.NoError(t, err)
		require.Equal(t, days, back)
	}
	for want, micros := range map[string]int64{
		"infinity": NoEnd, "-infinity": NoBegin, "2000-01-01 00:00:00": 0, "1999-12-31 23:59:59.999999": -1,
		"0001-01-01 00:00:00": -63082281600000000, "4714-11-24 00:00:00 BC": MinTimestamp,
		"294276-12-31 23:59:59.999999": EndTimestamp - 1,
	} {
		require.Equal(t, want, string(AppendTimestamp(nil, micros)))
		back, err := ParseTimestamp(want)
		require.NoError(t, err)
		require.Equal(t, micros, back)
	}
	place := time.FixedZone("", -(3*3600 + 30*60 + 15))
	text := string(AppendTimestampTZ(nil, 1_500_000, place))
	require.Equal(t, "1999-12-31 20:29:46.5-03:30:15", text)
	for _, at := range []*time.Location{time.UTC, place} {
		back, err := ParseTimestampTZ(text, at)
		require.NoError(t, err)
		require.Equal(t, int64(1_500_000), back)
	}
	require.Equal(t, "24:00:00", string(AppendTime(nil, MicrosPerDay)))
	require.Equal(t, "01:02:03.000004+05:30", string(AppendTimeTZ(nil, 3723000004, -19800)))
}

func TestTimesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"2000-01-01": 0, "2000-01-01 00:01": 6e7, "2000-01-01T00:00:01.5": 15e5, "2000-01-01 24:00": MicrosPerDay,
		"2000-01-01 00:00:00.0000005": 0, "2000-01-01 00:00:00.9999999999": 1e6, "2000-01-01 00:00:60": 6e7,
	} {
		got, err := ParseTimestamp(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"", "2000", "2000-13-01", "2001-02-29", "0000-01-01", "2000-01-01 00:00:00.", "2000-01-01 00:00:00.x",
		"2000-01-01 25:00", "2000-01-01 24:00:00.1", "2000-01-01 00:00+00", "294277-01-01", "4714-11-23 BC", "2000-01-01 AD",
	} {
		_, err := ParseTimestamp(text)
		require.Error(t, err, text)
	}
	for _, text := range []string{"2000-02-30", "5874898-01-01", "2000-01-01 00:00", "4714-11-23 BC", "x"} {
		_, err := ParseDate(text)
		require.Error(t, err, text)
	}
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]Interval{
		"00:00:00": {}, "1 day": {Days: 1}, "-1 days +00:00:01": {Days: -1, Micros: 1e6}, "1 mon -1 days": {Months: 1, Days: -1},
		"-1 years -1 mons +1 day -00:00:00.5": {Months: -13, Days: 1, Micros: -5e5}, "100:00:00": {Micros: 36e10},
		"-2562047788:00:54.775808": {Micros: math.MinInt64}, "infinity": intervalNoEnd, "-infinity": intervalNoBegin,
	} {
		require.Equal(t, want, string(AppendInterval(nil, v, 17)))
	}
	text := string(AppendInterval(nil, intervalNoEnd, 16))
	require.Equal(t, "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807", text)
}

func TestQuotes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]string{ // as an element, a field and a bound
		"": {`""`, `""`, `""`}, "a": {"a", "a", "a"}, "Null": {`"Null"`, "Null", "Null"}, "a b": {`"a b"`, `"a b"`, `"a b"`},
		`a"b\`: {`"a\"b\\"`, `"a""b\\"`, `"a""b\\"`}, "{": {`"{"`, "{", "{"}, "(": {"(", `"("`, `"("`}, "]": {"]", "]", `"]"`},
		",": {`","`, `","`, `","`}, ";": {";", ";", ";"}, "ü": {"ü", "ü", "ü"},
	} {
		dst := []byte("x" + text)
		require.Equal(t, "x"+want[0], string(QuoteElement([]byte("x"+text), 1, ',')))
		require.Equal(t, "x"+want[1], string(QuoteField([]byte("x"+text), 1)))
		require.Equal(t, "x"+want[2], string(QuoteBound(dst, 1)))
	}
	for name, want := range map[string]string{
		"a": "a", "_1": "_1", "1a": `"1a"`, "": `""`, `A"b`: `"A""b"`, "select": `"select"`, "between": `"between"`,
		"name":       "name",
		"json_array": "json_array", "distributed": "distributed",
	} {
		require.Equal(t, want, string(AppendIdentifier(nil, name, xlog.PostgreSQL, 15)))
	}
	require.Equal(t, `"json_array"`, string(AppendIdentifier(nil, "json_array", xlog.PostgreSQL, 16)))
	require.Equal(t, `"distributed"`, string(AppendIdentifier(nil, "distributed", xlog.Greenplum, 12)))
}
