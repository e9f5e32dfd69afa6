// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// childVar, when set, makes the test binary a standby on the directory that it names.
const childVar = "WALMIRROR_STANDBY_CHILD"

// childMain is a standby that has pages leave its cache all the time, and makes a restartpoint at every checkpoint. A
// record that cannot be applied ends it.
func childMain(dir string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the test does
		cancel()
	}()
	var failed atomic.Bool
	s, err := standby.New(standby.Config{
		Dir: dir, Backoff: walreceiver.Backoff{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond},
		Replay: standby.ReplayConfig{CacheBytes: 4 << 20, RestartTime: 1},
		OnEvent: func(e standby.Event) {
			fmt.Fprintln(os.Stderr, time.Now().UTC().Format(time.TimeOnly), e)
			if _, ok := e.(standby.ReplayStopped); ok {
				failed.Store(true)
				cancel()
			}
		},
	})
	if err == nil {
		err = s.Run(ctx)
	}
	if err != nil || failed.Load() {
		fmt.Fprintln(os.Stderr, "the standby failed:", err)
		return 1
	}
	return 0
}

// TestKilled kills a standby at random moments while the primary works, and starts it again each time. It ends with the
// files of stock servers that were started on copies of its directory as a kill had left it, and a server promoted on it
// shows what the primary showed.
func TestKilled(t *testing.T) {
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		t.Parallel()
		k := newKilled(t, major)
		load := beginLoad(t, k.primary)
		k.killOften(t)
		load.end(t)
		want := visibleIn(t, k.primary)
		last := k.finish(t)
		k.compare(t, last)
		k.promote(t, want)
	})
}

// killed is one run of the test.
type killed struct {
	primary *pgserver.Server
	dir     string // of the standby
	log     *os.File
	child   *exec.Cmd
	stocks  []*pgserver.Server // standbys on copies of dir
}

func newKilled(t *testing.T, major int) *killed {
	primary := pgserver.Start(t, pgserver.Options{Major: major, Settings: killSettings(major)})
	prepareLoad(t, primary)
	return newKilledOn(t, primary, initStandby(t, primary, nil).Dir)
}

func newKilledOn(t *testing.T, primary *pgserver.Server, dir string) *killed {
	k := &killed{primary: primary, dir: dir}
	var err error
	k.log, err = os.Create(filepath.Join(pgserver.TempDir(t), "standby.log"))
	require.NoError(t, err)
	k.start(t)
	t.Cleanup(func() {
		_ = k.child.Process.Kill()
		_ = k.child.Wait()
		if text, err := os.ReadFile(k.log.Name()); err == nil && t.Failed() {
			t.Logf("the standby's log:\n%s", text[max(0, len(text)-8000):])
		}
		k.log.Close()
	})
	return k
}

// start starts the standby.
func (k *killed) start(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	k.child = exec.Command(program)
	k.child.Env = append(os.Environ(), childVar+"="+k.dir)
	k.child.Stderr = k.log
	_, err = k.child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, k.child.Start())
}

// killOften kills the standby and starts it again. Some of the directories that are left become those of stock servers.
func (k *killed) killOften(t *testing.T) {
	kills, stocks := 4, 2
	if pgserver.Long() {
		kills, stocks = 50, 5
	}
	for i := range kills {
		k.kill(t)
		if (i+1)*stocks/kills > i*stocks/kills {
			k.addStock(t)
		}
		k.start(t)
	}
	t.Logf("PostgreSQL %d: %d kills, %d restartpoints before the last of them, %d stock servers", k.primary.Major, kills,
		k.restartpoints(t), len(k.stocks))
	require.NotZero(t, k.restartpoints(t))
}

// kill kills the standby after a while.
func (k *killed) kill(t *testing.T) {
	if before := k.restartpoints(t); rand.IntN(4) > 0 { // else it may be at its start
		require.Eventually(t, func() bool { return k.restartpoints(t) > before }, 2*patience, tick, "no restartpoint")
	}
	time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
	require.NoError(t, k.child.Process.Kill())
	_ = k.child.Wait()
	status := k.child.ProcessState.Sys().(syscall.WaitStatus)
	require.Equal(t, syscall.SIGKILL, status.Signal(), "the standby ended by itself")
}

// restartpoints is how many the standby made so far, in all its lives.
func (k *killed) restartpoints(t *testing.T) int {
	text, err := os.ReadFile(k.log.Name())
	require.NoError(t, err)
	return strings.Count(string(text), "restartpoint:")
}

// waitReplayed waits as long as the standby of that name gets on.
func (k *killed) waitReplayed(t *testing.T, name, lsn string) {
	t.Helper()
	end, err := xlog.ParseLSN(lsn)
	require.NoError(t, err)
	ask := fmt.Sprintf("SELECT coalesce(max(replay_lsn), '0/0') FROM pg_stat_replication WHERE application_name = '%s'", name)
	var at xlog.LSN
	for moved := time.Now(); at < end; time.Sleep(10 * tick) {
		now, err := xlog.ParseLSN(k.primary.Value(t, ask))
		require.NoError(t, err)
		if now != at {
			at, moved = now, time.Now()
		}
		require.Less(t, time.Since(moved), 4*patience, "%s got to %s, not to %s", name, at, end)
	}
}

