// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// step is one transaction of the load of TestTargets, which inserts one row.
type step struct {
	xid     uint32
	before  xlog.LSN // a position before its commit
	after   xlog.LSN // and one after it
	restore string   // restore point that follows
	time    time.Time
}

// steps runs transactions one after another.
func steps(t *testing.T, s *pgserver.Server, n int) []step {
	s.SQL(t, "CREATE TABLE steps (n int)")
	list := make([]step, n)
	for i := range list {
		rows := s.SQL(t, fmt.Sprintf("INSERT INTO steps VALUES (%d) "+
			"RETURNING txid_current() %% (1::bigint << 32), pg_current_wal_insert_lsn()", i))
		st := &list[i]
		st.xid = uint32(number(t, rows[0][0]))
		st.before, st.restore = lsn(t, rows[0][1]), fmt.Sprintf("after %d", i)
		st.after = lsn(t, s.SQL(t, "SELECT pg_current_wal_insert_lsn()")[0][0])
		us := number(t, s.SQL(t, "SELECT (extract(epoch from clock_timestamp()) * 1000000)::bigint")[0][0])
		st.time = time.UnixMicro(us)
		s.SQL(t, fmt.Sprintf("SELECT pg_create_restore_point('%s')", st.restore))
		time.Sleep(2 * time.Millisecond)
	}
	return list
}

func number(t *testing.T, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return n
}

func lsn(t *testing.T, text string) xlog.LSN {
	l, err := xlog.ParseLSN(text)
	require.NoError(t, err)
	return l
}

// TestTargets replays up to targets of every kind, and asks a real server what there is.
func TestTargets(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	var list []step
	source := pgreplay.RecordLoad(t, pgserver.Options{Major: 15}, pgreplay.Online, func(s *pgserver.Server) {
		list = steps(t, s, 5)
	})
	for _, tt := range []struct {
		name   string
		target redo.Target
		rows   int
		long   bool
	}{
		{"xid", redo.Target{XID: list[2].xid}, 3, false},
		{"xid, exclusive", redo.Target{XID: list[2].xid, Exclusive: true}, 2, true},
		{"time, exclusive", redo.Target{Time: list[1].time, Exclusive: true}, 2, true},
		{"time", redo.Target{Time: list[2].time}, 3, false},
		{"lsn", redo.Target{LSN: list[2].before}, 3, true},
		{"lsn, exclusive", redo.Target{LSN: list[2].before, Exclusive: true}, 2, false},
		{"lsn of the restore point, exclusive", redo.Target{LSN: list[3].after, Exclusive: true}, 4, true},
		{"name", redo.Target{Name: list[1].restore}, 2, false},
		{"none", redo.Target{}, 5, true},
	} {
		if tt.long && !pgserver.Long() {
			continue
		}
		t.Run(tt.name, func(t *testing.T) { testTarget(t, source, tt.target, tt.rows) })
	}
	t.Run("immediate", func(t *testing.T) {
		r := begin(t, source, 0)
		_, err := r.Replay(t.Context(), redo.ReplayConfig{Target: redo.Target{Immediate: true}})
		require.NoError(t, err)
		at, ok := r.Consistent()
		require.True(t, ok)
		_, end := r.Position()
		require.Equal(t, at, end)
		require.NoError(t, r.Shutdown())
	})
	t.Run("too early", func(t *testing.T) {
		r := begin(t, source, 0)
		_, err := r.Replay(t.Context(), redo.ReplayConfig{Target: redo.Target{LSN: 1}})
		require.ErrorIs(t, err, redo.ErrInconsistentTarget)
		require.NoError(t, r.Close())
	})
	t.Run("missing", func(t *testing.T) {
		r := begin(t, source, 0)
		_, err := r.Replay(t.Context(), redo.ReplayConfig{Target: redo.Target{Name: "nowhere"}})
		require.ErrorIs(t, err, redo.ErrTargetNotReached)
		require.NoError(t, r.Close())
	})
}

// begin makes a copy of the source ready for replay.
func begin(t *testing.T, source *pgreplay.Source, cache int64) *redo.Redo {
	dir := filepath.Join(pgserver.TempDir(t), "data")
	require.NoError(t, source.Copy(dir))
	return resume(t, dir, cache)
}

func resume(t *testing.T, dir string, cache int64) *redo.Redo {
	r, err := redo.New(redo.Config{Dir: dir, CacheBytes: cache})
	require.NoError(t, err)
	return r
}

