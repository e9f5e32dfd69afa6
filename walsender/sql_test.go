// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walsender/pgsql"
	"github.com/walmirror/walmirror/xlog"
)

// comparedSQL is answered by a server of ours as by PostgreSQL: columns, types, rows, tags, and errors with their place.
var comparedSQL = []string{
	"", ";", " -- nothing\n", "SELECT 1", "select /* one */ 1, 'a''b', true, null as n, 5000000000;",
	"SELECT 'x' AS \"A b\", 2 two",
	"SELECT pg_is_in_recovery()", "SELECT pg_catalog.pg_is_in_recovery() AS r", "SELECT * FROM pg_is_in_recovery()",
	"SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()", "SELECT x FROM pg_last_wal_replay_lsn() AS y WHERE y IS NULL",
	"SELECT * FROM pg_stat_replication", "SELECT * FROM pg_catalog.pg_stat_replication",
	"SELECT s.pid, s.client_addr, write_lag FROM pg_stat_replication AS s WHERE state = 'streaming' ORDER BY pid LIMIT 0",
	"SELECT s.* FROM pg_stat_replication s WHERE pid = 1 AND reply_time IS NOT NULL ORDER BY 1 DESC, state LIMIT 3",
	"SELECT * FROM pg_replication_slots", "SELECT slot_name FROM pg_replication_slots WHERE active AND NOT temporary",
	"SELECT count(*) FROM pg_stat_replication", "SELECT count(*) AS n FROM pg_replication_slots WHERE slot_type <> 'logical'",
	"SELECT system_identifier FROM pg_control_system()", "SELECT pg_wal_lsn_diff('0/5000000', '0/1'::pg_lsn)",
	"SELECT pg_wal_lsn_diff('1/0', '2/00010000')", "SELECT '1/A'::pg_lsn::text, 12::text, true::text, '7'::int8, 'f'::boolean",
	"SELECT current_database(), current_user, session_user, user, current_catalog", "SELECT current_setting('DateStyle')",
	"SELECT current_setting('nonsense', true), current_setting('integer_datetimes')", "SELECT current_setting('nonsense')",
	"SELECT pg_catalog.set_config('search_path', '', false)", "SHOW search_path", "SHOW server_version", "SHOW TIME ZONE",
	"SET application_name TO 'a b'", "SHOW application_name", "RESET application_name", "SHOW application_name",
	"SET SESSION statement_timeout = 0", "SET nonsense = 1", "SET my.own = 'x, y'", "SHOW my.own", "RESET nonsense",
	"SHOW nonsense", "SELECT 1; SELECT 2", "SELECT 1; SELECT nonsense; SELECT 3", "SELECT 1 LIMIT 0", "SELECT 1 ORDER BY 2",
	"SELEC 1", "SELECT * FROM", "SELECT *", "SELECT é.pid FROM pg_stat_replication", "SELECT é, x FROM pg_stat_replication",
	"SELECT * FROM nonsense", "SELECT x.* FROM pg_stat_replication", "SELECT (1", "SELECT 'abc", "SELECT \"abc",
	"SELECT 1 /* x",
	"SELECT 1 FROM pg_stat_replication WHERE", "SELECT 'x'::nonsense", "SELECT 'x'::pg_lsn", "SELECT 'x'::int", "SELECT $1",
	"DISCARD ALL", "DEALLOCATE ALL", "SHOW", "SET x", "SELECT )", "123", "SELECT 1 WHERE false", "SELECT 2 WHERE true",
	"SELECT pg_last_wal_receive_lsn() WHERE 1 < 2 AND 'b' > 'a' AND 2 >= 2 AND 3 != 4 AND NOT false",
	"SELECT a.pid, b.slot_name FROM pg_stat_replication a JOIN pg_replication_slots b ON a.pid = b.active_pid",
	"SELECT pid FROM pg_stat_replication WHERE pid = 1 OR pid = 2 OR state LIKE 'x%'",
	"SELECT CASE WHEN true THEN 1 END, 1 + 1",
	"SELECT max(pid), count(*) FROM pg_stat_replication", "SELECT state, count(*) FROM pg_stat_replication GROUP BY state",
	"SELECT * FROM pg_stat_wal_receiver", "SELECT pg_is_in_recovery() AND true, now() - now(), now() = now()",
	"SELECT (now() - '2020-01-01 00:00:00+00'::timestamptz) > interval '1 day' AS late",
	"SELECT coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), -1) AS lag",
	"SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())::int AS lag",
	"WITH s AS (SELECT slot_name FROM pg_replication_slots) SELECT count(*) FROM s", "VALUES (1), (2)",
	"SELECT application_name || '!' FROM pg_stat_replication UNION ALL SELECT 'x' ORDER BY 1",
}

