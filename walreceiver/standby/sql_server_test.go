// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
)

// sqlStory is what there is in the primary when a standby is asked about it.
var sqlStory = []string{
	"CREATE TABLE public.t(id int PRIMARY KEY, name varchar(20), n numeric(10,2), at timestamptz(3), a text[])",
	`CREATE SCHEMA "Odd name"; CREATE TABLE "Odd name"."Tab"(x int, "Y z" text)`, "COMMENT ON TABLE public.t IS 'a comment'",
	"CREATE ROLE someone LOGIN CREATEDB PASSWORD 'secret'", "CREATE DATABASE other OWNER someone",
	"CREATE VIEW v AS SELECT 1 AS one; CREATE INDEX ti ON t(name); CREATE SEQUENCE s",
	"INSERT INTO t SELECT i, 'name ' || i, i, now(), '{a,b}' FROM generate_series(1, 1000) i; ANALYZE",
	"SELECT lo_from_bytea(0, repeat('x', 5000)::bytea); ALTER ROLE someone SET work_mem = '1MB'",
}

// sqlPair is a primary and a standby of ours that has replayed everything.
type sqlPair struct {
	primary *pgserver.Server
	standby *standby.Standby
	address string // how to reach ours
}

func newSQLPair(t *testing.T, major int, superusers ...string) *sqlPair {
	primary := pgserver.Start(t, pgserver.Options{Major: major, Settings: quiet})
	for _, text := range sqlStory {
		primary.SQL(t, text)
	}
	snap := initStandby(t, primary, nil)
	sender := serving(t, "")
	sender.Superusers = superusers
	s, _ := start(t, standby.Config{Dir: snap.Dir, Serve: sender})
	waitState(t, s, "streaming", "")
	applied(t, s, primary)
	return &sqlPair{primary, s, conninfoOf(sender)}
}

// connect opens both, in a database.
func (p *sqlPair) connect(t *testing.T, database string) (theirs, ours *pgconn.PgConn) {
	var conns [2]*pgconn.PgConn
	for i, conninfo := range []string{p.primary.ConnString(), p.address} {
		conn, err := pgconn.Connect(t.Context(), conninfo+" dbname="+database)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close(context.Background()) })
		conns[i] = conn
	}
	return conns[0], conns[1]
}

// sqlAnswer is what a server answers to a query: columns and rows, or the error.
func sqlAnswer(t *testing.T, conn *pgconn.PgConn, text string) (head string, rows []string) {
	results := conn.Exec(t.Context(), text)
	for results.NextResult() {
		r := results.ResultReader()
		for _, f := range r.FieldDescriptions() {
			head += fmt.Sprintf("%s:%d:%d:%d|", f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier)
		}
		for r.NextRow() {
			var row strings.Builder
			for _, v := range r.Values() {
				fmt.Fprintf(&row, "%t %s|", v == nil, v)
			}
			rows = append(rows, row.String())
		}
	}
	if err := results.Close(); err != nil {
		var e *pgconn.PgError
		require.True(t, errors.As(err, &e), "%s: %v", text, err)
		message, _, _ := strings.Cut(e.Message, "invalid regular expression:") // in Go's words
		return fmt.Sprintf("%s %s %d", e.Code, message, e.Position), nil
	}
	return head, rows
}

// TestSQLReadsCatalogs: the queries that are known to be answered like the server's are asked over the wire, every
// catalog of every database is read as a whole, and psql describes things as it does of the primary.
func TestSQLReadsCatalogs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../walsender/pgsql/testdata/compared.sql")
	require.NoError(t, err)
	queries := strings.Split(string(text), ";\n")
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		if testing.Short() && major != pgserver.DefaultMajor {
			t.Skip("one version is enough with -short")
		}
		pair := newSQLPair(t, major, "postgres")
		theirs, ours := pair.connect(t, "postgres")
		compared, rows := 0, 0
		for _, query := range queries {
			since := 0
			fmt.Sscanf(strings.TrimSpace(query), "-- since %d", &since)
			if since > major {
				continue
			}
			wantHead, want := sqlAnswer(t, theirs, query)
			gotHead, got := sqlAnswer(t, ours, query)
			if assert.Equal(t, wantHead, gotHead, query) && assert.Equal(t, want, got, query) {
				compared, rows = compared+1, rows+len(got)
			}
		}
		require.NotZero(t, compared)
		t.Logf("%d queries compared, %d rows", compared, rows)
		for _, database := range []string{"postgres", "template1", "other"} {
			pair.compareCatalogs(t, database)
		}
		if major == pgserver.DefaultMajor {
			pair.comparePsql(t)
		}
	})
}

// compareCatalogs reads every catalog of a database, whose rows come in no order.
func (p *sqlPair) compareCatalogs(t *testing.T, database string) {
	theirs, ours := p.connect(t, database)
	_, names := sqlAnswer(t, theirs, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'pg_catalog'::regnamespace")
	require.NotEmpty(t, names)
	rows := 0
	for _, name := range names {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "false "), "|")
		wantHead, want := sqlAnswer(t, theirs, "SELECT * FROM "+name)
		gotHead, got := sqlAnswer(t, ours, "SELECT * FROM "+name)
		slices.Sort(want)
		slices.Sort(got)
		if assert.Equal(t, wantHead, gotHead, name) && assert.Equal(t, want, got, name) {
			rows += len(got)
		}
	}
	t.Logf("%s: %d catalogs compared, %d rows", database, len(names), rows)
}

