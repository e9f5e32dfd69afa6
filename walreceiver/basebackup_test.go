// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"context"
	"errors"
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
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
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
	own(t, dir)
	args := []string{dir}
	if major != pgserver.DefaultMajor {
		args = append(args, "--no-parse-wal")
	}
	out, err := pgserver.Command(t.Context(), major, "pg_verifybackup", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("pg_verifybackup: %s", out)
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
		marked, err := pgdata.IsIncomplete(vfs.OS, result.Dir)
		require.NoError(t, err)
		require.False(t, marked)
		verify(t, major, result.Dir)

		copied := pgserver.Adopt(t, result.Dir, pgserver.Options{Major: major})
		rows := copied.SQL(t, "SELECT count(*), max(n), sum(half) FROM ledger")
		count, err := strconv.ParseInt(rows[0][0], 10, 64)
		require.NoError(t, err)
		top, err := strconv.ParseInt(rows[0][1], 10, 64)
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
	require.NoFileExists(t, filepath.Join(dir, pgdata.IncompleteMarker))
}

// spaced is a server with two tablespaces and a table in each.
func spaced(t *testing.T, opts pgserver.Options) (s *pgserver.Server, locations []string) {
	t.Helper()
	s = pgserver.Start(t, opts)
	for i, name := range []string{"ts_one", "ts two=x"} {
		dir, err := s.MakeDir(name)
		require.NoError(t, err)
		locations = append(locations, dir)
		s.SQL(t, fmt.Sprintf(`CREATE TABLESPACE %q LOCATION '%s'`, name, dir))
		s.SQL(t, fmt.Sprintf(`CREATE TABLE spaced_%d TABLESPACE %q AS SELECT g FROM generate_series(1, 1000) g`, i, name))
	}
	return s, locations
}

// checkSpaced starts a server on a copy of a spaced one and looks into the tables.
func checkSpaced(t *testing.T, major int, dir string) {
	t.Helper()
	copied := pgserver.Adopt(t, dir, pgserver.Options{Major: major})
	for i := range 2 {
		require.Equal(t, "500500", copied.Value(t, fmt.Sprintf("SELECT sum(g) FROM spaced_%d", i)))
	}
	require.NoError(t, copied.Stop(pgserver.Fast))
}

// TestBaseBackupTablespaces maps the tablespaces of every version elsewhere and starts a server on the copy.
func TestBaseBackupTablespaces(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		primary, locations := spaced(t, pgserver.Options{Major: major})
		elsewhere := pgserver.TempDir(t)
		result, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
			cfg.TablespaceMapping = []walreceiver.TablespaceMapping{
				{Old: locations[0] + "/", New: filepath.Join(elsewhere, "one")},
				{Old: locations[1], New: filepath.Join(elsewhere, "b=two")},
			}
		})
		require.NoError(t, err)
		require.Len(t, result.Tablespaces, 2)
		for i, ts := range result.Tablespaces {
			target, err := os.Readlink(filepath.Join(result.Dir, "pg_tblspc", fmt.Sprint(ts.OID)))
			require.NoError(t, err)
			require.Equal(t, ts.Dir, target)
			require.Contains(t, locations, ts.Location)
			marked, err := pgdata.IsIncomplete(vfs.OS, ts.Dir)
			require.NoError(t, err)
			require.False(t, marked, i)
		}
		require.NoFileExists(t, filepath.Join(result.Dir, "tablespace_map"))
		verify(t, major, result.Dir)
		require.NoError(t, primary.Stop(pgserver.Fast))
		for _, l := range locations {
			require.NoError(t, os.Rename(l, l+".away")) // the copy must not look there
		}
		checkSpaced(t, major, result.Dir)
	})
}

// TestBaseBackupOccupiedTablespace: on the primary's own machine a tablespace's directory is taken.
func TestBaseBackupOccupiedTablespace(t *testing.T) {
	t.Parallel()
	primary, _ := spaced(t, pgserver.Options{})
	var dir string
	unused := false
	_, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
		dir = cfg.Dir
		cfg.TablespaceMapping = []walreceiver.TablespaceMapping{{Old: "/misspelt", New: "/nowhere"}}
		cfg.OnEvent = func(e walreceiver.Event) {
			m, ok := e.(walreceiver.BackupMappingUnused)
			unused = unused || ok && m.Mapping.Old == "/misspelt"
		}
	})
	require.ErrorIs(t, err, walreceiver.ErrNotEmpty)
	require.True(t, unused)
	requireIncomplete(t, dir)
	checkSpacedOn(t, primary)
}

func checkSpacedOn(t *testing.T, s *pgserver.Server) {
	t.Helper()
	require.Equal(t, "500500", s.Value(t, "SELECT sum(g) FROM spaced_0"))
}

// requireIncomplete: the directory says that it is no backup, and a server would not start on it.
func requireIncomplete(t *testing.T, dir string) {
	t.Helper()
	marked, err := pgdata.IsIncomplete(vfs.OS, dir)
	require.NoError(t, err)
	require.True(t, marked)
	require.NoFileExists(t, filepath.Join(dir, "global/pg_control"))
}