// TestSQLLikeServer asks a real server of each version the same as ours.
func TestSQLLikeServer(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		real := pgserver.Start(t, pgserver.Options{Major: major})
		ours := likeServer(t, real)
		ours.cfg.Source.(*still).pos.InRecovery = false
		compared := 0
		for _, mode := range []string{"", " replication=database"} {
			want, err := pgconn.Connect(t.Context(), real.ConnString("replication=false")+mode)
			require.NoError(t, err)
			defer want.Close(context.Background())
			got := connect(t, ours, "user=postgres dbname=postgres"+mode)
			for _, text := range comparedSQL {
				if mode != "" && strings.Contains(text, "pg_stat_replication") {
					continue // a row with a PID
				}
				a, b := runSQL(t, want, text), runSQL(t, got, text)
				if strings.Contains(a, "|") && mode != "" {
					continue // the lexer of replication commands comes first there
				}
				assert.Equal(t, a, b, text)
				compared++
			}
		}
		require.Greater(t, compared, len(comparedSQL))
		t.Logf("%d statements compared", compared)
	})
}

// runSQL is run without what a server knows of functions and their arguments.
func runSQL(t *testing.T, conn *pgconn.PgConn, text string) string {
	a := run(t, conn, text)
	before, _, _ := strings.Cut(a, "|No function matches")
	return before
}

func TestSQLRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	conn := connect(t, s, "")
	for _, text := range []string{
		"INSERT INTO t VALUES (1)", "SELECT pid, count(*) FROM pg_stat_replication", "SELECT 1 INTO t", "SELECT 1 FOR UPDATE",
		strings.Repeat("SELECT 1;", 200), "SELECT " + strings.Repeat("(", 100000), "SELECT pg_current_wal_lsn()",
		"SELECT pg_wal_lsn_diff(1, 2)", "SELECT now() FROM a, b", "ATTACH DATABASE 'x' AS y", "PRAGMA table_info(x)",
		"SELECT * FROM sqlite_master", "SELECT load_extension('x')", "SELECT writefile('x', 'y')", "SELECT pg(0)",
		"SELECT * FROM pgrows(0)", "SELECT * FROM pragma_database_list", "SELECT randomblob(1)", "SELECT sqlite_version()",
		"WITH RECURSIVE t AS (SELECT 1) SELECT * FROM t",
	} {
		_, err := conn.Exec(t.Context(), text).ReadAll()
		require.Error(t, err, text)
	}
	_, err := connect(t, s, "replication=true").Exec(t.Context(), "SELECT 1").ReadAll()
	require.ErrorContains(t, err, "cannot execute SQL commands in WAL sender for physical replication")
}

// TestSQLEnds: a query that takes too long, or that its client cancels, ends; so does one at the server's end.
func TestSQLEnds(t *testing.T) {
	t.Parallel()
	const long = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
	s := serve(t, Config{QueryTimeout: 10 * time.Minute})
	conn := connect(t, s, "")
	_, err := conn.Exec(t.Context(), "SET statement_timeout = '50ms'; "+long).ReadAll()
	require.ErrorContains(t, err, "canceling statement due to statement timeout (SQLSTATE 57014)")
	r := conn.ExecParams(t.Context(), long, nil, nil, nil, nil).Read()
	require.ErrorContains(t, r.Err, "canceling statement due to statement timeout (SQLSTATE 57014)")
	_, err = conn.Exec(t.Context(), "SET statement_timeout = 0").ReadAll()
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), long).ReadAll()
		done <- err
	}()
	waitFor(t, "the cancelled query", func() bool {
		require.NoError(t, conn.CancelRequest(t.Context()))
		select {
		case err := <-done:
			require.ErrorContains(t, err, "canceling statement due to user request")
			return true
		default:
			return false
		}
	})
	require.Len(t, query(t, conn, "SELECT 1").Rows, 1)
	short := serve(t, Config{QueryTimeout: 50 * time.Millisecond})
	_, err = connect(t, short, "").Exec(t.Context(), long).ReadAll()
	require.ErrorContains(t, err, "SQLSTATE 57014")
}

