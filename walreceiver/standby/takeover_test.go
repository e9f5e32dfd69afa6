// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
)

// TestFollowed: the primary is lost. Those who follow our standby, a real server and one of ours with another real one
// behind it, stay through its activation: they go to the new timeline over our sender, and on when a server runs on the
// activated directory and takes over the address. The lost primary's machine comes back as a standby of that server.
func TestFollowed(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		if testing.Short() && major != pgserver.DefaultMajor {
			t.Skip("one version is enough with -short")
		}
		f := newFollowed(t, major)
		var last *pgserver.Server
		if major == pgserver.DefaultMajor {
			last = realStandby(t, major, conninfoOf(f.secondSender))
		}
		load(t, f.primary, 500)
		caughtUp(t, f.ours, f.primary)
		require.NoError(t, f.primary.Kill())
		p := f.activate(t)
		f.arrive(t, p.NewTimeline, p.End)
		next := f.startServer(t)
		f.goesOn(t, p, next)
		if last != nil {
			requireSameData(t, last, next)
			f.failBack(t, next)
			f.again(t, next, last)
		}
	})
}

// TestFollowedTorn: the primary is lost while it sends a record, of which the followers have a part as well. Real ones of
// some versions wait for the rest of it until the new timeline has come as far.
func TestFollowedTorn(t *testing.T) {
	t.Parallel()
	for _, major := range []int{12, pgserver.DefaultMajor} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			if testing.Short() && major != pgserver.DefaultMajor {
				t.Skip("one version is enough with -short")
			}
			pgserver.Require(t, major)
			f := newFollowed(t, major)
			caughtUp(t, f.ours, f.primary)
			before := f.ours.Status().FlushedLSN
			f.proxy.SetMode(protocoltest.Mode{CutAfter: 1 << 20})
			f.primary.SQL(t, "SELECT pg_logical_emit_message(false, 'long', repeat('x', 8000000))")
			require.Eventually(t, func() bool { // a cut may drop what was sent: it takes several to a busy machine
				return f.ours.Status().FlushedLSN > before.Add(1<<16)
			}, patience, tick)
			f.proxy.Refuse(true)
			waitState(t, f.ours, "reconnecting", "")
			require.NoError(t, f.primary.Kill())
			require.Eventually(t, func() bool { // what has come is flushed a little later
				return f.second.Status().FlushedLSN == f.ours.Status().FlushedLSN
			}, patience, tick)
			received := f.ours.Status().FlushedLSN
			p := f.activate(t)
			require.Less(t, p.Switch.Add(1<<16), received)
			f.goesOn(t, p, f.startServer(t))
		})
	}
}

// followed is a primary with a standby of ours that others follow.
type followed struct {
	primary *pgserver.Server
	proxy   *protocoltest.Proxy // between the primary and ours
	snap    standby.Snapshot
	sender  *walsender.Config
	ours    *standby.Standby
	end     func() error

	real   *pgserver.Server // follows ours
	second *standby.Standby // follows ours too

	secondSender *walsender.Config // of second
}

func newFollowed(t *testing.T, major int) *followed {
	settings := maps.Clone(quiet)
	if major%2 == 0 { // then the old timeline's last segment is renamed
		settings["archive_mode"], settings["archive_command"] = "on", "true"
	}
	f := &followed{primary: pgserver.Start(t, pgserver.Options{Major: major, Settings: settings}), sender: serving(t, "")}
	f.proxy = protocoltest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", f.primary.Port))
	load(t, f.primary, 500)
	f.snap = initStandby(t, f.primary, func(cfg *standby.InitConfig) {
		cfg.Primary = fmt.Sprintf("host=127.0.0.1 user=postgres sslmode=disable port=%d", f.proxy.Port())
	})
	f.ours, f.end = start(t, standby.Config{Dir: f.snap.Dir, Serve: f.sender, StatusInterval: 200 * time.Millisecond})
	waitState(t, f.ours, "streaming", "")
	consistent(t, f.ours)
	f.real = realStandby(t, major, conninfoOf(f.sender))

	cfg := standby.InitConfig{Primary: conninfoOf(f.sender), Slot: "second"}
	cfg.Backup.Dir = filepath.Join(pgserver.TempDir(t), "second")
	snap, err := standby.Init(t.Context(), cfg)
	require.NoError(t, err)
	f.secondSender = serving(t, "")
	f.second, _ = start(t, standby.Config{Dir: snap.Dir, Serve: f.secondSender})
	waitState(t, f.second, "streaming", "")
	consistent(t, f.second)
	return f
}

