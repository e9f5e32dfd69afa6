// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// TestBaseBackupFlippedBit flips one bit somewhere in the stream: the copy must never pass for good.
func TestBaseBackupFlippedBit(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	named := 0
	for _, at := range []int64{60_000, 1_000_001, 7_654_321, 15_000_000, 20_000_500} {
		proxy := proxyTo(t, primary)
		proxy.SetMode(protocoltest.Mode{FlipAt: at})
		var dir string
		_, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
			dir, cfg.ConnString, cfg.OnEvent, cfg.NoSync = cfg.Dir, through(proxy), nil, true
			cfg.WAL = walreceiver.WALNone
			cfg.IdleTimeout = 5 * time.Second // the bit may be in a length
		})
		require.Error(t, err, "bit of byte %d", at)
		t.Logf("byte %d: %v", at, err)
		requireIncomplete(t, dir)
		if errors.Is(err, walreceiver.ErrMismatch) {
			require.Regexp(t, `"(base|global)/`, err.Error(), "the file is named")
			named++
		}
	}
	require.Positive(t, named, "no flip hit a file")
}

// TestBaseBackupCut: the connection breaks in the middle.
func TestBaseBackupCut(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	proxy := proxyTo(t, primary)
	proxy.SetMode(protocoltest.Mode{CutAfter: 5_000_000})
	var dir string
	_, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
		dir, cfg.ConnString = cfg.Dir, through(proxy)
		cfg.Slot, cfg.CreateSlot = "cut", true
	})
	require.Error(t, err)
	t.Log(err)
	requireIncomplete(t, dir)
}

// TestBaseBackupStall: a server that falls silent is noticed.
func TestBaseBackupStall(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	proxy := proxyTo(t, primary)
	var dir string
	_, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
		dir, cfg.ConnString, cfg.WAL = cfg.Dir, through(proxy), walreceiver.WALNone
		cfg.IdleTimeout = 500 * time.Millisecond
		cfg.Progress = func(p walreceiver.BackupProgress) {
			if p.Done > 1_000_000 {
				proxy.SetMode(stalled)
			}
		}
	})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	requireIncomplete(t, dir)
}

// TestBaseBackupCancel ends a throttled backup: quickly, with the marker in place and the slot gone. Asked again, it
// says what to do, and with force it begins anew.
func TestBaseBackupCancel(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	dir := filepath.Join(pgserver.TempDir(t), "data")
	cfg := walreceiver.BackupConfig{
		ConnString: primary.ConnString(), Dir: dir, FastCheckpoint: true, MaxRate: 1024, Slot: "kept", CreateSlot: true,
		Progress: func(p walreceiver.BackupProgress) {
			if p.Done > 500_000 {
				cancel(enough)
			}
		},
	}
	began := time.Now()
	_, err := walreceiver.BaseBackup(ctx, cfg)
	require.ErrorIs(t, err, enough)
	require.Less(t, time.Since(began), 15*time.Second)
	requireIncomplete(t, dir)
	require.Empty(t, primary.SQL(t, "SELECT slot_name FROM pg_replication_slots"), "the slot that was made is dropped")

	cfg.MaxRate, cfg.Progress = 0, nil
	_, err = walreceiver.BaseBackup(t.Context(), cfg)
	require.ErrorIs(t, err, pgdata.ErrIncomplete)
	require.ErrorContains(t, err, "--force")
	cfg.Force = true
	result, err := walreceiver.BaseBackup(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, "kept", result.Slot)
	require.Equal(t, "physical", primary.Value(t, "SELECT slot_type FROM pg_replication_slots WHERE slot_name = 'kept'"))
	verify(t, primary.Major, dir)

	cfg.Dir = filepath.Join(pgserver.TempDir(t), "data")
	_, err = walreceiver.BaseBackup(t.Context(), cfg)
	require.ErrorIs(t, err, walreceiver.ErrSlotExists)
	require.NotEmpty(t, primary.SQL(t, "SELECT slot_name FROM pg_replication_slots"), "it is not ours to drop")
	cfg.ReuseSlot = true
	require.NoDirExists(t, cfg.Dir)
	_, err = walreceiver.BaseBackup(t.Context(), cfg)
	require.NoError(t, err)
}

// TestBaseBackupRate: a limit of 4 MB/s makes a backup of more than 20 MB last for more than 3 s.
func TestBaseBackupRate(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	began := time.Now()
	result, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) { cfg.MaxRate = 4096 })
	require.NoError(t, err)
	require.Greater(t, time.Since(began), 3*time.Second)
	t.Logf("%d bytes in %s", result.Bytes, time.Since(began).Round(time.Millisecond))
}

// TestBaseBackupNoSender: the server has no walsender left for the WAL. The backup fails instead of waiting for one.
func TestBaseBackupNoSender(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Settings: map[string]string{"max_wal_senders": "1"}})
	_, err := backupOf(t, primary, nil)
	require.ErrorContains(t, err, "WAL streaming")
	var refused *protocol.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "53300", refused.Code)
}

