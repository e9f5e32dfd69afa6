// SPDX-License-Identifier: Apache-2.0

package walload_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
)

// TestRun reads every load to its end.
func TestRun(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		load := walload.Run(t, walload.Options{Major: major})
		r := xlog.NewReader(load.Config(t))
		records := 0
		for end := load.Begin; end < load.End; records++ {
			rec, err := r.Next()
			require.NoError(t, err)
			end = rec.End
		}
		require.Greater(t, records, 10000)
		require.Equal(t, xlog.TimelineID(2), load.History(t).Timeline)
		t.Logf("%d records", records)
	})
}
