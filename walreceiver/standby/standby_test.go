// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// How long a test waits for what must happen, and how often it looks.
const (
	patience = 60 * time.Second
	tick     = 20 * time.Millisecond
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		os.Exit(childMain(dir))
	}
	goleak.VerifyTestMain(m)
}

// initStandby makes a standby of a server, in a directory that the servers' user can reach.
func initStandby(t *testing.T, primary *pgserver.Server, change func(*standby.InitConfig)) standby.Snapshot {
	t.Helper()
	cfg := standby.InitConfig{Primary: primary.ConnString(), Port: pgserver.FreePort()}
	cfg.Backup.Dir = filepath.Join(pgserver.TempDir(t), "data")
	cfg.Backup.FastCheckpoint = true
	if change != nil {
		change(&cfg)
	}
	snap, err := standby.Init(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pgserver.StopDirectory(snap.Dir, pgserver.Immediate)) })
	return snap
}

// start runs a standby until the test ends, or until the returned function is called, which gives Run's error.
func start(t *testing.T, cfg standby.Config) (s *standby.Standby, end func() error) {
	t.Helper()
	cfg.Backoff = walreceiver.Backoff{Min: 50 * time.Millisecond, Max: 200 * time.Millisecond}
	s, err := standby.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var ended atomic.Bool
	end = func() error {
		if ended.Swap(true) {
			return nil
		}
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = end() })
	return s, end
}

// waitState waits until a standby is in a state, with a last error that contains text.
func waitState(t *testing.T, s *standby.Standby, state, text string) standby.Status {
	t.Helper()
	var st standby.Status
	require.Eventually(t, func() bool {
		st = s.Status()
		return st.State == state && strings.Contains(st.LastError, text)
	}, patience, tick, "state %q with error %q never came; now: %+v", state, text, &st)
	return st
}

// caughtUp waits until everything the primary has is durable.
func caughtUp(t *testing.T, s *standby.Standby, primary *pgserver.Server) {
	t.Helper()
	end := primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	require.Eventually(t, func() bool {
		return primary.Value(t, "SELECT '"+s.Status().FlushedLSN.String()+"'::pg_lsn >= '"+end+"'::pg_lsn") == "t"
	}, patience, tick, "%s never became durable", end)
}

// TestInit: what init made passes pg_verifybackup, and a stock postgres carries on there as a standby of the primary.
func TestInit(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Password: "it's a \\ secret", HBA: []string{"local all all trust"}})
	primary.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000) i")
	snap := initStandby(t, primary, func(c *standby.InitConfig) { c.Slot = "mirror" })
	require.NotZero(t, snap.Verified)

	out, err := exec.Command(primary.Tool("pg_verifybackup"), snap.Dir).CombinedOutput()
	require.NoError(t, err, "pg_verifybackup: %s", out)
	require.Contains(t, string(out), "successfully verified")

	st, err := standby.ReadStatus(snap.Dir)
	require.NoError(t, err)
	require.Equal(t, standby.StateStopped, st.State)
	require.Equal(t, "mirror", st.Slot)
	require.Equal(t, snap.Port, st.Port)
	require.NotContains(t, st.Primary, "secret")

	info, err := os.Stat(snap.Dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	require.NoError(t, pgserver.Chown(snap.Dir))
	stock := pgserver.Adopt(t, snap.Dir, pgserver.Options{Major: primary.Major, Password: "it's a \\ secret", Port: snap.Port})
	require.Equal(t, "t", stock.Value(t, "SELECT pg_is_in_recovery()"))
	primary.SQL(t, "INSERT INTO t SELECT generate_series(1, 1000)")
	require.Eventually(t, func() bool { return stock.Value(t, "SELECT count(*) FROM t") == "2000" },
		patience, tick)
	require.Equal(t, "mirror", stock.Value(t, "SELECT slot_name FROM pg_stat_wal_receiver"))
	require.Equal(t, standby.ApplicationName, primary.Value(t, "SELECT application_name FROM pg_stat_replication"))
}

