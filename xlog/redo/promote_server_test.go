// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
)

// promoteLoad is what a promoted server must have, and what it must not: the restore point is where it is promoted.
var promoteLoad = []string{
	"CREATE TABLE kept (n int PRIMARY KEY, t text)",
	"INSERT INTO kept SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 3000) i",
	"CREATE UNLOGGED TABLE u (n int PRIMARY KEY)",
	"INSERT INTO u VALUES (1)",
	"BEGIN; INSERT INTO kept VALUES (100000); PREPARE TRANSACTION 'old'",
	"CHECKPOINT",
	"BEGIN; INSERT INTO kept VALUES (100001); PREPARE TRANSACTION 'new'",
	"CREATE UNLOGGED TABLE v (n int PRIMARY KEY, t text)",
	"INSERT INTO v VALUES (1, 'x')",
	"CREATE SEQUENCE s; SELECT nextval('s')",
}

// openTransaction is in progress at the restore point.
const openTransaction = "BEGIN; INSERT INTO kept VALUES (-1); CREATE TABLE unfinished (n int); DELETE FROM kept WHERE n < 500"

func recordPromotion(t *testing.T, major int) *pgreplay.Source {
	return recordPromotionOf(t, pgserver.Options{Major: major})
}

func recordPromotionOf(t *testing.T, opts pgserver.Options) *pgreplay.Source {
	opts.Settings = map[string]string{"max_prepared_transactions": "5", "autovacuum": "off"}
	return pgreplay.RecordLoad(t, opts, pgreplay.Cold, func(s *pgserver.Server) {
		for _, sql := range promoteLoad {
			s.SQL(t, sql)
		}
		conn, err := s.Connect(t.Context())
		require.NoError(t, err)
		defer conn.Close(context.Background())
		for _, sql := range strings.Split(openTransaction, "; ") {
			_, err = conn.Exec(t.Context(), sql)
			require.NoError(t, err, sql)
		}
		s.SQL(t, "SELECT pg_create_restore_point('here')")
		s.SQL(t, "INSERT INTO kept VALUES (200000, 'later')")
	})
}

