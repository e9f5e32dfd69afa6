// SPDX-License-Identifier: Apache-2.0

package walsender_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

const sumOfT = "SELECT count(*) || ' ' || sum(hashtext(i || x)) FROM t"

// restingStandby is a directory of a stock standby that was shut down after it had replayed everything.
func restingStandby(t *testing.T, major int) (source *directory, sum string) {
	t.Helper()
	primary := pgserver.Start(t, pgserver.Options{Major: major})
	primary.SQL(t, "CREATE TABLE t AS SELECT g AS i, repeat('x', 200) AS x FROM generate_series(1, 5000) g; CHECKPOINT")
	stock := primary.Standby(t, pgserver.Options{Major: major})
	primary.SQL(t, "UPDATE t SET x = md5(x) WHERE i % 3 = 0; CREATE INDEX ON t (i)")
	end := primary.Value(t, "SELECT pg_current_wal_lsn()")
	require.Eventually(t, func() bool {
		return stock.Value(t, "SELECT pg_last_wal_replay_lsn() >= '"+end+"'") == "t"
	}, patience, 20e6)
	require.NoError(t, stock.Stop(pgserver.Fast))
	version, err := strconv.Atoi(primary.Value(t, "SHOW server_version_num"))
	require.NoError(t, err)
	source = newDirectory(t, stock.DataDir, version)
	require.NoError(t, source.Scan())
	control, err := pgdata.ReadControl(vfs.OS, stock.DataDir)
	require.NoError(t, err)
	source.Update(func(p *walsender.Position) {
		p.InRecovery, p.Replay, p.Redo = true, p.Flush, control.CheckPointCopy.Redo
	})
	return source, primary.Value(t, sumOfT)
}

// TestBackupOfEachMajor: our client takes backups of a standby of every version from us, in the syntax of that version, and
// a server of the version starts on each.
func TestBackupOfEachMajor(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		source, sum := restingStandby(t, major)
		conninfo := serveBackups(t, source)
		for _, mode := range []walreceiver.WALMode{walreceiver.WALStream, walreceiver.WALFetch} {
			result, err := walreceiver.BaseBackup(t.Context(), walreceiver.BackupConfig{
				ConnString: conninfo, Dir: filepath.Join(pgserver.TempDir(t), "data"), WAL: mode, NoSync: true,
				FastCheckpoint: true, Progress: func(walreceiver.BackupProgress) {},
			})
			require.NoError(t, err)
			if major >= 13 {
				segments, err := filepath.Glob(filepath.Join(result.Dir, "pg_wal", "0000????????????????????"))
				require.NoError(t, err)
				if mode == walreceiver.WALStream {
					segments = nil
				}
				require.Equal(t, result.Files, result.Verified+len(segments))
			}
			require.NoError(t, os.Remove(filepath.Join(result.Dir, "standby.signal")))
			own(t, result.Dir)
			copied := pgserver.Adopt(t, result.Dir, pgserver.Options{Major: major})
			require.Equal(t, sum, copied.Value(t, sumOfT))
			require.NoError(t, copied.Stop(pgserver.Fast))
		}
	})
}

// TestPgBasebackupFromOlder: pg_basebackup takes backups from us as from servers that know options only as words.
func TestPgBasebackupFromOlder(t *testing.T) {
	t.Parallel()
	pgserver.RequireTool(t, "pg_basebackup")
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		if major >= pgserver.DefaultMajor { // of the tool's syntax, or too new for it
			return
		}
		source, sum := restingStandby(t, major)
		l := &liveStandby{conninfo: serveBackups(t, source)}
		for _, args := range [][]string{{"-X", "stream", "-P"}, {"-X", "fetch", "--max-rate=100M"}} {
			dir := l.pgBasebackup(t, args...)
			if major >= 13 {
				verifyBackup(t, dir, "--no-parse-wal")
			}
			own(t, dir)
			require.NoError(t, os.Remove(filepath.Join(dir, "standby.signal")))
			copied := pgserver.Adopt(t, dir, pgserver.Options{Major: major})
			require.Equal(t, sum, copied.Value(t, sumOfT))
			require.NoError(t, copied.Stop(pgserver.Fast))
		}
		archives := l.unpack(t, l.pgBasebackup(t, "-Ft", "-X", "fetch"))
		if major >= 13 {
			verifyBackup(t, archives, "--no-parse-wal")
		}
	})
}

// damage overwrites bytes in a block of pg_class.
func damage(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "base", "5", "1259"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	f, err := os.OpenFile(names[0], os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("damage"), 3*8192+5000)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestBackupFindsDamage: a page whose checksum is wrong is told of, and ends the backup with an error, unless nobody wants
// to know.
func TestBackupFindsDamage(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{InitdbArgs: []string{"--data-checksums"}})
	stock := primary.Standby(t, pgserver.Options{})
	require.NoError(t, stock.Stop(pgserver.Fast))
	source := newDirectory(t, stock.DataDir, 150018)
	require.NoError(t, source.Scan())
	conninfo := serveBackups(t, source)
	damage(t, stock.DataDir)

	for _, command := range []string{"BASE_BACKUP (VERIFY_CHECKSUMS true)", "BASE_BACKUP (VERIFY_CHECKSUMS false)"} {
		cfg, err := pgconn.ParseConfig(conninfo + " replication=true")
		require.NoError(t, err)
		var notices []string
		cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
		conn, err := pgconn.ConnectConfig(t.Context(), cfg)
		require.NoError(t, err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(t.Context(), command).ReadAll()
		if command == "BASE_BACKUP (VERIFY_CHECKSUMS false)" {
			require.NoError(t, err)
			continue
		}
		var failed *pgconn.PgError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "XX001", failed.Code)
		require.Equal(t, "checksum verification failure during base backup", failed.Message)
		require.Contains(t, notices[0], `checksum verification failed in file "./base/5/1259", block 3`)
	}
}

// TestBackupOfPrimary: the directory of a server that is no standby is refused, as its backup would have no end.
func TestBackupOfPrimary(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	source := newDirectory(t, primary.DataDir, 150018)
	conn, err := pgconn.Connect(t.Context(), serveBackups(t, source)+" replication=true")
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "BASE_BACKUP").ReadAll()
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "55000", refused.Code)
	require.Contains(t, refused.Message, "not a standby")
}