// TestRun: the standby streams, says so, and holds the directory; a second one and a postmaster are refused.
func TestRun(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	snap := initStandby(t, primary, nil)
	s, end := start(t, standby.Config{Dir: snap.Dir})
	waitState(t, s, "streaming", "")
	primary.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 10000) i")
	caughtUp(t, s, primary)

	_, err := standby.New(standby.Config{Dir: snap.Dir})
	require.ErrorIs(t, err, vfs.ErrLocked)

	require.Eventually(t, func() bool {
		st, err := standby.ReadStatus(snap.Dir)
		require.NoError(t, err)
		return st.Running && st.State == "streaming" && st.LagBytes == 0 && st.LagSeconds == 0 &&
			st.PID == os.Getpid() && st.Slot == standby.DefaultSlot && st.Starts == 1
	}, patience, tick)
	require.NoError(t, end())

	st, err := standby.ReadStatus(snap.Dir)
	require.NoError(t, err)
	require.False(t, st.Running)
	require.Equal(t, standby.StateStopped, st.State)
	require.NotZero(t, st.FlushedLSN)

	s, _ = start(t, standby.Config{Dir: snap.Dir})
	require.Equal(t, 2, waitState(t, s, "streaming", "").Starts)
}

// TestConditions: what happens to a standby when its primary, its slot, its network or its password fails it, and that
// it goes on by itself when that is mended.
func TestConditions(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{HBA: []string{
		"host all postgres 127.0.0.1/32 trust", "host replication mirror 127.0.0.1/32 scram-sha-256",
	}})
	primary.SQL(t, "CREATE ROLE mirror LOGIN REPLICATION PASSWORD 'one'")
	proxy := protocoltest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", primary.Port))
	snap := initStandby(t, primary, func(c *standby.InitConfig) {
		c.Primary = fmt.Sprintf("host=127.0.0.1 port=%d user=mirror password=one sslmode=disable", proxy.Port())
	})
	s, _ := start(t, standby.Config{Dir: snap.Dir, ReceiveTimeout: 2 * time.Second})
	goesOn := func() {
		t.Helper()
		waitState(t, s, "streaming", "")
		primary.SQL(t, "SELECT txid_current()")
		caughtUp(t, s, primary)
	}
	goesOn()
	for _, c := range []struct {
		what, lastError string
		fail, mend      func()
	}{
		{"the primary restarts", "", func() { require.NoError(t, primary.Stop(pgserver.Fast)) },
			func() { require.NoError(t, primary.Start()) }},
		{"the primary crashes", "", func() { require.NoError(t, primary.Kill()) },
			func() { require.NoError(t, primary.Start()) }},
		{"the network drops", "", func() { proxy.Refuse(true); proxy.CutAll() }, func() { proxy.Refuse(false) }},
		{"the password is wrong", "password authentication failed",
			func() { primary.SQL(t, "ALTER ROLE mirror PASSWORD 'two'"); proxy.CutAll() },
			func() { primary.SQL(t, "ALTER ROLE mirror PASSWORD 'one'") }},
		{"the slot is dropped", "does not exist", func() { dropSlot(t, primary) },
			func() { primary.SQL(t, "SELECT pg_create_physical_replication_slot('walmirror', true)") }},
	} {
		t.Log(c.what)
		c.fail()
		waitState(t, s, "reconnecting", c.lastError)
		c.mend()
		goesOn()
	}
	require.NotContains(t, s.Status().LastError, "one")
	require.NotContains(t, s.Status().Primary, "one")
}

// dropSlot drops the slot of a standby that tries to use it.
func dropSlot(t *testing.T, primary *pgserver.Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		primary.SQL(t, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
		_, err := primary.Query(t.Context(), "SELECT pg_drop_replication_slot('walmirror')")
		return err == nil
	}, patience, time.Millisecond)
}

// TestWALRemoved: a standby without a slot that was away for too long says what is the matter.
func TestWALRemoved(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Settings: map[string]string{
		"max_wal_size": "32MB", "min_wal_size": "32MB", "wal_keep_size": "0",
	}})
	snap := initStandby(t, primary, func(c *standby.InitConfig) { c.NoSlot = true })
	require.Empty(t, snap.Slot)
	for range 4 {
		primary.SQL(t, "CREATE TABLE IF NOT EXISTS t (i int)")
		primary.SQL(t, "INSERT INTO t VALUES (1)")
		primary.SQL(t, "SELECT pg_switch_wal()")
		primary.SQL(t, "CHECKPOINT")
	}
	s, _ := start(t, standby.Config{Dir: snap.Dir})
	waitState(t, s, "reconnecting", "has already been removed")
}

