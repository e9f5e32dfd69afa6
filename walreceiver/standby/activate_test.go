// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestPrimaryLost kills a primary in the middle of definitions and changes whose commits wait for our standby, and activates
// the standby without a PostgreSQL installation. Everything that was acknowledged is there, nothing that was not finished is,
// and a server starts on the directory with nothing to recover. It is the primary of the next round.
func TestPrimaryLost(t *testing.T) {
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		t.Parallel()
		rounds := 1
		switch {
		case pgserver.Long() && major == pgserver.DefaultMajor:
			rounds = 50
		case pgserver.Long():
			rounds = 3
		case major == pgserver.DefaultMajor && !testing.Short():
			rounds = 2
		}
		settings := killSettings(major)
		settings["synchronous_commit"] = "on"
		primary := pgserver.Start(t, pgserver.Options{Major: major, Settings: settings})
		prepareLoad(t, primary)
		primary.SQL(t, "CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE two (id int PRIMARY KEY, t text)")
		for n := range rounds {
			l := &loss{round: n, primary: primary, atRest: n%2 == 1 || major != pgserver.DefaultMajor}
			primary = l.play(t)
		}
	})
}

// loss is a round of the test.
type loss struct {
	round   int
	primary *pgserver.Server
	snap    standby.Snapshot
	atRest  bool // the standby ends before it is activated

	mu       sync.Mutex
	rows     []int // acknowledged, of both tables
	tables   []int // made
	prepared []int // transactions that wait
	done     []int // prepared transactions that were committed
	clients  sync.WaitGroup
}

func (l *loss) play(t *testing.T) *pgserver.Server {
	l.primary.SQL(t, fmt.Sprintf("CREATE UNLOGGED TABLE u%d (id int PRIMARY KEY); "+
		"INSERT INTO u%[1]d SELECT generate_series(1, 1000)", l.round))
	l.snap = initStandby(t, l.primary, nil)
	l.plantUnbegun(t)
	s, end := start(t, standby.Config{Dir: l.snap.Dir})
	l.waitSynchronous(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l.begin(t, ctx)
	require.Eventually(t, func() bool { return l.acknowledged() > 50 }, 4*patience, tick, "no commit is acknowledged")
	time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
	require.NoError(t, l.primary.Kill())
	stop()
	l.clients.Wait()
	if l.atRest {
		require.NoError(t, end())
	}
	began := time.Now()
	a, err := standby.Activate(t.Context(), standby.ActivateConfig{Dir: l.snap.Dir})
	require.NoError(t, err)
	t.Logf("PostgreSQL %d: timeline %s left %s at %s, after %.2f s; at rest: %t", l.primary.Major, a.NewTimeline,
		a.OldTimeline, a.Switch, time.Since(began).Seconds(), l.atRest)
	require.EqualValues(t, 2+l.round, a.NewTimeline)
	require.EqualValues(t, 1+l.round, a.OldTimeline)
	require.Contains(t, a.Command, "pg_ctl start -D "+l.snap.Dir)
	require.Zero(t, a.Serving)
	if !l.atRest {
		require.Equal(t, standby.StateActivated, s.Status().State)
		require.NoError(t, end())
	}
	return l.startServer(t, a)
}

// plantUnbegun leaves the segment that an activation leaves which did not come to its history file.
func (l *loss) plantUnbegun(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(l.snap.Dir, "pg_wal", fmt.Sprintf("%08X????????????????", l.round+1)))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	last := names[len(names)-1]
	content, err := os.ReadFile(last)
	require.NoError(t, err)
	name := fmt.Sprintf("%08X%s", l.round+2, filepath.Base(last)[8:])
	require.NoError(t, os.WriteFile(filepath.Join(l.snap.Dir, "pg_wal", name), content, 0o600))
}

func (l *loss) waitSynchronous(t *testing.T) {
	l.primary.SQL(t, "ALTER SYSTEM SET synchronous_standby_names = '"+standby.ApplicationName+"'")
	l.primary.SQL(t, "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		return l.primary.Value(t, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
	}, patience, tick, "the standby never became synchronous")
}

