// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
)

// receivewal runs pg_receivewal into a new directory until stop.
func receivewal(t *testing.T, dir, conninfo string) (stop func()) {
	t.Helper()
	require.NoError(t, pgserver.Chown(dir))
	cmd := exec.Command(pgserver.RequireTool(t, "pg_receivewal"), "-D", dir, "-d", conninfo, "--synchronous", "-s", "1")
	pgserver.RunAs(cmd)
	var out strings.Builder
	cmd.Stderr = &out
	require.NoError(t, cmd.Start())
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
		t.Logf("pg_receivewal: %s", out.String())
	}
	t.Cleanup(stop)
	return stop
}

// archived waits until a directory of pg_receivewal has a segment, complete.
func archived(t *testing.T, dir, name string) {
	t.Helper()
	eventually(t, name+" in "+dir, func() bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

// switchSegment ends the segment of the server's log and returns its name.
func switchSegment(t *testing.T, s *pgserver.Server) string {
	t.Helper()
	return s.Value(t, "SELECT pg_walfile_name(pg_switch_wal())")
}

// newTimeline restarts the server and promotes it.
func newTimeline(t *testing.T, s *pgserver.Server) {
	t.Helper()
	require.NoError(t, s.Stop(pgserver.Fast))
	require.NoError(t, os.WriteFile(filepath.Join(s.DataDir, "standby.signal"), nil, 0o600))
	require.NoError(t, pgserver.Chown(filepath.Join(s.DataDir, "standby.signal")))
	require.NoError(t, s.Start())
	require.NoError(t, s.Promote())
}

// requireSameArchive compares all complete segments, the last ones of old timelines, and history files.
func requireSameArchive(t *testing.T, ours, theirs string, oldPartial ...string) {
	t.Helper()
	got, want := segments(t, ours), segments(t, theirs)
	for _, name := range oldPartial {
		var err error
		got[name], err = os.ReadFile(filepath.Join(ours, name))
		require.NoError(t, err)
		want[name], err = os.ReadFile(filepath.Join(theirs, name))
		require.NoError(t, err)
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	sameFiles(t, got, want)
}

// oldPartials are the unfinished segments of all timelines but the newest.
func oldPartials(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+xlog.PartialSuffix))
	require.NoError(t, err)
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	require.Greater(t, len(names), 1)
	return names[:len(names)-1]
}

// TestManyTimelines is away while the server goes through three promotions, and then follows all of them, as
// pg_receivewal does beside it.
func TestManyTimelines(t *testing.T) {
	for _, major := range []int{12, 15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			pgserver.Require(t, major)
			s := pgserver.Start(t, small(major, nil))
			fill(t, s, 2)
			dir, path := archive(t)
			theirs := pgserver.TempDir(t)
			cfg := walreceiver.Config{ConnString: s.ConnString(), Sink: dir, ApplicationName: "many"}

			r := receive(t, cfg)
			r.until("streaming", func(s walreceiver.Status) bool { return s.State == walreceiver.StateStreaming })
			stop := func() {}
			if major == 15 {
				stop = receivewal(t, theirs, s.ConnString())
				eventually(t, "both", func() bool {
					return s.Value(t, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2"
				})
			}
			name := switchSegment(t, s)
			fill(t, s, 1)
			r.has(s)
			if major == 15 {
				archived(t, theirs, name)
			}
			r.stop()
			stop()

			for range 3 {
				newTimeline(t, s)
				fill(t, s, 2)
			}
			r = receive(t, cfg)
			if major == 15 {
				receivewal(t, theirs, s.ConnString())
			}
			name = switchSegment(t, s)
			end := r.has(s)
			require.Equal(t, 3, countEvents[walreceiver.TimelineSwitched](r), r.log())
			st := r.Status()
			require.Equal(t, xlog.TimelineID(4), st.ReceivedTimeline)
			require.GreaterOrEqual(t, st.FlushedLSN, end)
			require.Equal(t, 1, st.Connections, "one connection follows all timelines")
			archived(t, path, name)
			if major == 15 {
				archived(t, theirs, name)
				requireSameArchive(t, path, theirs, oldPartials(t, path)...)
			}
			sameFiles(t, segments(t, path), segments(t, filepath.Join(s.DataDir, "pg_wal")))
			for tli := xlog.TimelineID(2); tli <= 4; tli++ {
				_, err := dir.ReadHistory(tli)
				require.NoError(t, err)
			}
		})
	}
}