// comparePsql lets psql describe things in both.
func (p *sqlPair) comparePsql(t *testing.T) {
	psql := pgserver.RequireTool(t, "psql")
	for _, command := range []string{
		`\l`, `\dn`, `\dt`, `\dt *.*`, `\di`, `\ds`, `\dv`, `\du`, `\dg someone`, `\db`, `\dT int4`, `\dA`, `\d "Odd name"."Tab"`,
		`\dx`, `\dd`, `\drds`, `\dy`, `\d v`, `\d+ s`, `\dp t`, `\dC int4`, `\dO C`,
	} {
		var answers [2]string
		for i, conninfo := range []string{p.primary.ConnString(), p.address} {
			out, err := exec.CommandContext(t.Context(), psql, "-X", "-d", conninfo+" dbname=postgres", "-c", command).CombinedOutput()
			answers[i] = fmt.Sprint(string(out), err)
		}
		assert.Equal(t, answers[0], answers[1], command)
	}
}

// TestSQLHidesSecrets: who is no superuser here sees no passwords and no users' data.
func TestSQLHidesSecrets(t *testing.T) {
	t.Parallel()
	pair := newSQLPair(t, pgserver.DefaultMajor)
	_, ours := pair.connect(t, "postgres")
	for query, want := range map[string]string{
		"SELECT rolpassword FROM pg_authid WHERE rolname = 'someone'":                           "false ********|",
		"SELECT count(*) FROM pg_authid a WHERE a.rolpassword LIKE 'SCRAM%'":                    "false 0|",
		"SELECT max(b) FROM (SELECT rolpassword AS b FROM pg_catalog.pg_authid) q":              "false ********|",
		"SELECT count(*) FROM pg_authid JOIN pg_authid x USING (rolpassword) WHERE x.oid > 100": "false 1|",
	} {
		_, rows := sqlAnswer(t, ours, query)
		require.Equal(t, []string{want}, rows, query)
	}
	for _, table := range []string{"pg_statistic", "pg_largeobject", "pg_statistic_ext_data"} {
		head, _ := sqlAnswer(t, ours, "SELECT * FROM "+table)
		require.Equal(t, "42501 permission denied for table "+table+" 0", head)
	}
	head, _ := sqlAnswer(t, ours, "SELECT * FROM t")
	require.Contains(t, head, `0A000 "t" is no catalog`)
	elsewhere, err := pgconn.Connect(t.Context(), pair.address+" dbname=nonsense")
	require.NoError(t, err)
	defer elsewhere.Close(context.Background())
	head, _ = sqlAnswer(t, elsewhere, "SELECT * FROM pg_class")
	require.Equal(t, `3D000 database "nonsense" does not exist 0`, head)
	_, rows := sqlAnswer(t, elsewhere, "SELECT pg_is_in_recovery()")
	require.Equal(t, []string{"false t|"}, rows)
}

// TestSQLWithPgx asks with parameters, in all the ways of pgx, while the primary goes on.
func TestSQLWithPgx(t *testing.T) {
	t.Parallel()
	pair := newSQLPair(t, pgserver.DefaultMajor)
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec,
		pgx.QueryExecModeSimpleProtocol,
	} {
		cfg, err := pgx.ParseConfig(pair.address + " dbname=postgres")
		require.NoError(t, err)
		cfg.DefaultQueryExecMode = mode
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		require.NoError(t, err)
		defer conn.Close(context.Background())
		table := fmt.Sprintf("made_%d", mode)
		pair.primary.SQL(t, "CREATE TABLE "+table+"(id int PRIMARY KEY, b text)")
		applied(t, pair.standby, pair.primary)
		var oid uint32
		var columns []string
		var keys []int16
		var tuples float32
		var isTable bool
		err = conn.QueryRow(t.Context(), `SELECT c.oid, array_agg(a.attname ORDER BY a.attnum), max(k.conkey::text)::int2[],
			c.reltuples, c.relkind = 'r' FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > $2
			JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
			WHERE c.relname = $1 GROUP BY c.oid, c.reltuples, c.relkind`, table, 0).Scan(&oid, &columns, &keys, &tuples, &isTable)
		require.NoError(t, err, mode)
		require.Equal(t, []string{"id", "b"}, columns)
		require.Equal(t, []int16{1}, keys)
		require.True(t, isTable)
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE oid = $1", oid).Scan(&n))
		require.Equal(t, 1, n)
		var received, lag string
		var replayed *time.Time
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT pg_last_wal_receive_lsn()::text, pg_last_xact_replay_timestamp(),
			pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text`).Scan(&received, &replayed, &lag))
		require.NotNil(t, replayed)
		var status string
		var port int32
		require.NoError(t, conn.QueryRow(t.Context(),
			"SELECT status, sender_port FROM pg_stat_wal_receiver WHERE flushed_lsn IS NOT NULL").Scan(&status, &port))
		require.Equal(t, "streaming", status)
		require.EqualValues(t, pair.primary.Port, port)
	}
}