// TestOtherSystem: a standby does not follow the server of another cluster.
func TestOtherSystem(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	snap := initStandby(t, primary, nil)
	other := pgserver.Start(t, pgserver.Options{})
	s, _ := start(t, standby.Config{Dir: snap.Dir, Primary: other.ConnString()})
	waitState(t, s, "reconnecting", "system identifier differs")
}

// TestActivate: activation refuses while the primary answers and changes nothing then; forced it goes on; a directory
// that was activated is no standby any more.
func TestActivate(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	snap := initStandby(t, primary, nil)
	s, end := start(t, standby.Config{Dir: snap.Dir})
	waitState(t, s, "streaming", "")
	primary.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000) i")
	caughtUp(t, s, primary)

	cfg := standby.ActivateConfig{Dir: snap.Dir, BinDir: primary.BinDir}
	require.NoError(t, pgserver.Chown(snap.Dir))
	_, err := standby.Activate(t.Context(), cfg)
	require.ErrorIs(t, err, standby.ErrPrimaryAlive)
	require.Equal(t, "streaming", s.Status().State)

	require.NoError(t, end())
	require.NoError(t, pgserver.Chown(snap.Dir))
	cfg.Force = true
	a, err := standby.Activate(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, snap.Port, a.Port)
	require.EqualValues(t, 2, a.NewTimeline)

	again, err := standby.Activate(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, a.PID, again.PID, "the server runs already")
	require.Equal(t, a.Switch, again.Switch)
	cfg.BinDir = ""
	_, err = standby.Activate(t.Context(), cfg)
	require.ErrorIs(t, err, standby.ErrActivated)
	_, err = standby.New(standby.Config{Dir: snap.Dir})
	require.ErrorIs(t, err, standby.ErrActivated)
}

// TestIncomplete: an interrupted snapshot is no standby, and says what it is.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cfg := standby.InitConfig{Primary: primary.ConnString()}
	cfg.Backup.Dir = filepath.Join(pgserver.TempDir(t), "data")
	cfg.Backup.FastCheckpoint = true
	cfg.Backup.Progress = func(p walreceiver.BackupProgress) {
		if p.Done > 1<<20 {
			cancel()
		}
	}
	_, err := standby.Init(ctx, cfg)
	require.ErrorIs(t, err, context.Canceled)
	for _, open := range []func() error{
		func() error { _, err := standby.New(standby.Config{Dir: cfg.Backup.Dir}); return err },
		func() error { _, err := standby.ReadStatus(cfg.Backup.Dir); return err },
		func() error {
			_, err := standby.Activate(t.Context(), standby.ActivateConfig{Dir: cfg.Backup.Dir, BinDir: primary.BinDir})
			return err
		},
	} {
		require.ErrorIs(t, open(), pgdata.ErrIncomplete)
	}
	require.Equal(t, "0", primary.Value(t, "SELECT count(*) FROM pg_replication_slots"), "the slot goes with the snapshot")
}

// TestLogGap: a standby whose pg_wal lacks a segment says which.
func TestLogGap(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	snap := initStandby(t, primary, nil)
	s, end := start(t, standby.Config{Dir: snap.Dir})
	for range 2 {
		primary.SQL(t, "SELECT pg_switch_wal()")
		primary.SQL(t, "SELECT txid_current()")
	}
	caughtUp(t, s, primary)
	require.NoError(t, end())
	number := snap.SegmentSize.Number(snap.Start.LSN) + 1
	require.NoError(t, os.Remove(filepath.Join(snap.Dir, "pg_wal", snap.SegmentSize.Name(1, number))))
	_, err := standby.New(standby.Config{Dir: snap.Dir})
	var gap *standby.LogGapError
	require.ErrorAs(t, err, &gap)
	require.Equal(t, number, gap.Number)
}