// promoteCopy replays a copy of the source up to the target and promotes it.
func promoteCopy(t *testing.T, source *pgreplay.Source, target redo.Target, settings string) (string, redo.Promotion) {
	dir := filepath.Join(pgserver.TempDir(t), "promoted")
	require.NoError(t, source.Copy(dir))
	if settings != "" {
		f, err := os.OpenFile(filepath.Join(dir, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString(settings)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	p, err := promoteDir(t, dir, source.Version, target)
	require.NoError(t, err)
	return dir, p
}

func promoteDir(t *testing.T, dir string, version int, target redo.Target) (redo.Promotion, error) {
	r, err := redo.New(redo.Config{Dir: dir, ServerVersion: version})
	require.NoError(t, err)
	_, err = r.Replay(t.Context(), redo.ReplayConfig{Target: target})
	require.NoError(t, err)
	return r.Promote(redo.PromoteConfig{Reason: target.String()})
}

// A directory that Promote leaves is one that was shut down: a server of every version starts on it with nothing to recover,
// and has what the log said.
func TestPromote(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		source := recordPromotion(t, major)
		dir, p := promoteCopy(t, source, redo.Target{Name: "here"}, "")
		require.Equal(t, xlog.TimelineID(1), p.OldTimeline)
		require.Equal(t, xlog.TimelineID(2), p.NewTimeline)
		requireShutDown(t, dir, p)
		requirePromotedRecords(t, dir, major, p)
		s := startPromoted(t, dir, major)
		require.Equal(t, "3000", one(t, s, "SELECT count(*) FROM kept"))
		require.Equal(t, "0", one(t, s, "SELECT count(*) FROM u"), "unlogged")
		require.Equal(t, "0", one(t, s, "SELECT count(*) FROM v"), "unlogged")
		require.Equal(t, "", one(t, s, "SELECT to_regclass('unfinished')::text"))
		s.SQL(t, "COMMIT PREPARED 'old'")
		s.SQL(t, "ROLLBACK PREPARED 'new'")
		s.SQL(t, "INSERT INTO u VALUES (1), (2)")
		s.SQL(t, "INSERT INTO v VALUES (7, 'x')")
		require.Equal(t, "3001", one(t, s, "SELECT count(*) FROM kept"))
		require.Equal(t, "34", one(t, s, "SELECT nextval('s')"))
		requireSound(t, s)
	})
}

func one(t *testing.T, s *pgserver.Server, sql string) string {
	t.Helper()
	return s.SQL(t, sql)[0][0]
}

// requireShutDown looks at the control file and at what must not be there any more.
func requireShutDown(t *testing.T, dir string, p redo.Promotion) {
	c := controlOf(t, dir)
	require.Equal(t, pgdata.DBShutdowned, c.State)
	require.Equal(t, p.NewTimeline, c.CheckPointCopy.ThisTimeLineID)
	require.Equal(t, c.CheckPoint, c.CheckPointCopy.Redo)
	require.Zero(t, c.MinRecoveryPoint)
	require.Greater(t, p.End, c.CheckPoint)
	require.NoFileExists(t, filepath.Join(dir, "standby.signal"))
	require.NoFileExists(t, filepath.Join(dir, "backup_label"))
	temps, err := filepath.Glob(filepath.Join(dir, "pg_wal", "xlogtemp*"))
	require.NoError(t, err)
	require.Empty(t, temps)
}

// requirePromotedRecords has pg_waldump print the records that we wrote.
func requirePromotedRecords(t *testing.T, dir string, major int, p redo.Promotion) {
	if major != pgserver.DefaultMajor {
		return // the only pg_waldump there is
	}
	require.NoError(t, pgserver.Chown(filepath.Join(dir, "pg_wal")))
	cmd := pgserver.Command(t.Context(), major, "pg_waldump", "-p", filepath.Join(dir, "pg_wal"), "-t", "2",
		"-s", p.Switch.String())
	out, _ := cmd.CombinedOutput() // it fails at the end of the log
	text := string(out)
	require.Contains(t, text, "END_OF_RECOVERY tli 2; prev tli 1; time ")
	redo := controlOf(t, dir).CheckPoint.String()
	require.Contains(t, text, "CHECKPOINT_SHUTDOWN redo "+redo+"; tli 2; prev tli 2; fpw true;")
	require.Equal(t, 2, strings.Count(text, "rmgr: "), text)
}

// startPromoted starts a server, which must not recover anything.
func startPromoted(t *testing.T, dir string, major int) *pgserver.Server {
	s := pgserver.Adopt(t, dir, pgserver.Options{Major: major, Settings: map[string]string{
		"max_prepared_transactions": "5", "log_min_messages": "info", "restore_command": "", "hot_standby": "on",
	}})
	log := s.Log()
	require.Contains(t, log, "database system was shut down at")
	for _, text := range []string{"redo starts", "in recovery", "not properly shut down", "PANIC", "FATAL"} {
		require.NotContains(t, log, text)
	}
	require.Equal(t, "f", one(t, s, "SELECT pg_is_in_recovery()"))
	return s
}

// requireSound stops the server and lets PostgreSQL's tools look at the files.
func requireSound(t *testing.T, s *pgserver.Server) {
	if s.Major != pgserver.DefaultMajor {
		return // the only tools there are
	}
	s.SQL(t, "CREATE EXTENSION IF NOT EXISTS amcheck")
	out, err := s.Command(t.Context(), "pg_amcheck", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "--all",
		"--install-missing", "--heapallindexed", "--parent-check").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, s.Stop(pgserver.Fast))
	out, err = s.Command(t.Context(), "pg_checksums", "--check", "-D", s.DataDir).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Where a server archives its log, the segment that the old timeline ends in is kept for the archive under another name, and
// what is behind it goes.
func TestPromoteArchiving(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, pgserver.DefaultMajor)
	source := recordPromotionOf(t, pgserver.Options{Major: pgserver.DefaultMajor, WALSegmentMB: 1})
	size := xlog.SegmentSize(1 << 20)
	dir, p := promoteCopy(t, source, redo.Target{Name: "here"}, "archive_mode = 'on'\narchive_command = 'false'\n")
	wal := filepath.Join(dir, "pg_wal")
	last := size.Name(1, size.Number(p.Switch))
	require.FileExists(t, filepath.Join(wal, last+".partial"))
	require.NoFileExists(t, filepath.Join(wal, last))
	for _, ready := range []string{last + ".partial.ready", "00000002.history.ready"} {
		require.FileExists(t, filepath.Join(wal, "archive_status", ready))
	}
	behind, err := filepath.Glob(filepath.Join(wal, "00000001*"))
	require.NoError(t, err)
	for _, name := range behind {
		require.LessOrEqual(t, filepath.Base(name), last+".partial")
	}
	history, err := os.ReadFile(filepath.Join(wal, "00000002.history"))
	require.NoError(t, err)
	require.Equal(t, "1\t"+p.Switch.String()+"\trestore point \"here\"\n", string(history))
	s := startPromoted(t, dir, pgserver.DefaultMajor)
	require.Equal(t, "3000", one(t, s, "SELECT count(*) FROM kept"))
}

