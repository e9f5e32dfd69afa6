// SPDX-License-Identifier: Apache-2.0

package walsender_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

const patience = time.Minute

// directory is a data directory as a source of the log and of backups.
type directory struct {
	*walsender.DirSource
	walsender.BackupDir
}

func newDirectory(t *testing.T, path string, version int) *directory {
	t.Helper()
	data, err := pgdata.Open(vfs.OS, path)
	require.NoError(t, err)
	id := walsender.Identity{
		SystemID: data.SystemID, SegmentSize: data.SegmentSize, Dialect: data.Dialect, Flavour: data.Dialect.Flavour(),
		ServerVersion: version, ServerVersionText: fmt.Sprintf("%d.%d", version/10000, version%10000), DataDirectoryMode: 0o700,
	}
	source, err := walsender.NewDirSource(id, waldir.Config{Path: data.WALPath()})
	require.NoError(t, err)
	return &directory{source, walsender.BackupDir{Path: path}}
}

// serveBackups runs a server until the test ends, and gives how to reach it.
func serveBackups(t *testing.T, source walsender.Source) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err := walsender.New(walsender.Config{Source: source, Listeners: []net.Listener{l}})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		s.StopFast()
		require.NoError(t, <-done)
	})
	return conninfoOf(l)
}

// liveStandby is a standby of ours that follows a primary under load, and a server that takes backups of it.
type liveStandby struct {
	primary  *pgserver.Server
	standby  *standby.Standby
	conninfo string
	space    string // location of its tablespace
	writes   atomic.Int64
}

func startLiveStandby(t *testing.T) *liveStandby {
	t.Helper()
	l := &liveStandby{primary: pgserver.Start(t, pgserver.Options{
		InitdbArgs: []string{"--data-checksums"}, Settings: map[string]string{"checkpoint_timeout": "30s"},
	})}
	there, err := l.primary.MakeDir("space")
	require.NoError(t, err)
	l.primary.SQL(t, "CREATE TABLESPACE spc LOCATION '"+there+"'")
	l.primary.SQL(t, `CREATE EXTENSION amcheck;
		CREATE TABLE ledger (n bigint PRIMARY KEY, half bigint, filler text) TABLESPACE spc;
		CREATE TABLE filler AS SELECT g, repeat(md5(g::text), 20) AS f FROM generate_series(1, 20000) g;
		CREATE UNLOGGED TABLE fleeting AS SELECT g FROM generate_series(1, 1000) g; CREATE INDEX ON filler (f); CHECKPOINT`)
	dir := pgserver.TempDir(t)
	l.space = filepath.Join(dir, "space")
	cfg := standby.InitConfig{Primary: l.primary.ConnString(), Port: pgserver.FreePort()}
	cfg.Backup.Dir, cfg.Backup.FastCheckpoint = filepath.Join(dir, "data"), true
	cfg.Backup.TablespaceMapping = []walreceiver.TablespaceMapping{{Old: there, New: l.space}}
	snap, err := standby.Init(t.Context(), cfg)
	require.NoError(t, err)
	l.standby, l.conninfo = runStandby(t, snap.Dir, often)
	l.load(t)
	return l
}

// replayed waits until the standby has replayed what is committed, and gives how many commits those are.
func (l *liveStandby) replayed(t *testing.T) (writes int64) {
	t.Helper()
	writes = l.writes.Load()
	written, err := xlog.ParseLSN(l.primary.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return l.standby.Status().Replay.LSN >= written }, patience, 20*time.Millisecond)
	return writes
}

// often makes restartpoints all the time, and writes pages in between.
var often = standby.ReplayConfig{RestartBytes: 1 << 20, RestartTime: time.Second, CacheBytes: 8 << 20}