// activate has our standby take over. A slot that is dropped afterwards is none of the server's.
func (f *followed) activate(t *testing.T) redo.Promotion {
	f.says(t, "CREATE_REPLICATION_SLOT dropped PHYSICAL RESERVE_WAL")
	require.Equal(t, "t", f.says(t, "SELECT pg_is_in_recovery()"))
	received := f.ours.Status().FlushedLSN
	p, err := f.ours.Activate(t.Context())
	require.NoError(t, err)
	t.Logf("received to %s: %+v", received, p)
	require.EqualValues(t, 1, p.OldTimeline)
	require.EqualValues(t, 2, p.NewTimeline)
	require.Less(t, p.Switch, p.End)

	st := f.ours.Status()
	require.Equal(t, standby.StateActivated, st.State)
	require.Equal(t, standby.ReplayEnded, st.Replay.State)
	require.Equal(t, p, st.Activation.Promotion)
	control := controlOf(t, f.snap.Dir)
	require.Equal(t, pgdata.DBShutdowned, control.State)
	require.Equal(t, p.NewTimeline, control.CheckPointCopy.ThisTimeLineID)
	f.says(t, "DROP_REPLICATION_SLOT dropped")
	require.Equal(t, "f", f.says(t, "SELECT pg_is_in_recovery()"))
	require.Equal(t, "1", f.says(t, "SELECT count(*) FROM pg_class WHERE relname = 'load'"))
	return p
}

// says is the first value that our sender answers to a command.
func (f *followed) says(t *testing.T, command string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), conninfoOf(f.sender)+" replication=database dbname=postgres")
	require.NoError(t, err)
	defer conn.Close(t.Context())
	results, err := conn.Exec(t.Context(), command).ReadAll()
	require.NoError(t, err)
	if len(results) == 0 || len(results[0].Rows) == 0 {
		return ""
	}
	return string(results[0].Rows[0][0])
}

// arrive waits until the followers have replayed up to a position of the new timeline.
func (f *followed) arrive(t *testing.T, tli xlog.TimelineID, end xlog.LSN) {
	t.Helper()
	ask := fmt.Sprintf("SELECT pg_last_wal_replay_lsn() >= '%s' AND received_tli = %d FROM pg_stat_wal_receiver", end, tli)
	require.Eventually(t, func() bool {
		rows := f.real.SQL(t, ask)
		return len(rows) == 1 && rows[0][0] == "t"
	}, 2*patience, tick, "the real standby never came to %s on timeline %s", end, tli)
	require.Eventually(t, func() bool {
		st := f.second.Status()
		return st.Timeline == tli && st.Replay.Timeline == tli && st.Replay.LSN >= end
	}, 2*patience, tick, "our standby never came to %s on timeline %s", end, tli)
}

// startServer ends our standby, and starts a server on its directory and at its sender's address.
func (f *followed) startServer(t *testing.T) *pgserver.Server {
	_, port, err := net.SplitHostPort(addressOf(f.sender))
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	require.NoError(t, f.end())
	next := pgserver.Adopt(t, f.snap.Dir, pgserver.Options{Major: f.primary.Major, Port: number, Settings: quiet})
	require.NotContains(t, next.Log(), "redo starts")
	require.Equal(t, "f", next.Value(t, "SELECT pg_is_in_recovery()"))
	return next
}

