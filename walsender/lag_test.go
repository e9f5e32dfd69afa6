// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func TestLagTracker(t *testing.T) {
	t.Parallel()
	var lag lagTracker
	read := func(lsn xlog.LSN, now int64) time.Duration {
		d, ok := lag.read(flushHead, lsn, now)
		if !ok {
			return -1
		}
		return d
	}
	require.EqualValues(t, -1, read(10, 1), "no samples")
	lag.write(100, 1000)
	lag.write(100, 1500) // no progress
	lag.write(200, 2000)
	require.EqualValues(t, 4000, read(50, 5000), "before the first: as if that were reached now")
	require.EqualValues(t, 3000, read(100, 4000))
	require.EqualValues(t, 5000-1500, read(150, 5000), "half the way to the next")
	require.EqualValues(t, 4000, read(200, 6000))
	require.EqualValues(t, -1, read(200, 7000), "all is read")
	lag.write(300, 8000)
	require.EqualValues(t, 500, read(250, 8500), "after a rest nothing is between")
	require.EqualValues(t, -1, read(300, 7000), "the clock went back")
	for head := range lagHeads {
		lag.read(head, 300, 9000)
	}
}

// A reader that never moves does not keep the others from being measured, and its own lag goes on to grow.
func TestLagTrackerOverflow(t *testing.T) {
	t.Parallel()
	var lag lagTracker
	for i := range int64(3 * lagSamples) {
		lag.write(xlog.LSN(10*i+10), 1000*i+1)
		d, ok := lag.read(writeHead, xlog.LSN(10*i+10), 1000*i+8)
		require.True(t, ok)
		require.EqualValues(t, 7, d)
	}
	first, ok := lag.read(applyHead, 5, 1000*3*lagSamples)
	require.True(t, ok)
	later, ok := lag.read(applyHead, 5, 1000*3*lagSamples+500)
	require.True(t, ok)
	require.EqualValues(t, 500, later-first)
	d, ok := lag.read(applyHead, 10*3*lagSamples, 1000*3*lagSamples)
	require.True(t, ok)
	require.Less(t, d, 2*time.Microsecond)
}

// The lag never is more than the age of the oldest sample, nor negative, whatever a client says.
func TestLagTrackerRandom(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var lag lagTracker
	lsn, now := xlog.LSN(1), int64(1)
	for range 200000 {
		now += int64(rnd.IntN(5))
		if rnd.IntN(3) > 0 {
			lsn += xlog.LSN(rnd.IntN(50))
			lag.write(lsn, now)
		}
		if rnd.IntN(100) == 0 {
			d, ok := lag.read(rnd.IntN(lagHeads), xlog.LSN(rnd.Uint64N(uint64(lsn)+20)), now)
			require.True(t, !ok || d >= 0 && int64(d) < now)
		}
	}
}
