// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// diskWAL is pg_wal on a disk that crashes.
type diskWAL struct {
	disk *faultfs.FS
	size xlog.SegmentSize
}

func (w diskWAL) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	f, err := w.disk.OpenFile(crashDir+"/pg_wal/"+w.size.Name(tli, w.size.Number(lsn)), os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(p, int64(w.size.Offset(lsn)))
	return n, errors.Join(err, f.Close())
}

func (w diskWAL) ReadHistory(tli xlog.TimelineID) ([]byte, error) {
	name := crashDir + "/pg_wal/" + tli.HistoryName()
	st, err := w.disk.Stat(name)
	if err != nil {
		return nil, err
	}
	f, err := w.disk.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	p := make([]byte, st.Size())
	_, err = f.ReadAt(p, 0)
	return p, errors.Join(err, f.Close())
}

// TestPromoteCrash loses power at many moments of a promotion, at each of the last ones, what was not synced being lost, torn
// or kept. Either the directory is a standby's still, which is promoted again, by us or by a stock server, or it is one that
// was shut down. The files of relations are in the end those of a promotion without a crash.
func TestPromoteCrash(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	source := recordPromotionOf(t, pgserver.Options{Major: 15, WALSegmentMB: 1})
	dir := filepath.Join(pgserver.TempDir(t), "standby")
	require.NoError(t, source.Copy(dir))
	base := faultfs.New()
	size := copyTo(t, base, dir)

	whole := base.Crash(1)
	before, err := promoteOn(t, whole, size)
	require.NoError(t, err)
	after := whole.Operations()
	want := relationTree(t, whole)
	require.NotEmpty(t, want)
	c := crashes{t: t, base: base, size: size, want: want, found: map[left][]int{}}
	step, early := 4, 3
	switch {
	case pgserver.Long():
		step, early = 1, 100
	case testing.Short():
		step, early = 20, 1
	}
	const last = 160 // operations, from before the new segment on
	require.Greater(t, after-before, last)
	for i := range early {
		c.crashAfter(before + (after-last-before)*i/early)
	}
	for n := after - last; n < after; n += step {
		c.crashAfter(n)
	}
	t.Logf("%d operations of a promotion; crashes left %d standbys of the old timeline, %d of a new one, %d "+
		"directories that were shut down", after-before, len(c.found[oldStandby]), len(c.found[newStandby]), len(c.found[shutDown]))
	for _, state := range []left{oldStandby, newStandby, shutDown} {
		list := c.found[state]
		require.NotEmpty(t, list)
		if state == newStandby || !testing.Short() {
			c.stock(list[len(list)/2])
		}
	}
}

// promoteOn replays and promotes, and says after how many operations the promotion began.
func promoteOn(t *testing.T, disk *faultfs.FS, size xlog.SegmentSize) (began int, err error) {
	r, err := redo.New(redo.Config{Dir: crashDir, FS: disk, WAL: diskWAL{disk, size}, CacheBytes: 1 << 20})
	if err != nil {
		return 0, err
	}
	if _, err := r.Replay(t.Context(), redo.ReplayConfig{}); err != nil {
		return 0, errors.Join(err, r.Close())
	}
	began = disk.Operations()
	_, err = r.Promote(redo.PromoteConfig{})
	return began, err
}

// relationTree is the files that do not depend on how often it was tried.
func relationTree(t *testing.T, disk *faultfs.FS) map[string]string {
	files := tree(t, disk)
	for name := range files {
		rest := strings.TrimPrefix(name, crashDir+"/")
		if strings.HasPrefix(rest, "pg_wal/") || rest == pgdata.ControlFileName {
			delete(files, name)
		}
	}
	return files
}

// left is what a crash left.
type left int

const (
	oldStandby left = iota // of the old timeline
	newStandby             // of a new one
	shutDown
)

// crashes are crashes of the same promotion.
type crashes struct {
	t     *testing.T
	base  *faultfs.FS
	size  xlog.SegmentSize
	want  map[string]string
	found map[left][]int // after how many operations
}

func (c *crashes) crash(n int) *faultfs.FS {
	disk := c.base.Crash(1)
	disk.CrashAfter(n)
	_, err := promoteOn(c.t, disk, c.size)
	require.Error(c.t, err)
	require.True(c.t, disk.Crashed())
	return disk
}