// goesOn writes on the new primary, and finds it at the followers.
func (f *followed) goesOn(t *testing.T, p redo.Promotion, next *pgserver.Server) {
	load(t, next, 3000)
	end, err := xlog.ParseLSN(next.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	f.arrive(t, p.NewTimeline, end)
	requireSameData(t, f.real, next)
	require.Equal(t, [][]string{{"second", "t"}, {"walmirror", "t"}},
		next.SQL(t, "SELECT slot_name, active FROM pg_replication_slots ORDER BY 1"))

	st, err := standby.ReadStatus(f.snap.Dir)
	require.NoError(t, err)
	require.Equal(t, standby.StateActivated, st.State)
	require.False(t, st.Running)
	require.Equal(t, &standby.ServerStatus{PID: next.PID(), Port: next.Port, State: "ready"}, st.PostgreSQL)
	require.Equal(t, p, st.Activation.Promotion)
	_, err = standby.New(standby.Config{Dir: f.snap.Dir})
	require.ErrorIs(t, err, standby.ErrActivated)
}

// failBack makes the lost primary's machine a standby of its successor.
func (f *followed) failBack(t *testing.T, next *pgserver.Server) {
	cfg := standby.InitConfig{Primary: next.ConnString(), Slot: "failback"}
	cfg.Backup.Dir, cfg.Backup.FastCheckpoint = f.primary.DataDir, true
	before := controlOf(t, f.primary.DataDir)
	_, err := standby.Init(t.Context(), cfg)
	var old *standby.OldDirectoryError
	require.ErrorAs(t, err, &old)
	require.ErrorIs(t, err, walreceiver.ErrNotEmpty)
	require.True(t, old.Same)
	require.Contains(t, err.Error(), "--set-aside")
	require.Equal(t, before, controlOf(t, f.primary.DataDir))

	cfg.SetAside = true
	snap, err := standby.Init(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, f.primary.DataDir+".old", snap.SetAside)
	require.Equal(t, before, controlOf(t, snap.SetAside))
	require.NoFileExists(t, filepath.Join(snap.SetAside, "postmaster.pid"))
	back, _ := start(t, standby.Config{Dir: snap.Dir})
	waitState(t, back, "streaming", "")
	load(t, next, 100)
	caughtUp(t, back, next)
	require.EqualValues(t, 2, back.Status().Timeline)
}

// again loses the new primary too, and has the follower take over, which the last standby follows.
func (f *followed) again(t *testing.T, next, last *pgserver.Server) {
	caughtUp(t, f.second, next)
	require.NoError(t, next.Kill())
	p, err := f.second.Activate(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, p.OldTimeline)
	require.EqualValues(t, 3, p.NewTimeline)
	require.Eventually(t, func() bool {
		return last.Value(t, "SELECT pg_last_wal_replay_lsn() >= '"+p.End.String()+"'") == "t"
	}, 2*patience, tick, "the last standby never came to %s", p.End)
}

// TestTakeoverOrder: the order comes by a file, while replay is paused and nobody is served: everything received is
// replayed, and Run ends.
func TestTakeoverOrder(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Settings: quiet})
	snap := initStandby(t, primary, nil)
	s, err := standby.New(standby.Config{Dir: snap.Dir})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()
	waitState(t, s, "streaming", "")
	consistent(t, s)
	s.PauseReplay()
	load(t, primary, 2000)
	rows := primary.Value(t, "SELECT count(*) FROM load")
	caughtUp(t, s, primary)
	require.Equal(t, standby.ReplayPaused, s.Status().Replay.State)
	require.NoError(t, primary.Kill())
	require.NoError(t, os.WriteFile(filepath.Join(snap.Dir, standby.OrderFile), nil, 0o600))
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the standby does not take over")
	}
	require.NoFileExists(t, filepath.Join(snap.Dir, standby.OrderFile))
	_, err = s.Activate(t.Context()) // as the first order ended
	require.NoError(t, err)
	st, err := standby.ReadStatus(snap.Dir)
	require.NoError(t, err)
	require.Equal(t, standby.StateActivated, st.State)
	require.Nil(t, st.PostgreSQL)
	require.EqualValues(t, 2, st.Timeline)

	next := pgserver.Adopt(t, snap.Dir, pgserver.Options{Major: primary.Major})
	require.Equal(t, rows, next.Value(t, "SELECT count(*) FROM load"))
}

// TestTakeoverAtTarget: a standby that has come to its target is activated there, whatever it has received since.
func TestTakeoverAtTarget(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Settings: quiet})
	snap := initStandby(t, primary, nil)
	load(t, primary, 1000)
	rows := primary.Value(t, "SELECT count(*) FROM load")
	target := primary.Value(t, "SELECT pg_create_restore_point('before')")
	load(t, primary, 1000)
	cfg := standby.Config{Dir: snap.Dir}
	cfg.Replay.Target.Name = "before"
	s, end := start(t, cfg)
	require.Eventually(t, func() bool { return s.Status().Replay.State == standby.ReplayAtTarget }, patience, tick)
	caughtUp(t, s, primary)
	require.NoError(t, primary.Kill())
	p, err := s.Activate(t.Context())
	require.NoError(t, err)
	require.Equal(t, target, p.Switch.String())
	require.NoError(t, end())
	next := pgserver.Adopt(t, snap.Dir, pgserver.Options{Major: primary.Major})
	require.Equal(t, rows, next.Value(t, "SELECT count(*) FROM load"))
}

// TestTakeoverFails: replay that cannot go on is no ground for a new timeline, and neither is a target that was not reached.
func TestTakeoverFails(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Settings: quiet})
	snap := initStandby(t, primary, nil)
	cfg := standby.Config{Dir: snap.Dir}
	cfg.Replay.Target.Name = "never"
	s, end := start(t, cfg)
	waitState(t, s, "streaming", "")
	_, err := s.Activate(t.Context())
	require.ErrorIs(t, err, redo.ErrTargetNotReached)
	require.ErrorIs(t, end(), redo.ErrTargetNotReached)
	st, err := standby.ReadStatus(snap.Dir)
	require.NoError(t, err)
	require.Equal(t, standby.StateFailed, st.State)
	require.Nil(t, st.Activation)

	s, end = start(t, standby.Config{Dir: snap.Dir}) // nothing is lost
	waitState(t, s, "streaming", "")
	require.NoError(t, end())
	_, err = s.Activate(t.Context())
	require.ErrorIs(t, err, standby.ErrNotRunning)
}