// runStandby replays a directory, and serves its log and backups, until the test ends.
func runStandby(t *testing.T, dir string, replay standby.ReplayConfig) (s *standby.Standby, conninfo string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err = standby.New(standby.Config{
		Dir: dir, Replay: replay, Serve: &walsender.Config{Listeners: []net.Listener{l}},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.Eventually(t, func() bool { return s.Status().Replay.Consistent }, patience, 20*time.Millisecond)
	return s, conninfoOf(l)
}

func conninfoOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "host=127.0.0.1 user=postgres sslmode=disable port=" + port
}

// load writes until the test ends.
func (l *liveStandby) load(t *testing.T) {
	t.Helper()
	conn, err := l.primary.Connect(context.Background())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		defer conn.Close(context.Background())
		for n := int64(1); ctx.Err() == nil; n++ {
			_, err := conn.Exec(context.Background(), `WITH u AS (UPDATE filler SET f = md5(f) WHERE g % 500 = $1 % 500)
				INSERT INTO ledger VALUES ($1, $1 * 2, repeat('x', 100))`, n)
			if err == nil && n%300 == 0 {
				_, err = conn.Exec(context.Background(), "CHECKPOINT")
			}
			if err != nil {
				done <- err
				return
			}
			l.writes.Store(n)
		}
		done <- nil
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.Eventually(t, func() bool { return l.writes.Load() >= 20 }, patience, 20*time.Millisecond)
}

// ownedDir is a directory in which the servers' user can write.
func ownedDir(t *testing.T) string {
	t.Helper()
	dir := pgserver.TempDir(t)
	require.NoError(t, pgserver.Chown(dir))
	return dir
}

// pgBasebackup runs pg_basebackup into a new directory.
func (l *liveStandby) pgBasebackup(t *testing.T, args ...string) (dir string) {
	t.Helper()
	dir = filepath.Join(ownedDir(t), "copy")
	all := append([]string{"-d", l.conninfo, "-D", dir, "-c", "fast", "--no-sync", "-w", "-v"}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := pgserver.Command(ctx, pgserver.DefaultMajor, "pg_basebackup", all...).CombinedOutput()
	require.NoError(t, err, "pg_basebackup %s: %s", args, out)
	return dir
}

// recovered starts a server on a copy, which ends recovery with the log that is there.
func recovered(t *testing.T, dir string) *pgserver.Server {
	t.Helper()
	for _, name := range []string{"standby.signal", "recovery.signal"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
	}
	own(t, dir)
	return pgserver.Adopt(t, dir, pgserver.Options{})
}

// start looks at everything that a copy has. least are the commits that had been replayed when the backup began.
func (l *liveStandby) start(t *testing.T, dir string, least int64) {
	t.Helper()
	s := recovered(t, dir)
	row := s.SQL(t, "SELECT count(*), max(n), sum(half) = max(n) * (max(n) + 1), max(n) >= $1 FROM ledger", least)[0]
	require.Equal(t, row[0], row[1])
	require.Equal(t, []string{"t", "t"}, row[2:])
	require.Equal(t, "20000", s.Value(t, "SELECT count(*) FROM filler WHERE f IS NOT NULL"))
	require.Equal(t, "0", s.Value(t, "SELECT count(*) FROM fleeting"), "an unlogged table is empty after recovery")
	checked := s.Value(t, `SELECT count(bt_index_check(c.oid, true)) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
		WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p'`)
	t.Logf("%s rows of the ledger, %s indexes checked", row[0], checked)
	require.NoError(t, s.Stop(pgserver.Fast))
	out, err := pgserver.Command(t.Context(), pgserver.DefaultMajor, "pg_checksums", "--check", "-D", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// own gives a copy and its tablespaces to the servers' user.
func own(t *testing.T, dir string) {
	t.Helper()
	links, err := filepath.Glob(filepath.Join(dir, "pg_tblspc", "*"))
	require.NoError(t, err)
	for _, name := range append(links, dir) {
		target, err := filepath.EvalSymlinks(name)
		require.NoError(t, err)
		require.NoError(t, pgserver.Chown(target))
	}
}

func verifyBackup(t *testing.T, dir string, args ...string) {
	t.Helper()
	out, err := pgserver.Command(t.Context(), pgserver.DefaultMajor, "pg_verifybackup", append(args, dir)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// unpack extracts the archives of pg_basebackup's tar format in dir into a new data directory.
func (l *liveStandby) unpack(t *testing.T, dir string) (data string) {
	t.Helper()
	data = filepath.Join(filepath.Dir(dir), "data")
	archives, err := filepath.Glob(filepath.Join(dir, "*.tar*"))
	require.NoError(t, err)
	for _, name := range archives {
		switch base := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)); {
		case strings.HasPrefix(base, "base"):
			extract(t, name, data)
		case strings.HasPrefix(base, "pg_wal"):
			extract(t, name, filepath.Join(data, "pg_wal"))
		default:
			oid, _, _ := strings.Cut(base, ".")
			space := filepath.Join(filepath.Dir(dir), oid)
			extract(t, name, space)
			defer l.link(t, data, oid, space)
		}
	}
	require.NoError(t, os.Chmod(data, 0o700))
	own(t, data)
	if err := os.Rename(filepath.Join(dir, "backup_manifest"), filepath.Join(data, "backup_manifest")); err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	return data
}

// link puts a tablespace where it was unpacked to.
func (l *liveStandby) link(t *testing.T, data, oid, space string) {
	t.Helper()
	spaces, err := pgdata.ReadTablespaceMap(vfs.OS, data, pgserver.DefaultMajor)
	require.NoError(t, err)
	require.Len(t, spaces, 1)
	require.Equal(t, l.space, spaces[0].Path)
	require.NoError(t, os.Symlink(space, filepath.Join(data, "pg_tblspc", oid)))
	require.NoError(t, os.Remove(filepath.Join(data, pgdata.TablespaceMapName)))
	own(t, data)
}

func extract(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	r, err := decompress(f, filepath.Ext(archive))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for members := tar.NewReader(r); ; {
		h, err := members.Next()
		if err == io.EOF {
			return
		}
		require.NoError(t, err, archive)
		name := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(name, 0o700))
			continue
		}
		require.Equal(t, byte(tar.TypeReg), h.Typeflag, h.Name)
		out, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = io.Copy(out, members)
		require.NoError(t, err)
		require.NoError(t, out.Close())
	}
}

func decompress(r io.Reader, ext string) (io.Reader, error) {
	switch ext {
	case ".gz":
		return gzip.NewReader(r)
	case ".lz4":
		return lz4.NewReader(r), nil
	case ".zst":
		return zstd.NewReader(r)
	}
	return r, nil
}

// TestPgBasebackup takes backups of a running standby of ours in every way that pg_basebackup knows, while the primary
// writes and the standby makes restartpoints all the time; each starts as a server, and is complete.
func TestPgBasebackup(t *testing.T) {
	pgserver.Require(t, pgserver.DefaultMajor)
	pgserver.RequireTool(t, "pg_basebackup")
	pgserver.RequireTool(t, "pg_verifybackup")
	l := startLiveStandby(t)
	for _, test := range []struct {
		name string
		args string
		only bool // no server is started on it
	}{
		{name: "plain, stream", args: "-X stream -P"},
		{name: "plain, fetch", args: "-X fetch --manifest-checksums=SHA256"},
		{name: "tar, stream", args: "-Ft -X stream -P"},
		{name: "tar, fetch", args: "-Ft -X fetch --manifest-force-encode"},
		{name: "tar, gzip", args: "-Ft -X fetch --compress=server-gzip:1"},
		{name: "tar, lz4", args: "-Ft -X fetch --compress=server-lz4"},
		{name: "tar, zstd", args: "-Ft -X stream --compress=server-zstd:level=1,workers=2"},
		{name: "plain, gzip", args: "-X stream --compress=server-gzip", only: true},
		{name: "plain, lz4", args: "-X fetch --compress=server-lz4:9", only: true},
		{name: "plain, zstd", args: "-X stream --compress=server-zstd", only: true},
		{name: "SHA512", args: "-X stream --manifest-checksums=SHA512", only: true},
		{name: "no checksums", args: "-X stream --manifest-checksums=NONE --no-verify-checksums", only: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := l.replayed(t)
			args := strings.Fields(test.args)
			plain := !strings.Contains(test.args, "-Ft")
			if plain {
				args = append(args, "-T", l.space+"="+filepath.Join(ownedDir(t), "space"))
			}
			dir := l.pgBasebackup(t, args...)
			t.Logf("%d commits of the primary meanwhile", l.writes.Load()-before)
			verify := []string{}
			if !plain {
				dir = l.unpack(t, dir)
				verify = append(verify, "-i", pgdata.TablespaceMapName)
			}
			verifyBackup(t, dir, verify...)
			if !test.only {
				l.start(t, dir, before)
			}
		})
	}
	t.Run("no manifest", func(t *testing.T) {
		dir := l.pgBasebackup(t, "-Ft", "-X", "fetch", "--no-manifest")
		require.NoFileExists(t, filepath.Join(dir, "backup_manifest"))
	})
	t.Run("rate", func(t *testing.T) {
		begin := time.Now()
		dir := l.pgBasebackup(t, "-Ft", "-X", "none", "--max-rate=20M")
		took := time.Since(begin)
		info, err := os.Stat(filepath.Join(dir, "base.tar"))
		require.NoError(t, err)
		least := time.Duration(float64(info.Size()) / (20 << 20) * 0.8 * float64(time.Second))
		require.Greater(t, took, least, "%d bytes", info.Size())
	})
	t.Run("blackhole", func(t *testing.T) {
		l.pgBasebackupTo(t, "blackhole", "-X", "none")
	})
	t.Run("errors", l.refusals)
	t.Run("full_page_writes", l.withoutImages)
}

// TestBackupHasWhatWasReplayed: a backup begins with a restartpoint, if there is a checkpoint to make it from, and has what
// was replayed by then, though the standby has not come to write anything of it by itself.
func TestBackupHasWhatWasReplayed(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, pgserver.DefaultMajor)
	pgserver.RequireTool(t, "pg_basebackup")
	l := &liveStandby{primary: pgserver.Start(t, pgserver.Options{Settings: map[string]string{"checkpoint_timeout": "1h"}})}
	cfg := standby.InitConfig{Primary: l.primary.ConnString(), Port: pgserver.FreePort()}
	cfg.Backup.Dir, cfg.Backup.FastCheckpoint = filepath.Join(pgserver.TempDir(t), "data"), true
	snap, err := standby.Init(t.Context(), cfg)
	require.NoError(t, err)
	l.standby, l.conninfo = runStandby(t, snap.Dir, standby.ReplayConfig{})
	l.primary.SQL(t, "CREATE TABLE rows AS SELECT 1 AS n; CHECKPOINT")
	checkpoint := l.primary.Value(t, "SELECT redo_lsn FROM pg_control_checkpoint()")
	for _, rows := range []string{"2", "3"} { // the second time, there is no new checkpoint
		l.primary.SQL(t, "INSERT INTO rows VALUES ("+rows+")")
		l.replayed(t)
		replayed := l.standby.Status().Replay.LSN
		dir := l.pgBasebackup(t, "-X", "stream")
		label, err := pgdata.ReadBackupLabel(vfs.OS, dir)
		require.NoError(t, err)
		require.Equal(t, checkpoint, label.StartWAL.String())
		control, err := pgdata.ReadControl(vfs.OS, dir)
		require.NoError(t, err)
		require.GreaterOrEqual(t, control.MinRecoveryPoint, replayed)
		s := recovered(t, dir)
		require.Equal(t, rows, s.Value(t, "SELECT count(*) FROM rows"))
	}
}

