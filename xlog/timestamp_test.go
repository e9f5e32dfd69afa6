// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The recorded Greenplum sent this number and its log shows that time.
func TestTimeOfRecordedServer(t *testing.T) {
	t.Parallel()
	require.Equal(t, time.Date(2026, 11, 22, 23, 7, 2, 140688000, time.UTC), Time(848704022140688))
}

func TestTimeExtremes(t *testing.T) {
	t.Parallel()
	for _, micros := range []int64{0, 1, -1, 999999, -999999, 1000000, -1000000, -1000001, math.MaxInt64 / 2,
		math.MinInt64 / 2, math.MaxInt64 - 2000000, math.MinInt64 + 2000000, -PostgresEpoch * 1000000} {
		require.Equal(t, micros, Micros(Time(micros)), "%v", Time(micros))
	}
	require.Equal(t, int64(0), Micros(time.Time{}))
	require.Equal(t, int64(1), Micros(Time(1).Add(999)))
	require.Equal(t, int64(math.MaxInt64), Micros(time.Unix(1<<60, 0)))
	require.Equal(t, int64(math.MinInt64), Micros(time.Unix(-1<<60, 0)))
	for _, micros := range []int64{math.MaxInt64, math.MinInt64} {
		require.Equal(t, micros, Micros(Time(micros)))
	}
}
