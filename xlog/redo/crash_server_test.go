// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// crashLoad is a bit of everything that shows in files, with checkpoints at which replay makes its restartpoints.
var crashLoad = []string{
	"CREATE TABLE a (n int PRIMARY KEY, t text)",
	"CREATE TABLE p (n int PRIMARY KEY)",
	"INSERT INTO a SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 3000) i",
	"CREATE UNLOGGED TABLE u (n int PRIMARY KEY)",
	"CREATE DATABASE d1",
	"CHECKPOINT",
	"BEGIN; INSERT INTO p VALUES (1); PREPARE TRANSACTION 'stays'",
	"BEGIN; INSERT INTO p VALUES (2); PREPARE TRANSACTION 'goes'",
	"UPDATE a SET t = t || '!' WHERE n % 7 = 0",
	"BEGIN; SAVEPOINT s; DELETE FROM a WHERE n % 5 = 0; RELEASE s; COMMIT",
	"CREATE TABLE b AS SELECT * FROM a",
	"CHECKPOINT",
	"COMMIT PREPARED 'goes'",
	"DROP TABLE b",
	"TRUNCATE u",
	"DELETE FROM a WHERE n > 2000",
	"VACUUM a",
	"VACUUM FULL pg_class",
	"CREATE DATABASE d2 STRATEGY file_copy",
	"CHECKPOINT",
	"DROP DATABASE d1",
	"CREATE INDEX ON a (t)",
	"SELECT count(*) FROM (SELECT n FROM a FOR SHARE) x",
	"INSERT INTO a SELECT i FROM generate_series(10000, 12000) i",
	"ALTER TABLE a ALTER n TYPE bigint",
}

// TestCrash loses power at many moments of a replay, what was not synced being lost, torn or kept, and replays again. The
// files are those of a replay without a crash.
func TestCrash(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	opts := pgserver.Options{Major: 15, Settings: map[string]string{"max_prepared_transactions": "5"}}
	source := pgreplay.RecordLoad(t, opts, pgreplay.Cold, func(s *pgserver.Server) {
		for _, sql := range crashLoad {
			s.SQL(t, sql)
		}
	})
	base := faultfs.New()
	size := copyTo(t, base, source.Base)
	wal := redo.NewDirWAL(source.WAL, size)
	defer wal.Close()

	whole := base.Crash(1)
	require.NoError(t, replayOn(t, whole, wal))
	operations := whole.Operations()
	want := tree(t, whole)
	moments := 12
	if pgserver.Long() {
		moments = 400
	}
	crashes := 0
	for i := range moments {
		disk := base.Crash(1)
		disk.CrashAfter(operations * (i + 1) / (moments + 1))
		if err := replayOn(t, disk, wal); err == nil {
			continue // it had fewer restartpoints than the first time
		}
		require.True(t, disk.Crashed())
		crashes++
		for _, seed := range []uint64{0, 1, uint64(i) + 4} {
			found := disk.Crash(seed)
			when := fmt.Sprintf("crash %d, seed %d", i, seed)
			require.NoError(t, replayOn(t, found, wal), when)
			equalTrees(t, want, tree(t, found.Crash(0)), when)
		}
	}
	require.Greater(t, crashes, moments/2)
	t.Logf("%d operations, %d crashes, each found in 3 ways, %d files compared", operations, crashes, len(want))
}

const crashDir = "/data"

// replayOn replays with a restartpoint at each checkpoint, unless one is under way, and a small cache. Syncs take a while,
// in which replay goes on.
func replayOn(t *testing.T, disk *faultfs.FS, wal redo.WAL) error {
	slow := syncHook{disk, func() error {
		time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
		return nil
	}}
	r, err := redo.New(redo.Config{Dir: crashDir, FS: slow, WAL: wal, CacheBytes: 1 << 20, RestartTime: 1})
	if err != nil {
		return err
	}
	if _, err := r.Replay(t.Context(), redo.ReplayConfig{}); err != nil {
		return errors.Join(err, r.Close())
	}
	return r.Shutdown()
}

// copyTo copies a data directory to a disk, durably.
func copyTo(t *testing.T, disk *faultfs.FS, from string) (size xlog.SegmentSize) {
	control, err := pgdata.ReadControl(vfs.OS, from)
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := crashDir + strings.TrimPrefix(name, from)
		if d.IsDir() {
			return errors.Join(disk.Mkdir(to, 0o700), disk.SyncDir(filepath.Dir(to)))
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return writeTo(disk, to, content)
	}))
	return control.SegmentSize()
}

func writeTo(disk *faultfs.FS, name string, content []byte) error {
	f, err := disk.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if len(content) > 0 {
		if _, err := f.WriteAt(content, 0); err != nil {
			return err
		}
	}
	return errors.Join(f.Sync(), f.Close(), disk.SyncDir(filepath.Dir(name)))
}

// tree is the files of a data directory that replay decides about, by path.
func tree(t *testing.T, disk *faultfs.FS) map[string]string {
	files := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := disk.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			name := dir + "/" + e.Name()
			if e.IsDir() {
				walk(name)
				continue
			}
			files[name] = contentOf(t, disk, name)
		}
	}
	walk(crashDir)
	for name := range files {
		if strings.HasSuffix(name, "_fsm") {
			delete(files, name) // not in the log
		}
	}
	return files
}

func contentOf(t *testing.T, disk *faultfs.FS, name string) string {
	st, err := disk.Stat(name)
	require.NoError(t, err)
	p := make([]byte, st.Size())
	f, err := disk.OpenFile(name, os.O_RDONLY, 0)
	require.NoError(t, err)
	if len(p) > 0 {
		_, err = f.ReadAt(p, 0)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	if strings.HasSuffix(name, pgdata.ControlFileName) {
		c, err := pgdata.DecodeControl(p)
		require.NoError(t, err)
		c.Time = 0
		p, err = c.Encode()
		require.NoError(t, err)
	}
	return string(p)
}

// equalTrees names what differs instead of printing it.
func equalTrees(t *testing.T, want, got map[string]string, when string) {
	for name, content := range want {
		text, ok := got[name]
		require.True(t, ok, "%s is missing, %s", name, when)
		require.True(t, text == content, "%s differs, %s", name, when)
	}
	for name := range got {
		_, ok := want[name]
		require.True(t, ok, "%s is too much, %s", name, when)
	}
}
