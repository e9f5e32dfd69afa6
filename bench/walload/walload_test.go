// SPDX-License-Identifier: Apache-2.0

package walload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
)

// TestRun reads the load to its end. The tests of xlog/rmgr do so for every version.
func TestRun(t *testing.T) {
	load := Run(t, Options{Major: pgserver.DefaultMajor})
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
}

func TestEndsStatement(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1;\n":                         true,
		"SELECT 1\n":                          false,
		"DO $$ BEGIN\n NULL;\n":               false,
		"DO $$ BEGIN\n NULL;\n END $$;\n":     true,
		"DO $$ BEGIN\n NULL;\n END $$":        false,
		"INSERT INTO t\n VALUES (1);\n":       true,
		"INSERT INTO t VALUES (1); -- text\n": false,
	} {
		require.Equal(t, want, endsStatement(sql), sql)
	}
}

func TestDirectives(t *testing.T) {
	r := &runner{t: t, load: &Load{Server: &pgserver.Server{Major: 14}}}
	for _, c := range []struct {
		words []string
		skip  bool
	}{
		{[]string{"from", "15"}, true}, {[]string{"all"}, false}, {[]string{"until", "13"}, true},
		{[]string{"from", "14"}, false}, {[]string{"until", "14"}, false},
	} {
		require.NoError(t, r.directive(c.words))
		require.Equal(t, c.skip, r.skip, c.words)
	}
	require.Error(t, r.directive([]string{"from", "x"}))
	r.skip = false
	require.ErrorContains(t, r.directive([]string{"nonsense"}), "unknown directive nonsense")
}