func testTarget(t *testing.T, source *pgreplay.Source, target redo.Target, rows int) {
	dir := filepath.Join(pgserver.TempDir(t), "data")
	require.NoError(t, source.Copy(dir))
	r := resume(t, dir, 0)
	stop, err := r.Replay(t.Context(), redo.ReplayConfig{Target: target})
	require.NoError(t, err)
	require.Equal(t, target.String() != "", stop.Target)
	require.NoError(t, r.Shutdown())
	server := promoted(t, dir, source.Major, stop.Target)
	require.Equal(t, strconv.Itoa(rows), server.SQL(t, "SELECT count(*) FROM steps")[0][0])
}

// promoted starts a real server on a directory, which becomes a primary as soon as it is consistent, or at the end of
// the log.
func promoted(t *testing.T, dir string, major int, immediate bool) *pgserver.Server {
	require.NoError(t, vfs.OS.Rename(filepath.Join(dir, "standby.signal"), filepath.Join(dir, "recovery.signal")))
	settings := map[string]string{
		"restore_command": "false", "recovery_target_action": "promote", "primary_conninfo": "",
	}
	if immediate {
		settings["recovery_target"] = "immediate"
	}
	s := pgserver.Adopt(t, dir, pgserver.Options{Major: major, Settings: settings})
	require.Eventually(t, func() bool {
		rows, err := s.Query(context.Background(), "SELECT pg_is_in_recovery()")
		return err == nil && rows[0][0] == "f"
	}, time.Minute, 20*time.Millisecond)
	return s
}

// TestBegin begins in a base backup of which the log is not there yet.
func TestBegin(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	load := func(s *pgserver.Server) { steps(t, s, 1) }
	source := pgreplay.RecordLoad(t, pgserver.Options{Major: 15}, pgreplay.Online, load)
	dir := filepath.Join(pgserver.TempDir(t), "data")
	require.NoError(t, source.Copy(dir))
	before, err := pgdata.ReadControl(vfs.OS, dir)
	require.NoError(t, err)
	size := before.SegmentSize()

	_, err = redo.New(redo.Config{Dir: dir, WAL: redo.NewDirWAL(t.TempDir(), size)})
	require.ErrorIs(t, err, redo.ErrNoCheckpoint)
	unchanged, err := pgdata.ReadControl(vfs.OS, dir)
	require.NoError(t, err)
	require.Equal(t, before, unchanged)
	label, err := pgdata.ReadBackupLabel(vfs.OS, dir)
	require.NoError(t, err)

	r := resume(t, dir, 0)
	_, err = pgdata.ReadBackupLabel(vfs.OS, dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	c := r.Control()
	require.Equal(t, pgdata.DBInArchiveRecovery, c.State)
	require.Equal(t, label.StartWAL, c.BackupStartPoint)
	require.True(t, c.BackupEndRequired)
	_, ok := r.Consistent()
	require.False(t, ok)
	_, err = r.Replay(t.Context(), redo.ReplayConfig{})
	require.NoError(t, err)
	at, ok := r.Consistent()
	require.True(t, ok)
	require.Greater(t, at, label.StartWAL)
	require.NoError(t, r.Shutdown())
	c = r.Control()
	require.Equal(t, pgdata.DBShutdownedInRecovery, c.State)
	require.Zero(t, c.BackupStartPoint)
	require.False(t, c.BackupEndRequired)
	_, end := r.Position()
	require.Equal(t, end, c.MinRecoveryPoint)
}

// TestBeginCrashed begins in the files of a server that was killed. Nothing says up to where the log is needed: all of
// pg_wal is replayed before minRecoveryPoint counts.
func TestBeginCrashed(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	s := pgserver.Start(t, pgserver.Options{Major: 15})
	steps(t, s, 3)
	require.NoError(t, s.Kill())
	r := resume(t, s.DataDir, 0)
	c := r.Control()
	require.Equal(t, pgdata.DBInCrashRecovery, c.State)
	require.Zero(t, c.MinRecoveryPoint)
	_, err := r.Replay(t.Context(), redo.ReplayConfig{})
	require.NoError(t, err)
	at, ok := r.Consistent()
	require.True(t, ok)
	_, end := r.Position()
	require.Equal(t, end, at)
	c = r.Control()
	require.Equal(t, pgdata.DBInArchiveRecovery, c.State)
	require.Equal(t, end, c.MinRecoveryPoint)
	require.NoError(t, r.Shutdown())
	require.NoError(t, s.Start())
	require.Equal(t, "3", s.SQL(t, "SELECT count(*) FROM steps")[0][0])
}
