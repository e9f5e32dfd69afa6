// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// replayed waits until a position is applied.
func replayed(t *testing.T, s *standby.Standby, text string) standby.Status {
	t.Helper()
	end, err := xlog.ParseLSN(text)
	require.NoError(t, err)
	var st standby.Status
	require.Eventually(t, func() bool {
		st = s.Status()
		return st.Replay.LSN >= end
	}, patience, tick, "%s was never applied; now: %+v", text, &st)
	return st
}

// TestReplay: a standby applies what it receives, tells the primary so, lets go of the log behind a restartpoint, and a stock
// server starts on its pages.
func TestReplay(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		primary := pgserver.Start(t, pgserver.Options{Major: major, Settings: map[string]string{
			"synchronous_standby_names": "walmirror", "min_wal_size": "32MB",
		}})
		primary.SQL(t, "SET synchronous_commit = local; CREATE TABLE t (i int PRIMARY KEY, x text)")
		snap := initStandby(t, primary, nil)
		s, end := start(t, standby.Config{Dir: snap.Dir, Replay: standby.ReplayConfig{RestartBytes: 1, RestartTime: time.Hour}})
		for i := range 20 {
			primary.SQL(t, fmt.Sprintf(`SET synchronous_commit = remote_apply;
				INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(%d, %d) g; DELETE FROM t WHERE i %% 3 = 0`,
				i*1000, i*1000+999))
		}
		require.Equal(t, "t", primary.Value(t, "SELECT sent_lsn - replay_lsn <= 100000 FROM pg_stat_replication"))
		primary.SQL(t, "SET synchronous_commit = local; SELECT pg_switch_wal(); CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT")
		st := replayed(t, s, primary.Value(t, "SELECT pg_current_wal_flush_lsn()"))
		require.True(t, st.Replay.Consistent)
		require.Equal(t, standby.ReplayRunning, st.Replay.State)
		require.Eventually(t, func() bool { return s.Status().Replay.Restartpoint > st.ReceiveStartLSN }, patience, tick)
		want := primary.Value(t, "SELECT count(*) || ' ' || sum(hashtext(i || x)) FROM t")
		require.NoError(t, end())

		control, err := pgdata.Open(vfs.OS, snap.Dir)
		require.NoError(t, err)
		require.Equal(t, pgdata.DBShutdownedInRecovery, control.Control.State)
		first := xlog.DefaultSegmentSize.Name(1, xlog.DefaultSegmentSize.Number(snap.Start.LSN))
		_, err = os.Stat(filepath.Join(snap.Dir, "pg_wal", first))
		require.ErrorIs(t, err, os.ErrNotExist, "the log of the snapshot is not needed any more")

		require.NoError(t, pgserver.Chown(snap.Dir))
		stock := pgserver.Adopt(t, snap.Dir, pgserver.Options{Major: major, Port: snap.Port})
		require.Equal(t, want, stock.Value(t, "SELECT count(*) || ' ' || sum(hashtext(i || x)) FROM t"))
	})
}

// TestReplayTarget: replay ends at its target while receiving goes on, and pauses when it is told to.
func TestReplayTarget(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	snap := initStandby(t, primary, nil)
	s, _ := start(t, standby.Config{Dir: snap.Dir, Replay: standby.ReplayConfig{Target: redo.Target{Name: "here"}}})
	s.PauseReplay()
	primary.SQL(t, "CREATE TABLE t AS SELECT 1 i; SELECT pg_create_restore_point('here')")
	caughtUp(t, s, primary)
	require.Eventually(t, func() bool { return s.Status().Replay.State == standby.ReplayPaused }, patience, tick)
	paused := s.Status().Replay
	s.ResumeReplay()
	require.Eventually(t, func() bool { return s.Status().Replay.State == standby.ReplayAtTarget }, patience, tick)
	at := s.Status().Replay.LSN
	require.Greater(t, at, paused.LSN)
	primary.SQL(t, "CREATE TABLE u AS SELECT 1 i")
	caughtUp(t, s, primary)
	require.Equal(t, at, s.Status().Replay.LSN)
}
