// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// directCounter counts direct writes, and refuses them after some.
type directCounter struct {
	vfs.FS
	writes atomic.Int32
	limit  int32
}

func (c *directCounter) OpenDirect(name string) (vfs.DirectFile, error) {
	f, err := c.FS.(vfs.DirectFS).OpenDirect(name)
	return &countedDirect{f, c}, err
}

type countedDirect struct {
	vfs.DirectFile
	fs *directCounter
}

func (f *countedDirect) WriteAt(p []byte, offset int64) (int, error) {
	if f.fs.writes.Load() >= f.fs.limit {
		return 0, errors.ErrUnsupported
	}
	f.fs.writes.Add(1)
	return f.DirectFile.WriteAt(p, offset)
}

const unlimited = 1 << 30

// TestDirect writes pieces of every kind with a Sync beside and one now and then, and finds each byte: by ReadAt as soon as
// it was written, then in the files, through the page cache and around it.
func TestDirect(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	disk := &directCounter{FS: vfs.OS, limit: unlimited}
	d := openTest(t, Config{Path: path, FS: disk, Partial: true, Direct: true})
	require.NoError(t, d.Begin(1, testStart))
	stop := syncUntilStopped(t, d)
	rng := rand.New(rand.NewPCG(3, 4))
	lsn, end := testStart, testStart.Add(6*int(testSize)-12345)
	for lsn < end {
		n := 1 + rng.IntN([]int{300, 300, 300, 300, 5000, littlePiece, 3 * tailSize}[rng.IntN(7)])
		n = min(n, int(end-lsn), int(testSize)-int(testSize.Offset(lsn)))
		if rng.IntN(20) > 0 {
			require.NoError(t, d.Write(lsn, testWAL(1, lsn, n)))
		} else {
			done, err := d.WriteFile(lsn, n, func(f *os.File, offset int64) error {
				_, err := f.WriteAt(testWAL(1, lsn, n), offset)
				return err
			})
			require.NoError(t, err)
			require.True(t, done)
		}
		lsn = lsn.Add(n)
		from := max(testStart, lsn-xlog.LSN(rng.IntN(2*tailSize)+1))
		got := make([]byte, lsn.Sub(from))
		_, err := d.ReadAt(1, got, from)
		require.NoError(t, err)
		require.True(t, bytes.Equal(testWAL(1, from, len(got)), got), "%d bytes at %s", len(got), from)
		if rng.IntN(3) == 0 {
			synced, err := d.Sync()
			require.NoError(t, err)
			require.Equal(t, lsn, synced)
		}
	}
	stop()
	for _, n := range []int{5000, 10} { // behind the second one there are zeros, not bytes of the first
		require.NoError(t, d.Write(end, testWAL(1, end, n)))
		end = end.Add(n)
		_, err := d.Sync()
		require.NoError(t, err)
	}
	require.NoError(t, d.Close())
	require.Positive(t, disk.writes.Load())
	compareFiles(t, path, end)
	t.Logf("%d direct writes", disk.writes.Load())
}