// TestPromotion streams from a standby while it is promoted, and then from a standby of that, promoted as well.
func TestPromotion(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, small(0, nil))
	fill(t, primary, 1)
	a := primary.Standby(t, small(0, nil))
	proxy := protocoltest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", a.Port))
	conninfo := fmt.Sprintf("host=%s port=%d user=postgres sslmode=disable", proxy.Host(), proxy.Port())

	dir, path := archive(t)
	theirs := pgserver.TempDir(t)
	r := receive(t, walreceiver.Config{ConnString: conninfo, Sink: dir})
	receivewal(t, theirs, conninfo)
	eventually(t, "both", func() bool {
		return a.Value(t, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2"
	})
	fill(t, primary, 3)
	end := flushLSN(t, primary)
	r.until("the primary's log", func(s walreceiver.Status) bool { return s.FlushedLSN >= end })

	require.NoError(t, primary.Stop(pgserver.Fast))
	require.NoError(t, a.Promote())
	fill(t, a, 2)
	name := switchSegment(t, a)
	r.has(a)
	require.Equal(t, xlog.TimelineID(2), r.Status().ReceivedTimeline)
	require.Equal(t, 1, r.Status().Connections)
	archived(t, theirs, name)

	b := a.Standby(t, small(0, nil))
	end = flushLSN(t, a)
	require.NoError(t, a.Stop(pgserver.Fast))
	require.NoError(t, b.Promote())
	proxy.SetTarget(fmt.Sprintf("127.0.0.1:%d", b.Port))
	fill(t, b, 2)
	name = switchSegment(t, b)
	r.has(b)
	require.Equal(t, xlog.TimelineID(3), r.Status().ReceivedTimeline)
	require.GreaterOrEqual(t, r.Status().FlushedLSN, end)
	archived(t, theirs, name)
	archived(t, path, name)
	requireSameArchive(t, path, theirs, oldPartials(t, path)...)
	r.stop()
}

// TestDiverged: a standby is promoted that lacks log which the receiver has from the old primary.
func TestDiverged(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, small(0, nil))
	fill(t, primary, 1)
	standby := primary.Standby(t, small(0, nil))
	eventually(t, "standby", func() bool {
		return primary.Value(t, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"
	})
	proxy := protocoltest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", primary.Port))
	cfg := walreceiver.Config{
		ConnString: fmt.Sprintf("host=%s port=%d user=postgres sslmode=disable", proxy.Host(), proxy.Port()),
	}
	dir, _ := archive(t)
	cfg.Sink = dir
	r := receive(t, cfg)
	r.has(primary)
	fork := flushLSN(t, primary)
	eventually(t, "standby has it", func() bool {
		return standby.Value(t, "SELECT pg_last_wal_receive_lsn() >= '"+fork.String()+"'") == "t"
	})
	// The standby hears nothing more.
	require.NoError(t, standby.Stop(pgserver.Fast))
	fill(t, primary, 1)
	end := r.has(primary)
	require.NoError(t, primary.Kill())
	require.NoError(t, standby.Configure(map[string]string{"primary_conninfo": ""}))
	require.NoError(t, standby.Start())
	require.NoError(t, standby.Promote())
	proxy.SetTarget(fmt.Sprintf("127.0.0.1:%d", standby.Port))

	st := r.until("the error", func(s walreceiver.Status) bool {
		return errors.Is(s.LastError, walreceiver.ErrDiverged)
	})
	diverged, _ := errors.AsType[*walreceiver.DivergedError](st.LastError)
	require.NotNil(t, diverged)
	require.True(t, walreceiver.Permanent(diverged))
	require.Equal(t, xlog.TimelineID(1), diverged.Timeline)
	require.Equal(t, xlog.TimelineID(2), diverged.ServerTimeline)
	require.GreaterOrEqual(t, diverged.Position, end)
	require.Less(t, diverged.SwitchPoint, end)
	require.Equal(t, walreceiver.StateReconnecting, st.State)
	require.GreaterOrEqual(t, st.FlushedLSN, end)
	r.stop()

	// After a restart the position is that of a segment's start, and still nothing is lost silently.
	r = receive(t, cfg)
	r.until("the error again", func(s walreceiver.Status) bool { _, ok := s.LastError.(*walreceiver.DivergedError); return ok })
	r.stop()

	// An archive may keep both.
	cfg.AllowFork = true
	r = receive(t, cfg)
	r.has(standby)
	require.Equal(t, xlog.TimelineID(2), r.Status().ReceivedTimeline)
	r.stop()
}
