// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestReplay replays a copy of a server's directory from an archive, first up to a restore point and then to the end.
func TestReplay(t *testing.T) {
	t.Parallel()
	pgserver.Require(t)
	opts := pgserver.Options{Major: pgserver.DefaultMajor}
	source := pgreplay.RecordLoad(t, opts, pgreplay.Cold, func(s *pgserver.Server) {
		s.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000)")
		s.SQL(t, "SELECT pg_create_restore_point('here')")
		s.SQL(t, "DROP TABLE t")
	})
	dir := filepath.Join(pgserver.TempDir(t), "data")
	require.NoError(t, source.Copy(dir))
	replay := func(args ...string) replayResult {
		args = append([]string{"replay", "-D", dir, "--wal", source.WAL, "--json", "--cache", "8M"}, args...)
		code, stdout, stderr := call(t, args...)
		require.Equal(t, exitOK, code, stderr)
		var res replayResult
		require.NoError(t, json.Unmarshal([]byte(stdout), &res))
		return res
	}

	first := replay("--recovery-target-name", "here")
	require.Equal(t, `target restore point "here"`, first.End)
	require.Less(t, first.Start, first.Replay)
	require.NotNil(t, first.LastXact)
	control, err := pgdata.ReadControl(vfs.OS, dir)
	require.NoError(t, err)
	require.Equal(t, pgdata.DBShutdownedInRecovery, control.State)
	require.Equal(t, first.Replay, control.MinRecoveryPoint)

	second := replay()
	require.Contains(t, second.End, "end of WAL")
	require.Less(t, first.Replay, second.Replay)
	control, err = pgdata.ReadControl(vfs.OS, dir)
	require.NoError(t, err)
	require.Equal(t, source.Last, control.CheckPoint)

	code, stdout, stderr := call(t, "replay", "-D", dir)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "Replayed from "+second.Replay.String()+" to "+second.Replay.String())
	code, _, stderr = call(t, "replay", "-D", dir, "--recovery-target-name", "nowhere")
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, `the recovery target was reached: restore point "nowhere"`)
	for _, args := range [][]string{
		{"--recovery-target-time", "yesterday"}, {"--recovery-target-lsn", "x"}, {"--cache", "many"},
	} {
		code, _, stderr := call(t, append([]string{"replay", "-D", dir}, args...)...)
		require.Equal(t, exitUsage, code, stderr)
	}
}