// Recovery may end where a segment does, behind a switch to the next, which the new timeline then begins with. The second
// promotion goes on with the first one's history.
func TestPromoteAtSegmentEnd(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, pgserver.DefaultMajor)
	source := recordPromotionOf(t, pgserver.Options{Major: pgserver.DefaultMajor, WALSegmentMB: 1})
	dir := filepath.Join(pgserver.TempDir(t), "promoted")
	require.NoError(t, source.Copy(dir))
	target := appendSwitch(t, dir)
	for tli := xlog.TimelineID(2); tli < 4; tli++ {
		p, err := promoteDir(t, dir, source.Version, redo.Target{LSN: target})
		require.NoError(t, err)
		require.Equal(t, tli, p.NewTimeline)
		require.Equal(t, tli-1, p.OldTimeline)
		requireShutDown(t, dir, p)
		require.Equal(t, tli == 2, p.Switch%(1<<20) == 0)
		target = 0
		require.NoError(t, os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o600))
	}
	content, err := os.ReadFile(filepath.Join(dir, "pg_wal", "00000003.history"))
	require.NoError(t, err)
	history, err := xlog.ParseHistory(3, content)
	require.NoError(t, err)
	require.Len(t, history.Ancestors, 2)
	require.NoError(t, os.Remove(filepath.Join(dir, "standby.signal")))
	s := startPromoted(t, dir, pgserver.DefaultMajor)
	require.Equal(t, "3001", one(t, s, "SELECT count(*) FROM kept"))
}

// appendSwitch ends the log's last segment, and says where the record of it begins.
func appendSwitch(t *testing.T, dir string) xlog.LSN {
	cfg := logOf(t, dir)
	cfg.SystemID = controlOf(t, dir).SystemIdentifier
	r := xlog.NewReader(cfg)
	var last *xlog.Record
	for rec, err := r.Next(); err == nil; rec, err = r.Next() {
		last = rec.Clone()
	}
	w, err := xlog.NewWriter(xlog.WriterConfig{
		Dialect: cfg.Dialect, SegmentSize: cfg.SegmentSize, SystemID: cfg.SystemID, Timeline: 1,
		Start: last.End, Prev: last.LSN, Out: fileLog{filepath.Join(dir, "pg_wal"), cfg.SegmentSize},
	})
	require.NoError(t, err)
	begin, _, err := w.Switch()
	require.NoError(t, err)
	return begin
}

// fileLog writes to segments of timeline 1 that are there.
type fileLog struct {
	dir  string
	size xlog.SegmentSize
}

func (l fileLog) Write(lsn xlog.LSN, p []byte) error {
	f, err := os.OpenFile(filepath.Join(l.dir, l.size.Name(1, l.size.Number(lsn))), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(p, int64(l.size.Offset(lsn)))
	return errors.Join(err, f.Close())
}