func (c *crashes) crashAfter(n int) {
	disk := c.crash(n)
	for _, seed := range []uint64{0, 1, uint64(n) + 4} {
		when := fmt.Sprintf("crash after %d operations, seed %d", n, seed)
		found := disk.Crash(seed)
		state := c.look(found)
		c.found[state] = append(c.found[state], n)
		if state != shutDown {
			_, err := promoteOn(c.t, found, c.size)
			require.NoError(c.t, err, when)
		}
		c.requirePromoted(found.Crash(0), when)
	}
}

// look tells what a crash left.
func (c *crashes) look(disk *faultfs.FS) left {
	_, err := disk.Stat(crashDir + "/standby.signal")
	if errors.Is(err, fs.ErrNotExist) {
		return shutDown
	}
	require.NoError(c.t, err)
	if _, err := (diskWAL{disk, c.size}).ReadHistory(2); err == nil {
		return newStandby
	}
	return oldStandby
}

func (c *crashes) requirePromoted(disk *faultfs.FS, when string) {
	control, err := pgdata.ReadControl(disk, crashDir)
	require.NoError(c.t, err)
	require.Equal(c.t, pgdata.DBShutdowned, control.State, when)
	tli := control.CheckPointCopy.ThisTimeLineID
	require.Greater(c.t, tli, xlog.TimelineID(1), when)
	equalTrees(c.t, c.want, relationTree(c.t, disk), when)
	content, err := diskWAL{disk, c.size}.ReadHistory(tli)
	require.NoError(c.t, err)
	history, err := xlog.ParseHistory(tli, content)
	require.NoError(c.t, err)
	r := xlog.NewReader(xlog.ReaderConfig{
		Dialect: xlog.Postgres15, SegmentSize: c.size, History: history, Source: diskWAL{disk, c.size},
		Start: control.CheckPoint,
	})
	rec, err := r.Next()
	require.NoError(c.t, err, when)
	require.Equal(c.t, control.CheckPoint, rec.LSN)
	_, err = r.Next()
	require.ErrorIs(c.t, err, xlog.ErrZeroed, when)
}

// stock lets a stock server take over what a crash left.
func (c *crashes) stock(n int) {
	found := c.crash(n).Crash(uint64(n))
	standby := c.look(found) != shutDown
	dir := filepath.Join(pgserver.TempDir(c.t), "stock")
	copyFrom(c.t, found, dir)
	s := pgserver.Adopt(c.t, dir, pgserver.Options{Major: 15, Settings: map[string]string{
		"max_prepared_transactions": "5", "restore_command": "", "hot_standby": "on", "primary_conninfo": "",
	}})
	if standby {
		require.Equal(c.t, "t", one(c.t, s, "SELECT pg_is_in_recovery()"))
		require.NoError(c.t, s.Promote())
	}
	require.Equal(c.t, "3001", one(c.t, s, "SELECT count(*) FROM kept"))
	s.SQL(c.t, "COMMIT PREPARED 'old'")
	s.SQL(c.t, "COMMIT PREPARED 'new'")
	require.Equal(c.t, "3003", one(c.t, s, "SELECT count(*) FROM kept"))
	s.SQL(c.t, "INSERT INTO v VALUES (7, 'x')")
	require.Equal(c.t, "1", one(c.t, s, "SELECT count(*) FROM v"), "unlogged")
	c.t.Logf("after %d operations a stock server goes on, as a standby: %t", n, standby)
	requireSound(c.t, s)
}

// copyFrom writes a directory of a disk to the filesystem.
func copyFrom(t *testing.T, disk *faultfs.FS, dir string) {
	var walk func(from, to string)
	walk = func(from, to string) {
		require.NoError(t, os.Mkdir(to, 0o700))
		entries, err := disk.ReadDir(from)
		require.NoError(t, err)
		for _, e := range entries {
			from, to := from+"/"+e.Name(), filepath.Join(to, e.Name())
			if e.IsDir() {
				walk(from, to)
				continue
			}
			require.NoError(t, os.WriteFile(to, rawContent(t, disk, from), 0o600))
		}
	}
	walk(crashDir, dir)
}

func rawContent(t *testing.T, disk *faultfs.FS, name string) []byte {
	f, err := disk.OpenFile(name, os.O_RDONLY, 0)
	require.NoError(t, err)
	p, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	require.NoError(t, errors.Join(err, f.Close()))
	return p
}