// TestBaseBackupInPlaceTablespace: a developer option lets a tablespace live in pg_tblspc itself.
func TestBaseBackupInPlaceTablespace(t *testing.T) {
	for _, major := range []int{15, 16, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			primary := pgserver.Start(t, pgserver.Options{Major: major,
				Settings: map[string]string{"allow_in_place_tablespaces": "on"}})
			primary.SQL(t, "CREATE TABLESPACE inside LOCATION ''")
			primary.SQL(t, "CREATE TABLE kept TABLESPACE inside AS SELECT 42 AS n")
			result, err := backupOf(t, primary, nil)
			require.NoError(t, err)
			verify(t, major, result.Dir)
			copied := pgserver.Adopt(t, result.Dir, pgserver.Options{Major: major})
			require.Equal(t, "42", copied.Value(t, "SELECT n FROM kept"))
			t.Logf("%+v", result.Tablespaces)
		})
	}
}

// TestBaseBackupChecksumsAndCompression: pg_verifybackup agrees for each algorithm, each compression, each WAL mode.
func TestBaseBackupChecksumsAndCompression(t *testing.T) {
	primary, locations := spaced(t, pgserver.Options{})
	mapping := func(t *testing.T) (m []walreceiver.TablespaceMapping) {
		elsewhere := pgserver.TempDir(t)
		for i, l := range locations {
			m = append(m, walreceiver.TablespaceMapping{Old: l, New: filepath.Join(elsewhere, strconv.Itoa(i))})
		}
		return m
	}
	for name, edit := range map[string]func(cfg *walreceiver.BackupConfig){
		"NONE":       func(cfg *walreceiver.BackupConfig) { cfg.ManifestChecksums = walreceiver.ChecksumNone },
		"SHA224":     func(cfg *walreceiver.BackupConfig) { cfg.ManifestChecksums = walreceiver.ChecksumSHA224 },
		"SHA256":     func(cfg *walreceiver.BackupConfig) { cfg.ManifestChecksums = walreceiver.ChecksumSHA256 },
		"SHA384":     func(cfg *walreceiver.BackupConfig) { cfg.ManifestChecksums = walreceiver.ChecksumSHA384 },
		"SHA512":     func(cfg *walreceiver.BackupConfig) { cfg.ManifestChecksums = walreceiver.ChecksumSHA512 },
		"gzip":       func(cfg *walreceiver.BackupConfig) { cfg.Compression.Method = "gzip" },
		"gzip level": compression("gzip:9"), "lz4": compression("lz4"), "lz4 level": compression("lz4:level=9"),
		"zstd": compression("zstd:3"), "zstd high": compression("zstd:22"), "zstd workers": compression("zstd:workers=2"),
		"none":   compression("none"),
		"fetch":  func(cfg *walreceiver.BackupConfig) { cfg.WAL = walreceiver.WALFetch },
		"spread": func(cfg *walreceiver.BackupConfig) { cfg.FastCheckpoint = false },
	} {
		t.Run(name, func(t *testing.T) {
			result, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
				cfg.TablespaceMapping = mapping(t)
				cfg.OnEvent, cfg.NoSync = nil, true
				edit(cfg)
			})
			require.NoError(t, err)
			require.Equal(t, result.Files, result.Verified+walFiles(t, result.Dir, name == "fetch"))
			verify(t, primary.Major, result.Dir)
			if name == "fetch" || name == "zstd" {
				checkSpaced(t, primary.Major, result.Dir)
			}
		})
	}
}

func compression(text string) func(cfg *walreceiver.BackupConfig) {
	return func(cfg *walreceiver.BackupConfig) {
		var err error
		if cfg.Compression, err = walreceiver.ParseServerCompression(text); err != nil {
			panic(err)
		}
	}
}

// walFiles counts segments that came in an archive: a manifest does not list them.
func walFiles(t *testing.T, dir string, fetched bool) int {
	t.Helper()
	if !fetched {
		return 0
	}
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0*"))
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	return len(segments)
}

// TestBaseBackupConfigure: the hook that makes a standby of the copy sees everything but the control file, and the
// copy still says that it is incomplete. An error of it fails the backup.
func TestBaseBackupConfigure(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	calls := 0
	result, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
		cfg.Configure = func(dir string) error {
			calls++
			requireIncomplete(t, dir)
			require.FileExists(t, filepath.Join(dir, "backup_manifest"))
			return os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o600)
		}
	})
	require.NoError(t, err)
	require.Equal(t, 1, calls)
	require.FileExists(t, filepath.Join(result.Dir, "global/pg_control"))
	verify(t, primary.Major, result.Dir)

	broken := errors.New("broken")
	var dir string
	_, err = backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
		dir, cfg.Configure = cfg.Dir, func(string) error { return broken }
	})
	require.ErrorIs(t, err, broken)
	requireIncomplete(t, dir)
}
