// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender"
)

// quiet keeps a primary from changing anything by itself while it is compared.
var quiet = map[string]string{"autovacuum": "off"}

// serving is the configuration of a sender at an address, "" for any port.
func serving(t *testing.T, address string) *walsender.Config {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	return &walsender.Config{Listeners: []net.Listener{l}, StopTimeout: 10 * time.Second, OnEvent: func(e walsender.Event) {
		if e.Kind == walsender.EventPanic {
			t.Errorf("panic: %v\n%s", e.Err, e.Text)
		}
	}}
}

func addressOf(cfg *walsender.Config) string { return cfg.Listeners[0].Addr().String() }

// conninfoOf is how to reach a sender.
func conninfoOf(cfg *walsender.Config) string {
	_, port, _ := net.SplitHostPort(addressOf(cfg))
	return "host=127.0.0.1 user=postgres sslmode=disable port=" + port
}

// copyOf makes a standby of the server at conninfo, which may be ours.
func copyOf(t *testing.T, conninfo string) standby.Snapshot {
	t.Helper()
	cfg := standby.InitConfig{Primary: conninfo, Port: pgserver.FreePort()}
	cfg.Backup.Dir = filepath.Join(pgserver.TempDir(t), "data")
	cfg.Backup.FastCheckpoint = true
	snap, err := standby.Init(t.Context(), cfg)
	require.NoError(t, err)
	return snap
}

// realStandby makes a standby through the sender at conninfo, as a base backup of it, and starts PostgreSQL on it.
func realStandby(t *testing.T, major int, conninfo string) *pgserver.Server {
	t.Helper()
	snap := copyOf(t, conninfo)
	t.Cleanup(func() { require.NoError(t, pgserver.StopDirectory(snap.Dir, pgserver.Immediate)) })
	require.NoError(t, pgserver.Chown(snap.Dir))
	return pgserver.Adopt(t, snap.Dir, pgserver.Options{Major: major, Port: snap.Port, Settings: map[string]string{
		"wal_retrieve_retry_interval": "200ms", "wal_receiver_status_interval": "1s", "hot_standby_feedback": "on",
	}})
}

// load inserts n rows, and changes some. There is no sequence: standbys run ahead of the primary's.
func load(t *testing.T, primary *pgserver.Server, n int) {
	t.Helper()
	primary.SQL(t, `CREATE TABLE IF NOT EXISTS load (id bigint PRIMARY KEY, filler text)`)
	primary.SQL(t, `INSERT INTO load SELECT i, repeat(md5(i::text), 8) FROM
		(SELECT coalesce(max(id), 0) AS last FROM load) l, generate_series(last + 1, last + $1::int) i`, n)
	primary.SQL(t, `UPDATE load SET filler = 'x' WHERE id % 7 = 0`)
	primary.SQL(t, `DELETE FROM load WHERE id % 11 = 0`)
}

// replayedBy waits until a real standby has replayed everything that its primary, through whomever, has.
func replayedBy(t *testing.T, real, primary *pgserver.Server) {
	t.Helper()
	end := primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	require.Eventually(t, func() bool {
		return real.Value(t, "SELECT pg_last_wal_replay_lsn() >= '"+end+"'::pg_lsn") == "t"
	}, patience, tick, "%s was never replayed", end)
}

// dump is what a server holds: pg_dumpall's text, where that program is not too old for the server, and the rows of every
// table and catalog.
func dump(t *testing.T, s *pgserver.Server) string {
	t.Helper()
	rows := contents(t, s)
	if s.Major > pgserver.DefaultMajor {
		return rows
	}
	out, err := exec.Command(s.Tool("pg_dumpall"), "-d", s.ConnString(), "--no-sync").Output()
	require.NoError(t, err)
	text := regexp.MustCompile(`(?m)^\\(un)?restrict .*$`).ReplaceAllString(string(out), "")
	return rows + text
}

// contents is a line for every table and catalog of the database postgres, with a hash of its rows.
func contents(t *testing.T, s *pgserver.Server) string {
	t.Helper()
	tables := s.SQL(t, `SELECT c.oid::regclass FROM pg_class c WHERE relkind = 'r' AND relpersistence = 'p' ORDER BY 1::text`)
	require.NotEmpty(t, tables)
	var query strings.Builder
	for i, table := range tables {
		if i > 0 {
			query.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&query, `SELECT '%[1]s ' || count(*) || ' ' || coalesce(md5(string_agg(t::text, ' ' ORDER BY t::text)), '')
			FROM %[1]s t`,
			table[0])
	}
	var text strings.Builder
	for _, row := range s.SQL(t, query.String()+" ORDER BY 1") {
		text.WriteString(row[0] + "\n")
	}
	return text.String()
}

func requireSameData(t *testing.T, real, primary *pgserver.Server) {
	t.Helper()
	replayedBy(t, real, primary)
	want, got := dump(t, primary), dump(t, real)
	require.NotEmpty(t, want)
	require.True(t, strings.Contains(want, "load "), "the table is not among them")
	if want != got {
		a, b := firstDifference(want, got)
		t.Fatalf("the standby's data is not the primary's, first at %q, which is %q", a, b)
	}
	t.Logf("%d bytes say the same of both", len(want))
}

