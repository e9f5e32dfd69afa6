// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver"
)

// backupOf takes a backup of a server into a new directory.
func backupOf(t *testing.T, s *pgserver.Server, edit func(cfg *walreceiver.BackupConfig)) (*walreceiver.BackupResult, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cfg := walreceiver.BackupConfig{
		ConnString: s.ConnString(), Dir: filepath.Join(pgserver.TempDir(t), "data"), FastCheckpoint: true,
		OnEvent: func(e walreceiver.Event) { t.Log(e) },
	}
	if edit != nil {
		edit(&cfg)
	}
	return walreceiver.BaseBackup(ctx, cfg)
}

// verify runs pg_verifybackup, which checks the WAL with pg_waldump too where the version is that of the tools.
func verify(t *testing.T, major int, dir string) {
	t.Helper()
	if major < 13 || major > pgserver.DefaultMajor+1 {
		return // no manifest, or one of a version that the tool does not know
	}
	pgserver.RequireTool(t, "pg_verifybackup")
	require.NoError(t, pgserver.Chown(dir))
	args := []string{dir}
	if major != pgserver.DefaultMajor {
		args = append(args, "--no-parse-wal")
	}
	out, err := pgserver.Command(t.Context(), major, "pg_verifybackup", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("pg_verifybackup: %s", out)
}

// load writes to a server until it is stopped, and counts what was committed.
type load struct {
	committed atomic.Int64
	stop      context.CancelFunc
	done      chan error
}

func startLoad(t *testing.T, s *pgserver.Server) *load {
	t.Helper()
	s.SQL(t, `CREATE TABLE ledger (n bigint PRIMARY KEY, half bigint, filler text);
		CREATE TABLE filler AS SELECT g, repeat(md5(g::text), 20) AS f FROM generate_series(1, 20000) g`)
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel, done: make(chan error, 1)}
	conn, err := s.Connect(ctx)
	require.NoError(t, err)
	go func() {
		defer conn.Close(context.Background())
		for n := int64(1); ctx.Err() == nil; n++ {
			_, err := conn.Exec(context.Background(), `WITH u AS (UPDATE filler SET f = md5(f) WHERE g % 500 = $1 % 500)
				INSERT INTO ledger VALUES ($1, $1 * 2, repeat('x', 100))`, n)
			if err != nil {
				l.done <- err
				return
			}
			l.committed.Store(n)
		}
		l.done <- nil
	}()
	t.Cleanup(cancel)
	return l
}

func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	require.NoError(t, <-l.done)
}

// TestBaseBackupRestore takes a backup of every version under load and starts a server of that version on it.
func TestBaseBackupRestore(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		primary := pgserver.Start(t, pgserver.Options{Major: major})
		writes := startLoad(t, primary)
		var last walreceiver.BackupProgress
		before := writes.committed.Load()
		result, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
			cfg.Progress = func(p walreceiver.BackupProgress) { last = p }
		})
		require.NoError(t, err)
		writes.end(t)

		require.Equal(t, major, result.Server.Major())
		require.Equal(t, primary.Value(t, "SELECT system_identifier FROM pg_control_system()"),
			strconv.FormatUint(result.SystemID, 10))
		require.Less(t, result.Start.LSN, result.End.LSN)
		require.Positive(t, last.Done)
		require.Equal(t, last.Done, last.Total)
		if major >= 13 {
			require.Equal(t, result.Files, result.Verified)
			require.Equal(t, walreceiver.ChecksumCRC32C, result.Algorithm)
		}
		require.Empty(t, primary.SQL(t, "SELECT slot_name FROM pg_replication_slots"), "the temporary slot is gone")
		marked, err := walreceiver.IsIncomplete(result.Dir)
		require.NoError(t, err)
		require.False(t, marked)
		verify(t, major, result.Dir)

		copied := pgserver.Adopt(t, result.Dir, pgserver.Options{Major: major})
		rows, top := copied.SQL(t, "SELECT count(*), max(n), sum(half) FROM ledger"), int64(0)
		count, err := strconv.ParseInt(rows[0][0], 10, 64)
		require.NoError(t, err)
		top, err = strconv.ParseInt(rows[0][1], 10, 64)
		require.NoError(t, err)
		require.Equal(t, count, top, "no transaction is missing in between")
		require.GreaterOrEqual(t, count, before)
		require.Equal(t, fmt.Sprint(count*(count+1)), rows[0][2])
		t.Logf("PostgreSQL %d: %d files, %d bytes, %d checked, WAL %s to %s, %d of %d transactions in it",
			major, result.Files, result.Bytes, result.Verified, result.Start.LSN, result.End.LSN, count,
			writes.committed.Load())
	})
}

// TestBaseBackupExistingDirectory: nothing is touched where something is.
func TestBaseBackupExistingDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
	_, err := walreceiver.BaseBackup(t.Context(), walreceiver.BackupConfig{ConnString: "host=127.0.0.1 port=1", Dir: dir})
	require.ErrorIs(t, err, walreceiver.ErrNotEmpty)
	require.NoFileExists(t, filepath.Join(dir, walreceiver.IncompleteMarker))
}
