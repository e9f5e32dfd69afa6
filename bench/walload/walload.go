// SPDX-License-Identifier: Apache-2.0

// Package walload makes a real server write WAL of every kind: a load that reaches every resource manager and every
// record that SQL, a restart, a crash and a promotion can bring about.
//
//	load := walload.Run(t, walload.Options{Major: 17})
//	r := xlog.NewReader(load.Config(t)) // from load.Begin to load.End, over two timelines
//
// The load is in the SQL files beside this one. Their lines that begin with a backslash are directives, see script.go.
package walload

import (
	"context"
	"embed"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
)

//go:embed *.sql
var scripts embed.FS

// Parts are the scripts in the order in which they run. The last leaves the server on timeline 2.
var Parts = []string{"heap", "index", "system", "twophase", "replica", "minimal", "crash"}

// Replayable are the scripts whose log a standby replays to its end, in the order in which they run: all that a server
// writes with wal_level = minimal stops it.
var Replayable = []string{"heap", "index", "system", "twophase", "replica", "ddl", "crash"}

// Options says what server to load, and with what.
type Options struct {
	Major    int
	Settings map[string]string // beside those of the load
	Parts    []string          // nil: those of the variable Parts; each but ddl needs heap before it

	NoChecksums bool
	// Started, if not nil, is called before the load begins, such as to make a base backup.
	Started func(*Load)
	// Each, if not nil, is called for each statement in place of run, which it calls.
	Each func(l *Load, database, statement string, run func())
}

// Load is a server that has run the load, and where its records are.
type Load struct {
	*pgserver.Server
	Dialect     *xlog.Dialect
	SegmentSize xlog.SegmentSize
	Begin, End  xlog.LSN // of the load's records; more may follow
	Dir         string   // that the server may write to; the tablespaces are in it
}

const segmentMB = 1

// Run starts a server and runs the load on it. The server keeps all its log, and is closed at the test's end.
func Run(t testing.TB, opts Options) *Load {
	t.Helper()
	d, err := xlog.DialectForVersion(opts.Major * 10000)
	require.NoError(t, err)
	s := pgserver.Start(t, pgserver.Options{
		Major: opts.Major, WALSegmentMB: segmentMB, Settings: settings(opts), NoChecksums: opts.NoChecksums,
	})
	load := &Load{Server: s, Dialect: d, SegmentSize: segmentMB << 20}
	load.Dir, err = s.MakeDir("load")
	require.NoError(t, err)
	if opts.Started != nil {
		opts.Started(load)
	}
	load.Begin = load.lsn(t, "SELECT pg_current_wal_insert_lsn()")
	parts := opts.Parts
	if parts == nil {
		parts = Parts
	}
	began := time.Now()
	r := newRunner(t, load)
	r.each = opts.Each
	defer r.closeSessions()
	for _, part := range parts {
		text, err := scripts.ReadFile(part + ".sql")
		require.NoError(t, err)
		r.run(part, string(text))
	}
	load.End = load.lsn(t, "SELECT pg_current_wal_flush_lsn()")
	t.Logf("PostgreSQL %d wrote %d MB of WAL in %.1f s", opts.Major, load.End.Sub(load.Begin)>>20,
		time.Since(began).Seconds())
	return load
}

func settings(opts Options) map[string]string {
	all := map[string]string{
		"wal_level": "logical", "max_prepared_transactions": "10", "track_commit_timestamp": "on",
		"autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "20GB", "restart_after_crash": "off",
		"synchronous_commit": "off", "wal_keep_size": "20GB",
	}
	if opts.Major == 12 {
		delete(all, "wal_keep_size")
		all["wal_keep_segments"] = "20000"
	}
	maps.Copy(all, opts.Settings)
	return all
}

func (l *Load) lsn(t testing.TB, sql string) xlog.LSN {
	lsn, err := xlog.ParseLSN(l.Value(t, sql))
	require.NoError(t, err)
	return lsn
}

// WALDir is the directory of the log.
func (l *Load) WALDir() string { return filepath.Join(l.DataDir, "pg_wal") }

// History is the server's newest timeline.
func (l *Load) History(t testing.TB) xlog.History {
	names, err := filepath.Glob(filepath.Join(l.WALDir(), "*.history"))
	require.NoError(t, err)
	if len(names) == 0 {
		return xlog.History{Timeline: 1}
	}
	newest := slices.Max(names)
	content, err := os.ReadFile(newest)
	require.NoError(t, err)
	tli, err := xlog.ParseHistoryName(filepath.Base(newest))
	require.NoError(t, err)
	h, err := xlog.ParseHistory(tli, content)
	require.NoError(t, err)
	return h
}

// Config is how to read the load's records. What it opens is closed at the test's end.
func (l *Load) Config(t testing.TB) xlog.ReaderConfig {
	src := xlog.NewDirSource(l.WALDir(), l.SegmentSize)
	t.Cleanup(func() { src.Close() })
	return xlog.ReaderConfig{
		Dialect: l.Dialect, SegmentSize: l.SegmentSize, History: l.History(t), Source: src, Start: l.Begin,
	}
}

// runner runs scripts in sessions that stay open between statements.
type runner struct {
	t        testing.TB
	load     *Load
	sessions map[string]*pgx.Conn
	session  string // that statements go to
	skip     bool   // statements for another version
	mayFail  bool   // the next statement
	each     func(l *Load, database, statement string, run func())
}

func newRunner(t testing.TB, load *Load) *runner {
	return &runner{t: t, load: load, sessions: map[string]*pgx.Conn{}}
}

func (r *runner) closeSessions() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for name, conn := range r.sessions {
		_ = conn.Close(ctx)
		delete(r.sessions, name)
	}
}

// conn is the current session, "a" or "a/database".
func (r *runner) conn(ctx context.Context) *pgx.Conn {
	conn := r.sessions[r.session]
	if conn == nil {
		var extra []string
		if _, database, ok := strings.Cut(r.session, "/"); ok {
			extra = append(extra, "dbname="+database)
		}
		var err error
		conn, err = r.load.Connect(ctx, extra...)
		require.NoError(r.t, err)
		r.sessions[r.session] = conn
	}
	return conn
}

// statement runs a statement of a script.
func (r *runner) statement(sql string) {
	if r.each == nil {
		r.exec(sql)
		return
	}
	_, database, ok := strings.Cut(r.session, "/")
	if !ok {
		database = "postgres"
	}
	r.each(r.load, database, sql, func() { r.exec(sql) })
}

func (r *runner) exec(sql string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, err := r.conn(ctx).Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if !r.mayFail {
		require.NoError(r.t, err, sql)
	}
	r.mayFail = false
}
