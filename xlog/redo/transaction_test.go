// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// TestTransactions has transactions of all kinds, so many that they fill pages and files of what is known of them, some
// of which go again. What redo leaves is what a standby leaves.
func TestTransactions(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long: not with -short")
	}
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		source := pgreplay.RecordLoad(t, pgserver.Options{
			Major: major, WALSegmentMB: 1, Settings: map[string]string{
				"max_prepared_transactions": "10", "track_commit_timestamp": "on", "wal_level": "replica",
				"fsync": "off", "autovacuum": "off", "max_wal_size": "20GB",
			},
		}, pgreplay.Online, func(s *pgserver.Server) { loadTransactions(t, s) })
		standby := source.Standby(t)
		dir := filepath.Join(pgserver.TempDir(t), "redone")
		require.NoError(t, source.Copy(dir))
		redoCounting(t, Config{Dir: dir, ServerVersion: source.Version})
		report, err := pagecompare.Compare(standby, dir)
		require.NoError(t, err)
		t.Log(report)
		require.NoError(t, report.Err())
	})
}

// session runs statements on one connection.
type session struct {
	t    *testing.T
	conn *pgx.Conn
}

func newSession(t *testing.T, s *pgserver.Server, settings ...string) *session {
	conn, err := s.Connect(t.Context(), settings...)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &session{t, conn}
}

func (s *session) exec(statements ...string) {
	for _, sql := range statements {
		_, err := s.conn.Exec(s.t.Context(), sql)
		require.NoError(s.t, err, sql)
	}
}

func loadTransactions(t *testing.T, s *pgserver.Server) {
	a := newSession(t, s)
	a.exec(
		"CREATE TABLE t (i int PRIMARY KEY, v int)",
		"INSERT INTO t SELECT i, 0 FROM generate_series(1, 70000) i",
		"CREATE TABLE s (i int)",
		`CREATE PROCEDURE subs(n int) LANGUAGE plpgsql AS $$ BEGIN
			FOR i IN 1..n LOOP BEGIN INSERT INTO s VALUES (i); EXCEPTION WHEN division_by_zero THEN END; END LOOP;
		END $$`,
		"BEGIN; UPDATE t SET v = 1 WHERE i = 50; PREPARE TRANSACTION 'old'",
		"CHECKPOINT",
		"BEGIN; CALL subs(3); PREPARE TRANSACTION 'kept'",
		"COMMIT PREPARED 'kept'",
	)
	for range 1000 { // a page of pg_commit_ts begins at each place of some transaction
		a.exec("CALL subs(1)", "CALL subs(2)")
	}
	a.exec(
		"CALL subs(1000)",
		"BEGIN; CALL subs(100); ROLLBACK",
		"CHECKPOINT",
		"BEGIN; CALL subs(70); PREPARE TRANSACTION 'new'",
		"VACUUM FULL pg_class",
	)
	loadMultiXacts(t, s, a)
	loadOrigins(a)
	loadWithoutTimes(t, s)
}

// loadMultiXacts makes more multixacts than a file of their members holds, has them removed, and makes one more.
func loadMultiXacts(t *testing.T, s *pgserver.Server, a *session) {
	b := newSession(t, s)
	a.exec("ROLLBACK PREPARED 'old'", "BEGIN", "SELECT count(*) FROM (SELECT * FROM t FOR KEY SHARE) q")
	b.exec(`DO $$ BEGIN FOR n IN 1..70000 LOOP BEGIN
		UPDATE t SET v = 9 WHERE i = n; EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$`)
	a.exec("COMMIT", "COMMIT PREPARED 'new'", "ALTER DATABASE template0 ALLOW_CONNECTIONS true")
	for _, database := range []string{"template0", "template1", "postgres"} {
		d := newSession(t, s, "dbname="+database)
		d.exec("SET vacuum_multixact_freeze_min_age = 0", "SET vacuum_multixact_freeze_table_age = 0", "VACUUM (FREEZE)")
	}
	a.exec("BEGIN", "SELECT * FROM t WHERE i = 1 FOR KEY SHARE")
	b.exec("SELECT * FROM t WHERE i = 1 FOR KEY SHARE")
	a.exec("COMMIT")
}

