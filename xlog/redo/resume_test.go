// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestStandbyStops shuts a real standby and redo down behind the same random records and lets them go on. Where a stop
// made a restartpoint, both have written everything, and their files are compared; the control files always are.
func TestStandbyStops(t *testing.T) {
	eachVariant(t, pgserver.SomeMajors, func(t *testing.T, major int, v variant) {
		v.plain = true // a cold copy is consistent from its begin
		testStops(t, recordMix(t, major, v))
	})
}

func testStops(t *testing.T, source *pgreplay.Source) {
	const stops = 8
	work := pgserver.TempDir(t)
	standby, ours := filepath.Join(work, "standby"), filepath.Join(work, "ours")
	require.NoError(t, source.Copy(standby))
	require.NoError(t, source.Copy(ours))
	restartpoints := 0
	for _, last := range append(randomRecords(t, ours, stops), source.Last) {
		before := controlOf(t, standby).CheckPoint
		stop := *source
		stop.Last = last
		require.NoError(t, stop.Replay(t.Context(), standby))
		replay(t, ours, source.Version, last, nil)
		after := controlOf(t, standby)
		t.Logf("stop behind %s, checkpoint %s", last, after.CheckPoint)
		require.Equal(t, describe(after), describe(controlOf(t, ours)))
		if after.CheckPoint != before {
			restartpoints++
			compareStops(t, standby, ours)
		}
	}
	require.NotZero(t, restartpoints)
}

func compareStops(t *testing.T, standby, ours string) {
	report, err := pagecompare.Compare(standby, ours)
	require.NoError(t, err)
	t.Logf("a real standby and redo: %d files, %d pages", report.Total.Files, report.Total.Pages)
	if report.Err() != nil {
		t.Logf("%s", report)
		explain(t, ours, report)
	}
	require.NoError(t, report.Err())
}

func controlOf(t *testing.T, dir string) *pgdata.ControlFile {
	control, err := pgdata.ReadControl(vfs.OS, dir)
	require.NoError(t, err)
	return control
}

// describe is a control file without the time of its writing.
func describe(c *pgdata.ControlFile) string {
	timeless := *c
	timeless.Time = 0
	return timeless.Describe(time.UTC)
}

// randomRecords are the positions of n records behind the checkpoint at which recovery begins, in order.
func randomRecords(t *testing.T, dir string, n int) []xlog.LSN {
	cfg := logOf(t, dir)
	cfg.Start = controlOf(t, dir).CheckPointCopy.Redo
	var all []xlog.LSN
	for r := xlog.NewReader(cfg); ; {
		rec, err := r.Next()
		if err != nil {
			break
		}
		all = append(all, rec.LSN)
	}
	require.Greater(t, len(all), n)
	var picked []xlog.LSN
	for range n {
		picked = append(picked, all[rand.IntN(len(all)-1)])
	}
	slices.Sort(picked)
	return slices.Compact(picked)
}