// addStock starts a stock server, as a standby of the primary, on a copy of the directory that the killed standby left.
func (k *killed) addStock(t *testing.T) {
	dir := filepath.Join(pgserver.TempDir(t), "stock")
	_ = os.Remove(filepath.Join(k.dir, standby.WatchSocket)) // CopyFS copies none
	require.NoError(t, os.CopyFS(dir, os.DirFS(k.dir)))
	name := fmt.Sprintf("stock%d", len(k.stocks))
	require.NoError(t, pgdata.SetAutoConf(vfs.OS, dir,
		pgdata.Setting{Name: "primary_conninfo", Value: k.primary.ConnString("application_name=" + name)},
		pgdata.Setting{Name: "primary_slot_name", Value: ""},
		pgdata.Setting{Name: "hot_standby", Value: "off"}))
	k.stocks = append(k.stocks, pgserver.Adopt(t, dir, pgserver.Options{Major: k.primary.Major}))
}

// finish stops the primary when everyone has got everything. It returns where the last record begins, a checkpoint.
func (k *killed) finish(t *testing.T) xlog.LSN {
	k.primary.SQL(t, "CHECKPOINT")
	end := k.primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	k.waitReplayed(t, standby.ApplicationName, end)
	for i := range k.stocks {
		k.waitReplayed(t, fmt.Sprintf("stock%d", i), end)
	}
	require.NoError(t, k.primary.Stop(pgserver.Fast))
	return controlOf(t, k.primary.DataDir).CheckPoint
}

func controlOf(t *testing.T, dir string) *pgdata.ControlFile {
	control, err := pgdata.ReadControl(vfs.OS, dir)
	require.NoError(t, err)
	return control
}

// settle stops who replays on a directory, and starts it again for a while when it has not replayed the last record.
func settle(t *testing.T, dir string, last xlog.LSN, stop func() error, start func()) {
	for range 100 {
		require.NoError(t, stop())
		control := controlOf(t, dir)
		require.Equal(t, pgdata.DBShutdownedInRecovery, control.State)
		if control.CheckPoint == last {
			return
		}
		start()
		time.Sleep(200 * time.Millisecond)
	}
	require.Fail(t, "the last record was not replayed", "%s in %s", last, dir)
}

// compare compares the standby's directory with those of the stock servers. Free space maps are not in the log: which
// of their changes last depends on which pages had been written before a kill. And a kill may leave the new content of a
// small file under its temporary name, which a server leaves alone, as it does one of its own of 16 and newer
// (RELMAPPER_TEMP_FILENAME in relmapper.c).
func (k *killed) compare(t *testing.T, last xlog.LSN) {
	settle(t, k.dir, last, func() error {
		require.NoError(t, k.child.Process.Signal(syscall.SIGTERM))
		return k.child.Wait()
	}, func() { k.start(t) })
	for _, stock := range k.stocks {
		settle(t, stock.DataDir, last, func() error { return stock.Stop(pgserver.Fast) },
			func() { require.NoError(t, stock.Start()) })
		report, err := pagecompare.Compare(stock.DataDir, k.dir)
		require.NoError(t, err)
		require.NotZero(t, report.Total.Pages)
		t.Logf("PostgreSQL %d, a stock server on what a kill had left, and this:\n%s", stock.Major, report)
		require.LessOrEqual(t, report.Differing, len(report.Differences))
		for _, d := range report.Differences {
			require.Regexp(t, `_fsm|\.tmp$`, path.Base(d.File), "%s", d)
		}
	}
}

// promote has a server promoted on the directory, where PostgreSQL's own tools find everything sound.
func (k *killed) promote(t *testing.T, want visible) {
	require.NoError(t, pgdata.SetAutoConf(vfs.OS, k.dir,
		pgdata.Setting{Name: "primary_conninfo", Value: ""}, pgdata.Setting{Name: "autovacuum", Value: "off"}))
	s := pgserver.Adopt(t, k.dir, pgserver.Options{Major: k.primary.Major})
	require.NoError(t, s.Promote())
	got := visibleIn(t, s)
	require.Equal(t, len(want.relations), len(got.relations))
	for name, digest := range want.relations {
		require.Equal(t, digest, got.relations[name], name)
	}
	require.True(t, want.dump == got.dump, "pg_dumpall differs from the primary's")
	t.Logf("PostgreSQL %d: %d tables and sequences are as on the primary, and %d bytes of pg_dumpall", s.Major,
		len(want.relations), len(want.dump))
	s.SQL(t, "ROLLBACK PREPARED 'pending'")
	checkSound(t, s)
}
