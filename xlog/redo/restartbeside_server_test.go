// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"context"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
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

// syncHook is called before a file of a relation is synced, which nobody does but restartpoints.
type syncHook struct {
	*faultfs.FS
	sync func() error
}

func (h syncHook) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := h.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.HasPrefix(name, crashDir+"/base/") {
		return f, err
	}
	return hookedFile{f, h.sync}, nil
}

type hookedFile struct {
	vfs.File
	sync func() error
}

func (f hookedFile) Sync() error {
	if err := f.sync(); err != nil {
		return err
	}
	return f.File.Sync()
}

// TestRestartpointBeside looks at restartpoints that are made while replay goes on.
func TestRestartpointBeside(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	source := pgreplay.RecordLoad(t, pgserver.Options{Major: 15}, pgreplay.Cold, func(s *pgserver.Server) {
		for _, sql := range []string{
			"CREATE TABLE a AS SELECT i n, md5(i::text) t FROM generate_series(1, 5000) i", "CHECKPOINT",
			"UPDATE a SET t = t || '!' WHERE n % 7 = 0", "CREATE TABLE b AS SELECT * FROM a", "DELETE FROM a WHERE n > 4000",
			"VACUUM a", "DROP TABLE b", "CREATE TABLE c AS SELECT * FROM a",
		} {
			s.SQL(t, sql)
		}
	})
	base := faultfs.New()
	size := copyTo(t, base, source.Base)
	b := &besideTest{base: base, wal: redo.NewDirWAL(source.WAL, size)}
	t.Cleanup(func() { _ = b.wal.Close() })
	b.want = b.replayed(t, base.Crash(1))
	for name, test := range map[string]func(*besideTest, *testing.T){
		"replay does not wait": (*besideTest).doesNotWait, "failure": (*besideTest).failure,
	} {
		t.Run(name, func(t *testing.T) { test(b, t) })
	}
}

type besideTest struct {
	base *faultfs.FS
	wal  *redo.DirWAL
	want map[string]string // the files at the end
}

func (b *besideTest) open(t *testing.T, disk vfs.FS) *redo.Redo {
	r, err := redo.New(redo.Config{Dir: crashDir, FS: disk, WAL: b.wal, CacheBytes: 1 << 20, RestartTime: 1})
	require.NoError(t, err)
	return r
}

// replayed replays all of the log, and gives the files.
func (b *besideTest) replayed(t *testing.T, disk *faultfs.FS) map[string]string {
	r := b.open(t, disk)
	_, err := r.Replay(t.Context(), redo.ReplayConfig{})
	require.NoError(t, err)
	require.NoError(t, r.Shutdown())
	return tree(t, disk.Crash(0))
}

// doesNotWait lets the sync of a restartpoint hang until replay has come to the end of the log.
func (b *besideTest) doesNotWait(t *testing.T) {
	disk := b.base.Crash(1)
	var replaying atomic.Bool
	hangs, goOn := make(chan struct{}), make(chan struct{})
	r := b.open(t, syncHook{disk, func() error {
		if replaying.CompareAndSwap(true, false) {
			close(hangs)
			<-goOn
		}
		return nil
	}})
	replaying.Store(true)
	begin := r.KeepFrom()
	var kept []xlog.LSN
	_, err := r.Replay(t.Context(), redo.ReplayConfig{OnRestartpoint: func(keep xlog.LSN) {
		c, err := pgdata.ReadControl(disk.Crash(0), crashDir)
		if err != nil || c.CheckPointCopy.Redo != keep {
			t.Errorf("log before %s is given up, recovery begins at %v (%v)", keep, c, err)
		}
		kept = append(kept, keep)
	}})
	require.NoError(t, err)
	<-hangs
	require.Equal(t, begin, r.KeepFrom(), "a restartpoint is recorded before it is synced")
	found := disk.Crash(0)
	equalTrees(t, b.want, b.replayed(t, found), "after a crash during the restartpoint")

	stopped := make(chan error)
	go func() { stopped <- r.Shutdown() }()
	select {
	case <-stopped:
		t.Fatal("Shutdown did not wait for the restartpoint")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	require.NoError(t, <-stopped)
	require.NotEmpty(t, kept)
	equalTrees(t, b.want, tree(t, disk.Crash(0)), "at the end")
}

// failure has a restartpoint fail while replay waits for more of the log.
func (b *besideTest) failure(t *testing.T) {
	disk := b.base.Crash(1)
	var replaying atomic.Bool
	goOn := make(chan struct{})
	r := b.open(t, syncHook{disk, func() error {
		if replaying.CompareAndSwap(true, false) {
			<-goOn
			return syscall.EIO
		}
		return nil
	}})
	replaying.Store(true)
	_, err := r.Replay(t.Context(), redo.ReplayConfig{Wait: func(ctx context.Context, _ *xlog.EndError) error {
		close(goOn)
		<-ctx.Done()
		return ctx.Err()
	}})
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, r.Shutdown(), syscall.EIO)
	require.NoError(t, r.Close())
	equalTrees(t, b.want, b.replayed(t, disk.Crash(0)), "after a restartpoint that failed")
}
