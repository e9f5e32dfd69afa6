// SPDX-License-Identifier: Apache-2.0

package pagecompare_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
)

// TestTwoStandbys replays the same log with two real servers: they leave the same bytes. One flipped bit, a file that
// is missing, one that is longer are found.
func TestTwoStandbys(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		source := pgreplay.Record(t, walload.Options{Major: major, Parts: walload.Replayable}, pgreplay.Online)
		a, b := source.Standby(t), source.Standby(t)
		report, err := pagecompare.Compare(a, b)
		require.NoError(t, err)
		t.Logf("two real standbys:\n%s", report)
		require.NoError(t, report.Err())
		damage(t, a, b)
	})
}

func damage(t *testing.T, a, b string) {
	name := filepath.Join(b, "base", "1", "1255")
	page, err := os.ReadFile(name)
	require.NoError(t, err)
	page[8192*3+5000] ^= 1
	require.NoError(t, os.WriteFile(name, append(page, make([]byte, 8192)...), 0o600))
	require.NoError(t, os.Remove(filepath.Join(b, "base", "1", "1255_vm")))
	report, err := pagecompare.Compare(a, b)
	require.NoError(t, err)
	require.Error(t, report.Err())
	require.Len(t, report.Differences, 3, "%s", report)
	require.Equal(t, int64(3), report.Differences[1].Block)
	require.Equal(t, 5000, report.Differences[1].Offset)
	require.Equal(t, "base/1/1255_vm", report.Differences[2].File)
}