func connectPgx(t *testing.T, s *Server, mode pgx.QueryExecMode) *pgx.Conn {
	cfg, err := pgx.ParseConfig(connString(s, ""))
	require.NoError(t, err)
	cfg.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

var execModes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec,
	pgx.QueryExecModeSimpleProtocol,
}

// TestPgx reads values of every type in all the ways in which pgx asks.
func TestPgx(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{Source: newStill(180000)})
	streamer := connect(t, s, "replication=true application_name=who")
	_ = streamer
	for _, mode := range execModes {
		conn := connectPgx(t, s, mode)
		for range 2 {
			var pid int32
			var addr netip.Addr
			var started, at time.Time
			var diff pgtype.Numeric
			var name, state string
			var lag *time.Duration
			err := conn.QueryRow(t.Context(), "SELECT pid, client_addr, backend_start, application_name, state, now(), write_lag,"+
				" pg_wal_lsn_diff('1/2345678', '0/1') FROM pg_stat_replication WHERE application_name = $1 AND pid > $2", "who", 0).
				Scan(&pid, &addr, &started, &name, &state, &at, &lag, &diff)
			require.NoError(t, err, mode)
			require.Equal(t, "startup", state)
			require.Equal(t, netip.MustParseAddr("127.0.0.1"), addr)
			require.WithinDuration(t, time.Now(), started, time.Minute)
			require.WithinDuration(t, time.Now(), at, time.Minute)
			require.Nil(t, lag)
			n, err := diff.Int64Value()
			require.NoError(t, err)
			require.Equal(t, int64(0x102345677), n.Int64)
		}
		_, err := conn.Exec(t.Context(), "SELECT nonsense")
		require.ErrorContains(t, err, `column "nonsense" does not exist`)
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		var version string
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT version()").Scan(&version))
		require.Equal(t, "PostgreSQL 18.0 (walmirror)", version)
		require.NoError(t, tx.Commit(t.Context()))
	}
}

// TestExtended goes through messages that pgx does not send.
func TestExtended(t *testing.T) {
	t.Parallel()
	conn := connectPgx(t, serve(t, Config{}), pgx.QueryExecModeExec).PgConn()
	_, err := conn.Prepare(t.Context(), "a", "SELECT $1, $2::int4, pg_wal_lsn_diff($3, '0/0')", []uint32{pgsql.Bool})
	require.NoError(t, err)
	_, err = conn.Prepare(t.Context(), "a", "SELECT 1", nil)
	require.ErrorContains(t, err, `prepared statement "a" already exists`)
	r := conn.ExecPrepared(t.Context(), "a", [][]byte{{1}, []byte("42"), nil}, []int16{1, 0, 0}, []int16{0, 1, 0}).Read()
	require.NoError(t, r.Err)
	require.Equal(t, [][][]byte{{[]byte("t"), {0, 0, 0, 42}, nil}}, r.Rows)
	for _, bad := range []struct {
		values  [][]byte
		formats []int16
		want    string
	}{
		{[][]byte{{1}}, nil, "bind message supplies 1 parameters"},
		{[][]byte{{1, 2}, nil, nil}, []int16{1}, "incorrect binary data format"},
		{[][]byte{nil, []byte("x"), nil}, nil, `invalid input syntax for type integer: "x"`},
		{[][]byte{nil, nil, nil}, []int16{0, 0}, "2 formats but 3 parameters"},
		{[][]byte{nil, nil, nil}, []int16{7}, "unsupported format code: 7"},
	} {
		r := conn.ExecPrepared(t.Context(), "a", bad.values, bad.formats, nil).Read()
		require.ErrorContains(t, r.Err, bad.want)
	}
	require.NoError(t, conn.Deallocate(t.Context(), "a"))
	r = conn.ExecPrepared(t.Context(), "a", nil, nil, nil).Read()
	require.ErrorContains(t, r.Err, `prepared statement "a" does not exist`)
	r = conn.ExecParams(t.Context(), "", nil, nil, nil, nil).Read()
	require.NoError(t, r.Err)
	r = conn.ExecParams(t.Context(), "SELECT 1; SELECT 2", nil, nil, nil, nil).Read()
	require.ErrorContains(t, r.Err, "cannot insert multiple commands into a prepared statement")
}