// firstDifference are the lines at which two texts begin to differ.
func firstDifference(a, b string) (string, string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i], y[i]
		}
	}
	return fmt.Sprint(len(x), " lines"), fmt.Sprint(len(y), " lines")
}

// promote stops the server, and starts it again on a new timeline.
func promote(t *testing.T, s *pgserver.Server) {
	t.Helper()
	require.NoError(t, s.Stop(pgserver.Fast))
	name := filepath.Join(s.DataDir, "standby.signal")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	require.NoError(t, pgserver.Chown(name))
	require.NoError(t, s.Start())
	require.NoError(t, s.Promote())
}

// TestCascade: a real standby is made from a standby of ours and follows the primary through it, over a promotion of the
// primary and a restart of ours; its data is the primary's at the end.
func TestCascade(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		primary := pgserver.Start(t, pgserver.Options{Major: major, Settings: quiet})
		testCascade(t, major, primary)
	})
}

func testCascade(t *testing.T, major int, primary *pgserver.Server) {
	load(t, primary, 2000)
	snap := initStandby(t, primary, nil)
	sender := serving(t, "")
	address := addressOf(sender)
	ours, end := start(t, standby.Config{Dir: snap.Dir, Serve: sender})
	waitState(t, ours, "streaming", "")
	consistent(t, ours)

	real := realStandby(t, major, conninfoOf(sender))
	load(t, primary, 2000)
	requireSameData(t, real, primary)
	stats := ours.Sender().Replication()
	require.Len(t, stats, 1)
	require.Equal(t, walsender.StateStreaming, stats[0].State)

	promote(t, primary)
	load(t, primary, 2000)
	requireSameData(t, real, primary)
	require.EqualValues(t, 2, ours.Status().Timeline)

	require.NoError(t, end())
	load(t, primary, 2000)
	sender = serving(t, address)
	start(t, standby.Config{Dir: snap.Dir, Serve: sender})
	requireSameData(t, real, primary)
	require.Equal(t, "t", real.Value(t, "SELECT pg_is_in_recovery()"))
	require.Equal(t, fmt.Sprint(2), real.Value(t, "SELECT received_tli FROM pg_stat_wal_receiver"))
}

// consistent waits until the standby could be copied.
func consistent(t *testing.T, s *standby.Standby) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Status().Replay.Consistent }, patience, tick, "never became consistent")
}

// TestChain: a chain of three standbys of ours, each made from the one before, with a real one at its end. Slots and what
// the last one's queries need are known up to the primary, and the log is kept while the last but one is away.
func TestChain(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{WALSegmentMB: 1, Settings: quiet})
	load(t, primary, 1000)
	var chain []*standby.Standby
	var end func() error
	conninfo, last := primary.ConnString(), standby.Config{}
	for i := range 3 {
		snap := copyOf(t, conninfo)
		sender := serving(t, "")
		last = standby.Config{Dir: snap.Dir, Serve: sender, StatusInterval: 200 * time.Millisecond}
		last.Replay.RestartTime = time.Millisecond // at every checkpoint
		conninfo = conninfoOf(sender)
		var s *standby.Standby
		s, end = start(t, last)
		waitState(t, s, "streaming", "")
		consistent(t, s)
		chain = append(chain, s)
		load(t, primary, 1000)
		t.Logf("standby %d: %s", i+1, snap.Dir)
	}
	real := realStandby(t, primary.Major, conninfo)
	requireSameData(t, real, primary)

	conn, err := real.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM load")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return primary.Value(t, "SELECT xmin IS NOT NULL FROM pg_replication_slots") == "t"
	}, patience, tick, "feedback never came to the primary")

	address := addressOf(last.Serve)
	require.NoError(t, end())
	keepsLogFor(t, primary, chain[1], standby.DefaultSlot)
	last.Serve = serving(t, address)
	chain[2], _ = start(t, last)
	requireSameData(t, real, primary)
	for i, s := range chain {
		slots := s.Sender().SlotStats()
		require.Len(t, slots, 1, "standby %d", i+1)
		require.True(t, slots[0].Active)
	}
}

// keepsLogFor writes log, with checkpoints, and finds that the standby keeps all of it for the slot, of which nobody makes
// use.
func keepsLogFor(t *testing.T, primary *pgserver.Server, s *standby.Standby, slot string) {
	t.Helper()
	stats := s.Sender().SlotStats()
	require.Len(t, stats, 1)
	require.Equal(t, slot, stats[0].SlotName)
	from := stats[0].RestartLSN
	require.True(t, from.Valid())
	for range 5 {
		load(t, primary, 3000)
		primary.SQL(t, "CHECKPOINT")
	}
	require.Eventually(t, func() bool { return s.Status().Replay.Restartpoint > from.Add(4<<20) }, patience, tick,
		"no restartpoint behind %s", from)
	require.Equal(t, from, s.Sender().SlotStats()[0].RestartLSN)
	require.Equal(t, walsender.WALReserved, s.Sender().SlotStats()[0].WALStatus)
}