func loadOrigins(a *session) {
	for _, name := range []string{"a", "b", "c"} {
		a.exec(fmt.Sprintf("SELECT pg_replication_origin_create('%s')", name),
			fmt.Sprintf("SELECT pg_replication_origin_advance('%s', '0/11')", name))
	}
	a.exec("SELECT pg_replication_origin_drop('b')", "SELECT pg_replication_origin_create('d')",
		"SELECT pg_replication_origin_advance('d', '0/44')")
}

// loadWithoutTimes does not record times for a while, and crashes then.
func loadWithoutTimes(t *testing.T, s *pgserver.Server) {
	restart := func(track string) *session {
		require.NoError(t, s.Configure(map[string]string{"track_commit_timestamp": track}))
		require.NoError(t, s.Restart(pgserver.Fast))
		return newSession(t, s)
	}
	restart("off").exec("CALL subs(10)")
	restart("on").exec("CALL subs(10)", "BEGIN; CALL subs(1); PREPARE TRANSACTION 'left'")
	open := newSession(t, s)
	open.exec("BEGIN", "CALL subs(10)")
	newSession(t, s).exec("CALL subs(10)")
	require.NoError(t, s.Kill())
	require.NoError(t, s.Start())
	newSession(t, s).exec("CALL subs(10)")
}

// redoCounting redoes the log of a directory and compares, at each checkpoint, what would be given away next.
func redoCounting(t *testing.T, cfg Config) {
	r, err := New(cfg)
	require.NoError(t, err)
	src := xlog.NewDirSource(r.dir.WALPath(), r.dir.SegmentSize)
	defer src.Close()
	_, start := r.Position()
	reader := xlog.NewReader(xlog.ReaderConfig{
		Dialect: r.dialect, SegmentSize: r.dir.SegmentSize, Source: src, Start: start, History: r.History(),
	})
	decoder := rmgr.NewDecoder(r.dialect)
	checkpoints, running := 0, 0
	for {
		rec, err := reader.Next()
		if err != nil {
			require.ErrorIs(t, err, xlog.ErrZeroed)
			break
		}
		payload, err := decoder.Decode(rec)
		require.NoError(t, err)
		before := r.Counters()
		require.NoError(t, r.Apply(rec))
		switch p := payload.(type) {
		case *rmgr.CheckPoint:
			checkpoints++
			sameCounters(t, p, before)
		case *rmgr.RunningXacts:
			running++
			sameRunning(t, p, r.Running())
		}
	}
	t.Logf("%d checkpoints, %d lists of running transactions", checkpoints, running)
	require.NotZero(t, checkpoints)
	require.NotZero(t, running)
	require.NoError(t, r.Shutdown())
}

// sameCounters compares the counters before a checkpoint with what the primary says.
func sameCounters(t *testing.T, p *rmgr.CheckPoint, c Counters) {
	require.Equal(t, p.NextXID, c.NextXID)
	require.Equal(t, p.NextMulti, c.NextMulti)
	require.Equal(t, p.NextMultiOffset, c.NextMultiOffset)
	require.Equal(t, p.OldestMulti, c.OldestMulti)
	if !p.Shutdown { // which gives back what was not used
		require.Equal(t, p.NextOID, c.NextOID)
	}
}

// sameRunning compares the transactions in progress with what the primary says.
func sameRunning(t *testing.T, p *rmgr.RunningXacts, r *Running) {
	require.True(t, r.Known())
	var want []uint32
	for i := range p.XIDs.Len() {
		want = append(want, p.XIDs.At(i))
	}
	require.Subset(t, r.XIDs(), want)
	require.Equal(t, p.NextXID-1, r.Newest())
}