// syncUntilStopped syncs again and again.
func syncUntilStopped(t *testing.T, d *Dir) (stop func()) {
	var quit atomic.Bool
	var syncer sync.WaitGroup
	syncer.Go(func() {
		for !quit.Load() {
			if _, err := d.Sync(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	return func() { quit.Store(true); syncer.Wait() }
}

// compareFiles compares an archive's files up to end, as the page cache has them and as the disk does.
func compareFiles(t *testing.T, path string, end xlog.LSN) {
	for lsn := testStart; lsn < end; lsn = lsn.Add(int(testSize)) {
		name := filepath.Join(path, testSize.Name(1, testSize.Number(lsn)))
		if end < lsn.Add(int(testSize)) {
			name += xlog.PartialSuffix
		}
		want := make([]byte, testSize)
		copy(want, testWAL(1, lsn, min(int(testSize), int(end-lsn))))
		for _, flag := range []int{0, syscall.O_DIRECT} {
			f, err := os.OpenFile(name, os.O_RDONLY|flag, 0)
			require.NoError(t, err)
			got := vfs.DirectBuffer(int(testSize))
			_, err = f.ReadAt(got, 0)
			require.NoError(t, errors.Join(err, f.Close()))
			require.True(t, bytes.Equal(want, got), "%s with flag %#x", name, flag)
		}
	}
}

// beforeWrite calls a function before each large write.
type beforeWrite struct {
	*faultfs.FS
	call *func()
}

func (b beforeWrite) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := b.FS.OpenFile(name, flag, perm)
	return hookedFile{f, b.call}, err
}

type hookedFile struct {
	vfs.File
	call *func()
}

func (f hookedFile) WriteAt(p []byte, offset int64) (int, error) {
	if len(p) > tailSize {
		(*f.call)()
	}
	return f.File.WriteAt(p, offset)
}

// TestDirectLeaves: what waited for a direct write and went through the cache instead, as a large piece came, is durable
// when a Sync at this moment says so.
func TestDirectLeaves(t *testing.T) {
	t.Parallel()
	disk := newDisk(t)
	s := newStory(disk, Config{Partial: true, Direct: true}, nowAndThen, 6)
	checked := false
	call := func() {}
	s.cfg.FS = beforeWrite{disk, &call}
	d, err := Open(s.cfg)
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, d.Begin(1, testStart))
	s.began[1] = testStart
	require.NoError(t, d.Write(testStart, testWAL(1, testStart, 1000)))
	require.NoError(t, s.sync(d, 1))
	next := testStart.Add(1000)
	require.NoError(t, d.Write(next, testWAL(1, next, 1000)))
	next = next.Add(1000)
	call = func() {
		checked = true
		require.NoError(t, s.sync(d, 1))
		require.Equal(t, next, s.acked[1])
		require.NoError(t, s.check(disk.Crash(0)))
	}
	require.NoError(t, d.Write(next, testWAL(1, next, 2*tailSize)))
	require.True(t, checked)
}

// TestDirectRefused: where the disk does not take direct writes, at once or later on, everything goes through the cache, and
// what is acknowledged is durable all the same.
func TestDirectRefused(t *testing.T) {
	t.Parallel()
	for _, limit := range []int32{0, 5} {
		disk := newDisk(t)
		s := newStory(disk, Config{Partial: true, Direct: true}, nowAndThen, 5)
		counter := &directCounter{FS: disk, limit: limit}
		s.cfg.FS = counter
		d, err := Open(s.cfg)
		require.NoError(t, err)
		require.NoError(t, d.Begin(1, testStart))
		s.began[1] = testStart
		for lsn := testStart; lsn < testStart.Add(30_000); lsn = lsn.Add(1000) {
			require.NoError(t, d.Write(lsn, testWAL(1, lsn, 1000)))
			require.NoError(t, s.sync(d, 1))
			require.Equal(t, lsn.Add(1000), s.acked[1])
			for seed := range uint64(3) {
				require.NoError(t, s.check(disk.Crash(seed)))
			}
		}
		require.Equal(t, limit, counter.writes.Load())
		require.NoError(t, d.Close())
	}
}

// TestDirectSyncs: a commit is one direct write, without an fsync, and allocates nothing.
func TestDirectSyncs(t *testing.T) {
	disk := &directCounter{FS: &countingFS{FS: newDisk(t)}, limit: unlimited}
	d := openTest(t, Config{Path: testDir, FS: disk, Partial: true, Direct: true})
	require.NoError(t, d.Begin(1, testStart))
	lsn := testStart
	commit := func() {
		require.NoError(t, d.Write(lsn, testWAL(1, lsn, 300)))
		lsn = lsn.Add(300)
		_, err := d.Sync()
		require.NoError(t, err)
	}
	commit()
	const commits = 400 // no longer than zerosAhead
	files := &disk.FS.(*countingFS).files
	files.Store(0)
	disk.writes.Store(0)
	for range commits {
		commit()
	}
	require.EqualValues(t, commits, disk.writes.Load())
	require.Zero(t, files.Load())

	d = openTest(t, Config{Path: t.TempDir(), Partial: true, Direct: true})
	require.NoError(t, d.Begin(1, testStart))
	lsn = testStart
	commit()
	require.Zero(t, testing.AllocsPerRun(300, commit))
}