// TestBaseBackupDamagedPage: the server's own check of its pages fails, and with it the backup; unless it is not wanted.
func TestBaseBackupDamagedPage(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	primary.SQL(t, "CREATE TABLE damaged AS SELECT g FROM generate_series(1, 10000) g; CHECKPOINT")
	path := primary.Value(t, "SELECT pg_relation_filepath('damaged')")
	f, err := os.OpenFile(filepath.Join(primary.DataDir, path), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("damage"), 8192+4000)
	require.NoError(t, errors.Join(err, f.Close()))
	var notices atomic.Int32
	var dir string
	_, err = backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
		dir = cfg.Dir
		cfg.OnEvent = func(e walreceiver.Event) {
			if n, ok := e.(walreceiver.ServerNotice); ok && strings.Contains(n.Notice.Message, path) {
				notices.Add(1)
			}
		}
	})
	var refused *protocol.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "XX001", refused.Code)
	require.Positive(t, notices.Load(), "the server's warnings are handed on")
	requireIncomplete(t, dir)
	_, err = backupOf(t, primary, func(cfg *walreceiver.BackupConfig) { cfg.NoVerifyChecksums = true })
	require.NoError(t, err)
}

// TestBaseBackupGroupAccess: a data directory that its group may read gives a copy of the same kind.
func TestBaseBackupGroupAccess(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{InitdbArgs: []string{"--allow-group-access"}})
	result, err := backupOf(t, primary, nil)
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(result.Dir, func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		st, err := d.Info()
		require.NoError(t, err)
		if rel, _ := filepath.Rel(result.Dir, name); strings.HasPrefix(rel, "pg_wal/") {
			return nil
		}
		want := fs.FileMode(0o640)
		if d.IsDir() {
			want = 0o750
		}
		require.Equal(t, want, st.Mode().Perm(), name)
		return nil
	}))
}

// TestBaseBackupOfStandby: a hot standby serves a backup too. Nothing comes after its end while the primary is idle.
func TestBaseBackupOfStandby(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	primary.SQL(t, "CREATE TABLE t AS SELECT 42 AS n; CHECKPOINT")
	standby := primary.Standby(t, pgserver.Options{})
	result, err := backupOf(t, standby, nil)
	require.NoError(t, err)
	verify(t, primary.Major, result.Dir)
}

// TestBaseBackupSegmentSizes: WAL segments need not be of 16 MB.
func TestBaseBackupSegmentSizes(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{WALSegmentMB: 1})
	primary.SQL(t, "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
	result, err := backupOf(t, primary, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, result.SegmentSize)
	verify(t, primary.Major, result.Dir)
	copied := pgserver.Adopt(t, result.Dir, pgserver.Options{})
	require.Equal(t, "500500", copied.Value(t, "SELECT sum(g) FROM t"))
}

// TestBaseBackupConfig: what cannot be is refused before anything is done.
func TestBaseBackupConfig(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(cfg *walreceiver.BackupConfig){
		"no directory":      func(cfg *walreceiver.BackupConfig) { cfg.Dir = "" },
		"WAL mode":          func(cfg *walreceiver.BackupConfig) { cfg.WAL = "maybe" },
		"rate too low":      func(cfg *walreceiver.BackupConfig) { cfg.MaxRate = 31 },
		"rate too high":     func(cfg *walreceiver.BackupConfig) { cfg.MaxRate = 1<<20 + 1 },
		"slot without name": func(cfg *walreceiver.BackupConfig) { cfg.CreateSlot = true },
		"slot and none":     func(cfg *walreceiver.BackupConfig) { cfg.Slot, cfg.NoSlot = "s", true },
		"checksums":         func(cfg *walreceiver.BackupConfig) { cfg.ManifestChecksums = "MD5" },
		"compression":       func(cfg *walreceiver.BackupConfig) { cfg.Compression.Method = "bzip2" },
		"detail of nothing": func(cfg *walreceiver.BackupConfig) { cfg.Compression.Detail = "level=1" },
		"mapping": func(cfg *walreceiver.BackupConfig) {
			cfg.TablespaceMapping = []walreceiver.TablespaceMapping{{Old: "a", New: "/b"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := walreceiver.BackupConfig{ConnString: "host=127.0.0.1 port=1", Dir: filepath.Join(t.TempDir(), "d")}
			edit(&cfg)
			_, err := walreceiver.BaseBackup(t.Context(), cfg)
			require.ErrorContains(t, err, "base backup: ")
			require.NoDirExists(t, cfg.Dir)
		})
	}
}

// TestBaseBackupOldServer: 12 has no manifest, and before 15 there is no compression.
func TestBaseBackupOldServer(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Major: 12})
	_, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) { cfg.Compression.Method = "gzip" })
	require.ErrorIs(t, err, protocol.ErrUnsupported)
	_, err = backupOf(t, primary, func(cfg *walreceiver.BackupConfig) { cfg.DBID = 5 })
	require.ErrorContains(t, err, "Greenplum")
}