func (l *liveStandby) setFullPageWrites(t *testing.T, value string) {
	t.Helper()
	l.primary.SQL(t, "ALTER SYSTEM SET full_page_writes = "+value)
	l.primary.SQL(t, "SELECT pg_reload_conf()")
}

// withoutImages: as long as the log cannot mend torn pages there is no backup.
func (l *liveStandby) withoutImages(t *testing.T) {
	backup := func(text string) func() bool {
		return func() bool {
			conn, err := pgconn.Connect(t.Context(), l.conninfo+" replication=true")
			require.NoError(t, err)
			defer conn.Close(context.Background())
			_, err = conn.Exec(t.Context(), "BASE_BACKUP (TARGET 'blackhole')").ReadAll()
			if text == "" {
				return err == nil
			}
			return err != nil && strings.Contains(err.Error(), text)
		}
	}
	l.setFullPageWrites(t, "off")
	require.Eventually(t, backup("was replayed"), patience, 100*time.Millisecond)
	l.setFullPageWrites(t, "on")
	require.Eventually(t, func() bool {
		l.primary.SQL(t, "CHECKPOINT")
		return backup("")()
	}, patience, 100*time.Millisecond)
}

// pgBasebackupTo runs it with a target.
func (l *liveStandby) pgBasebackupTo(t *testing.T, target string, args ...string) {
	t.Helper()
	all := append([]string{"-d", l.conninfo, "-t", target, "-c", "fast", "-w"}, args...)
	out, err := pgserver.Command(t.Context(), pgserver.DefaultMajor, "pg_basebackup", all...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// refusals are what a client is told about options.
func (l *liveStandby) refusals(t *testing.T) {
	conn, err := pgconn.Connect(t.Context(), l.conninfo+" replication=true")
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for _, test := range []struct{ options, code, message string }{
		{"COMPRESSION 'bzip2'", "42601", `unrecognized compression algorithm: "bzip2"`},
		{"COMPRESSION 'gzip', COMPRESSION_DETAIL 'level=12'", "42601", "expects a compression level between 1 and 9"},
		{"COMPRESSION 'gzip', COMPRESSION_DETAIL 'workers=2'", "42601", "does not accept a worker count"},
		{"COMPRESSION 'lz4', COMPRESSION_DETAIL 'speed'", "42601", `unrecognized compression option: "speed"`},
		{"MANIFEST 'yes', MANIFEST_CHECKSUMS 'MD5'", "42601", `unrecognized checksum algorithm: "MD5"`},
		{"TARGET 'server', TARGET_DETAIL '/tmp/x'", "0A000", "not supported"},
		{"TARGET 'moon'", "0A000", `unrecognized target: "moon"`},
		{"LABEL '" + strings.Repeat("x", 1025) + "'", "22023", "backup label too long"},
		{"LABEL 'a\nb'", "22023", "newline"},
	} {
		_, err := conn.Exec(t.Context(), "BASE_BACKUP ("+test.options+")").ReadAll()
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, test.options)
		require.Equal(t, test.code, refused.Code, test.options)
		require.Contains(t, refused.Message, test.message)
	}
}