// begin starts the clients, which end when their server is gone.
func (l *loss) begin(t *testing.T, ctx context.Context) {
	bench := pgbench(ctx, l.primary, "-c", "1", "-T", "3600", "-R", "50")
	require.NoError(t, bench.Start())
	l.clients.Go(func() { _ = bench.Wait() })
	define := &killLoad{primary: l.primary}
	for _, client := range []func(context.Context, *pgx.Conn){
		l.insert, l.insert, l.create, l.prepare, l.neverEnd, define.define,
	} {
		conn, err := l.primary.Connect(t.Context())
		require.NoError(t, err)
		l.clients.Go(func() {
			client(ctx, conn)
			_ = conn.Close(context.Background())
		})
	}
}

// number is one that no round and no client has twice.
func (l *loss) number() int { return l.round*10_000_000 + rand.IntN(10_000_000) }

func (l *loss) acknowledge(list *[]int, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, n)
}

func (l *loss) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rows)
}

func run(ctx context.Context, conn *pgx.Conn, sql string, args ...any) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(sql, args...), pgx.QueryExecModeSimpleProtocol)
	return err
}

// insert writes a row into both tables at once.
func (l *loss) insert(ctx context.Context, conn *pgx.Conn) {
	for {
		n := l.number()
		if run(ctx, conn, "BEGIN; INSERT INTO one VALUES (%d); INSERT INTO two VALUES (%[1]d, repeat('x', %d)); COMMIT", n,
			rand.IntN(2000)) != nil {
			return
		}
		l.acknowledge(&l.rows, n)
	}
}

// create makes tables.
func (l *loss) create(ctx context.Context, conn *pgx.Conn) {
	for {
		n := l.number()
		if run(ctx, conn, "CREATE TABLE made%d (id serial PRIMARY KEY, t text)", n) != nil {
			return
		}
		l.acknowledge(&l.tables, n)
	}
}

// prepare prepares transactions, and commits half of them.
func (l *loss) prepare(ctx context.Context, conn *pgx.Conn) {
	for waiting := 0; ; {
		n := l.number()
		if run(ctx, conn, "BEGIN; INSERT INTO one VALUES (%d); INSERT INTO two VALUES (%[1]d); "+
			"PREPARE TRANSACTION 'p%[1]d'", n) != nil {
			return
		}
		if waiting++; waiting < 10 && n%2 == 0 {
			l.acknowledge(&l.prepared, n)
			continue
		}
		if run(ctx, conn, "COMMIT PREPARED 'p%d'", n) != nil {
			return
		}
		l.acknowledge(&l.done, n)
	}
}

// neverEnd is a transaction that nobody commits.
func (l *loss) neverEnd(ctx context.Context, conn *pgx.Conn) {
	if run(ctx, conn, "BEGIN; CREATE TABLE unfinished%d (n int)", l.round) != nil {
		return
	}
	insert := fmt.Sprintf("INSERT INTO unfinished%d VALUES (1); INSERT INTO one VALUES ", l.round)
	for n := l.round*10_000_000 + 1; run(ctx, conn, insert+"(-%d)", n) == nil; n++ {
	}
}