// TestPreparedAreBounded: a client cannot make a session grow without end.
func TestPreparedAreBounded(t *testing.T) {
	t.Parallel()
	var set preparedSet
	for i := range maxPrepared {
		require.NoError(t, set.addStatement(string(rune(i)), &prepared{size: 10}))
	}
	require.Error(t, set.addStatement("more", &prepared{}))
	require.NoError(t, set.addStatement(string(rune(1)), &prepared{size: 10}))
	set = preparedSet{}
	require.NoError(t, set.addPortal("", &portal{size: maxPreparedBytes}))
	require.Error(t, set.addPortal("b", &portal{size: 1}))
	set.dropPortal("")
	require.Zero(t, set.bytes)
}

// TestSlotColumns: the view of slots has a row for every slot.
func TestSlotColumns(t *testing.T) {
	t.Parallel()
	source := newStill(170000)
	source.pos = Position{Timeline: 1, Flush: 0x3000000, History: xlog.History{Timeline: 1}}
	s := serve(t, Config{Source: source})
	query(t, connect(t, s, "replication=true"), "CREATE_REPLICATION_SLOT one TEMPORARY PHYSICAL RESERVE_WAL")
	r := query(t, connect(t, s, ""), "SELECT slot_name, slot_type, temporary, restart_lsn, two_phase FROM pg_replication_slots")
	require.Len(t, r.Rows, 1)
	require.Equal(t, "one physical t 0/3000000 f", strings.Join(texts(r.Rows[0]), " "))
}

func texts(row [][]byte) []string {
	var all []string
	for _, v := range row {
		all = append(all, string(v))
	}
	return all
}

func FuzzSQL(f *testing.F) {
	for _, text := range comparedSQL {
		f.Add(text)
	}
	source := newStill(170000)
	server := &Server{cfg: Config{Source: source, Slots: new(Slots)}, engine: pgsql.NewEngine(1)}
	f.Fuzz(func(t *testing.T, text string) {
		c := &session{server: server, settings: map[string]string{}}
		all, err := c.parseSQL(text, nil, true)
		if err != nil {
			_, ok := asProtocolError(err)
			require.True(t, ok)
			return
		}
		for _, analyze := range all {
			if s, err := analyze(t.Context()); err == nil && !strings.Contains(strings.ToLower(text), "slots") {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				rows, _, _ := s.run(ctx, nil)
				cancel()
				for _, row := range rows {
					encodeRow(row, s.columns, nil)
				}
			}
		}
	})
}

// FuzzExtended gives bodies of messages to a session that has a statement prepared.
func FuzzExtended(f *testing.F) {
	f.Add(byte('P'), []byte("a\x00SELECT $1::int4\x00\x00\x00"))
	f.Add(byte('B'), []byte("\x00s\x00\x00\x01\x00\x01\x00\x01\x00\x00\x00\x04abcd\x00\x00"))
	f.Add(byte('D'), []byte("Ss\x00"))
	f.Add(byte('E'), []byte("\x00\x00\x00\x00\x01"))
	f.Add(byte('C'), []byte("Ss\x00"))
	server := &Server{cfg: Config{Source: newStill(170000), Slots: new(Slots)}, engine: pgsql.NewEngine(1)}
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		c := &session{server: server, settings: map[string]string{}}
		all, err := c.parseSQL("SELECT $1::int4, $2::text", nil, false)
		require.NoError(t, err)
		s, err := all[0](t.Context())
		require.NoError(t, err)
		require.NoError(t, c.prepared.addStatement("s", &prepared{statement: s}))
		c.extended(context.Background(), typ, body)
		c.extended(context.Background(), 'E', []byte{0, 0, 0, 0, 0})
	})
}