// startServer starts a server on the activated directory, and compares.
func (l *loss) startServer(t *testing.T, a standby.Activation) *pgserver.Server {
	control := controlOf(t, l.snap.Dir)
	require.Equal(t, pgdata.DBShutdowned, control.State)
	require.Equal(t, a.NewTimeline, control.CheckPointCopy.ThisTimeLineID)
	if l.primary.Major == pgserver.DefaultMajor {
		require.NoError(t, pgserver.Chown(l.snap.Dir))
		out, err := l.primary.Command(t.Context(), "pg_controldata", l.snap.Dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Regexp(t, `(?m)^Database cluster state: +shut down$`, string(out))
		require.Regexp(t, fmt.Sprintf(`(?m)^Latest checkpoint's TimeLineID: +%d$`, a.NewTimeline), string(out))
	}
	require.NoError(t, pgdata.SetAutoConf(vfs.OS, l.snap.Dir, pgdata.Setting{Name: "synchronous_standby_names", Value: ""},
		pgdata.Setting{Name: "primary_conninfo", Value: ""}))
	s := pgserver.Adopt(t, l.snap.Dir, pgserver.Options{Major: l.primary.Major})
	require.Contains(t, s.Log(), "database system was shut down at")
	for _, text := range []string{"redo starts", "not properly shut down", "archive recovery", "standby mode", "PANIC"} {
		require.NotContains(t, s.Log(), text)
	}
	l.compare(t, s)
	checkSound(t, s)
	require.NoError(t, s.Start())
	return s
}

// compare looks for everything that was acknowledged, and for what was not finished.
func (l *loss) compare(t *testing.T, s *pgserver.Server) {
	for _, n := range l.prepared {
		s.SQL(t, fmt.Sprintf("COMMIT PREPARED 'p%d'", n))
	}
	for _, row := range s.SQL(t, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()") {
		s.SQL(t, "ROLLBACK PREPARED '"+row[0]+"'") // prepared, and not acknowledged
	}
	one, two, tables := ids(t, s, "SELECT id FROM one"), ids(t, s, "SELECT id FROM two"),
		ids(t, s, "SELECT substr(relname, 5)::int FROM pg_class WHERE relname LIKE 'made%' AND relkind = 'r'")
	for what, list := range map[string][]int{"row": l.rows, "prepared row": l.prepared, "committed prepared row": l.done} {
		for _, n := range list {
			require.True(t, one[n] && two[n], "%s %d was acknowledged", what, n)
		}
	}
	require.Equal(t, one, two, "a transaction is there in part")
	for _, n := range l.tables {
		require.True(t, tables[n], "table made%d was acknowledged", n)
	}
	require.Equal(t, [][]string{{"0"}}, s.SQL(t, "SELECT count(*) FROM pg_class WHERE relname LIKE 'unfinished%'"))
	unlogged := fmt.Sprintf("u%d", l.round)
	require.Equal(t, "0", s.Value(t, "SELECT count(*) FROM "+unlogged))
	s.SQL(t, "INSERT INTO "+unlogged+" SELECT generate_series(1, 10)")
	t.Logf("PostgreSQL %d, round %d: %d rows, %d tables, %d prepared transactions and %d that were committed: all there",
		s.Major, l.round, len(l.rows), len(l.tables), len(l.prepared), len(l.done))
	require.NotEmpty(t, l.tables)
	require.NotEmpty(t, l.done)
}

func ids(t *testing.T, s *pgserver.Server, sql string) map[int]bool {
	conn, err := s.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	found := make(map[int]bool, len(list))
	for _, n := range list {
		found[n] = true
	}
	return found
}

// TestActivatePartial: log that an archive has in a segment it has not completed counts. Log that was received and cannot be
// read any more refuses.
func TestActivatePartial(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	snap := initStandby(t, primary, nil)
	s, end := start(t, standby.Config{Dir: snap.Dir})
	waitState(t, s, "streaming", "")
	primary.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000) i")
	caughtUp(t, s, primary)
	require.NoError(t, end())
	flushed := s.Status().FlushedLSN
	primary.SQL(t, "SELECT pg_switch_wal()")
	primary.SQL(t, "CREATE TABLE late AS SELECT generate_series(1, 1000) i")
	require.NoError(t, primary.Kill())

	for _, damage := range []func(p []byte){func(p []byte) { p[0] ^= 1 }, func(p []byte) { clear(p) }} {
		damaged := filepath.Join(pgserver.TempDir(t), "damaged")
		require.NoError(t, os.CopyFS(damaged, os.DirFS(snap.Dir)))
		at := (flushed - 20000) &^ 8191
		name := filepath.Join(damaged, "pg_wal", snap.SegmentSize.Name(1, snap.SegmentSize.Number(at)))
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		damage(content[snap.SegmentSize.Offset(at)+4000:][:4000])
		require.NoError(t, os.WriteFile(name, content, 0o600))
		_, err = standby.Activate(t.Context(), standby.ActivateConfig{Dir: damaged})
		require.ErrorContains(t, err, "what was acknowledged would be lost")
		require.FileExists(t, filepath.Join(damaged, "standby.signal"))
	}

	number := snap.SegmentSize.Number(flushed)
	for n, to := range map[xlog.SegmentNumber]string{number: "", number + 1: xlog.PartialSuffix} {
		name := snap.SegmentSize.Name(1, n)
		content, err := os.ReadFile(filepath.Join(primary.DataDir, "pg_wal", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(snap.Dir, "pg_wal", name+to), content, 0o600))
	}
	_, err := standby.Activate(t.Context(), standby.ActivateConfig{Dir: snap.Dir})
	require.NoError(t, err)
	server := pgserver.Adopt(t, snap.Dir, pgserver.Options{})
	require.Equal(t, "1000", server.Value(t, "SELECT count(*) FROM late"))
}
