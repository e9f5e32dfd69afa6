// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// tellStories runs a test for both layouts, one of them with direct writes too, and every way to sync.
func tellStories(t *testing.T, test func(t *testing.T, cfg Config, syncs syncing)) {
	tell := func(t *testing.T, cfg Config) {
		for _, syncs := range []syncing{nowAndThen, beside, rarely} {
			t.Run(string(syncs), func(t *testing.T) { test(t, cfg, syncs) })
		}
	}
	layouts(t, func(t *testing.T, partial bool) { tell(t, Config{Partial: partial}) })
	t.Run("direct", func(t *testing.T) { t.Parallel(); tell(t, Config{Partial: true, Direct: true}) })
}

// strideOf is the distance of the operations that are tried. With direct writes most of them write zeros ahead, and a story
// with a Sync beside takes long.
func strideOf(cfg Config, syncs syncing) int {
	switch {
	case cfg.Direct && syncs == beside:
		return 23 * stride
	case cfg.Direct:
		return 2 * stride
	}
	return stride
}

// TestCrashAfterEveryOperation takes the power away after each operation of the story, and looks at several ways in
// which the disk may be found.
func TestCrashAfterEveryOperation(t *testing.T) {
	t.Parallel()
	const variants = 6
	tellStories(t, func(t *testing.T, cfg Config, syncs syncing) {
		points, checks := 0, 0
		for n := 0; ; n += strideOf(cfg, syncs) {
			disk := newDisk(t)
			s := newStory(disk, cfg, syncs, 1)
			disk.CrashAfter(n)
			err := s.run()
			if !disk.Crashed() {
				require.NoError(t, err)
				break
			}
			points++
			for v := range uint64(variants) {
				seed := v
				if v > 3 {
					seed += uint64(n) * variants
				}
				checks++
				if err := s.check(disk.Crash(seed)); err != nil {
					t.Fatalf("crash after operation %d, seed %d: %v\n%s", n, seed, err, list(disk.Crash(seed)))
				}
			}
		}
		require.Greater(t, points, 60/strideOf(cfg, syncs))
		t.Logf("checked %d crash points, %d disks", points, checks)
	})
}

// list shows a disk in a failure's message.
func list(disk *faultfs.FS) string {
	var b strings.Builder
	for _, dir := range []string{testDir, testDir + "/" + statusDirName} {
		entries, _ := disk.ReadDir(dir)
		for _, e := range entries {
			info, _ := e.Info()
			fmt.Fprintf(&b, "%s/%s %d\n", dir, e.Name(), info.Size())
		}
	}
	return b.String()
}

// TestErrorInEveryOperation lets each operation of the story fail once. The story stops at the error; what was
// acknowledged must survive even a crash at that moment.
func TestErrorInEveryOperation(t *testing.T) {
	t.Parallel()
	tellStories(t, func(t *testing.T, cfg Config, syncs syncing) {
		points, surfaced := 0, 0
		for n := 0; ; n += strideOf(cfg, syncs) {
			disk := newDisk(t)
			s := newStory(disk, cfg, syncs, 2)
			before := disk.Operations()
			disk.Fail(faultfs.Fault{After: n, Times: 1, Short: 0.7})
			err := s.run()
			if err == nil && disk.Operations() <= before+n {
				break
			}
			points++
			if err != nil {
				surfaced++
				require.ErrorIs(t, err, syscall.EIO, "operation %d", n)
			}
			for _, seed := range []uint64{0, 1, 3, 4 + uint64(n)} {
				if err := s.check(disk.Crash(seed)); err != nil {
					t.Fatalf("EIO in operation %d, seed %d: %v\n%s", n, seed, err, list(disk.Crash(seed)))
				}
			}
		}
		require.Greater(t, points, 60/strideOf(cfg, syncs))
		t.Logf("checked an error in each of %d operations; %d stopped the receiver", points, surfaced)
	})
}

// TestFullDisk lets the disk be full at many sizes, then gives it room again and goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	tellStories(t, func(t *testing.T, cfg Config, syncs syncing) {
		points := 0
		for space := int64(0); ; space += int64(testSize) / 3 {
			disk := newDisk(t)
			s := newStory(disk, cfg, syncs, 3)
			disk.SetSpace(space)
			err := s.run()
			if err == nil {
				break
			}
			points++
			require.ErrorIs(t, err, syscall.ENOSPC)
			for seed := range uint64(4) {
				if err := s.check(disk.Crash(seed)); err != nil {
					t.Fatalf("full after %d bytes, seed %d: %v\n%s", space, seed, err, list(disk.Crash(seed)))
				}
			}
		}
		require.Greater(t, points, 5)
		t.Logf("checked %d sizes of a full disk", points)
	})
}

// TestWriteGoesOnAfterFullDisk stays in one Dir: an error other than that of an fsync is not final.
func TestWriteGoesOnAfterFullDisk(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		disk := newDisk(t)
		s := newStory(disk, Config{Partial: partial}, nowAndThen, 4)
		d, err := Open(s.cfg)
		require.NoError(t, err)
		defer d.Close()
		require.NoError(t, d.Begin(1, testStart))
		s.began[1] = testStart
		disk.SetSpace(int64(2*testSize) + 100)
		wal := testWAL(1, testStart, 3*int(testSize))
		require.ErrorIs(t, d.Write(testStart, wal), syscall.ENOSPC)
		_, err = d.Sync()
		require.NoError(t, err, "what was written before is durable")

		disk.Heal()
		tli, lsn, ok := d.Resume()
		require.True(t, ok)
		require.Equal(t, testStart.Add(2*int(testSize)), lsn)
		require.NoError(t, d.Begin(tli, lsn))
		require.NoError(t, d.Write(lsn, wal[lsn-testStart:]))
		require.NoError(t, s.sync(d, 1))
		require.Equal(t, testStart.Add(len(wal)), s.acked[1])
		require.NoError(t, s.check(disk.Crash(0)))
	})
}

// TestFailedSyncIsFinal is the story of the fsync that fails once and then succeeds without having written anything.
func TestFailedSyncIsFinal(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		for _, op := range []faultfs.Op{faultfs.Sync, faultfs.SyncDir} {
			disk := newDisk(t)
			d, err := Open(Config{Path: testDir, FS: disk, SegmentSize: testSize, Partial: partial})
			require.NoError(t, err)
			require.NoError(t, d.Begin(1, testStart))
			require.NoError(t, d.Write(testStart, testWAL(1, testStart, int(testSize)+1000)))
			disk.Fail(faultfs.Fault{Op: op, Times: 1})
			for range 3 {
				_, err = d.Sync()
				require.ErrorIs(t, err, syscall.EIO)
			}
			require.ErrorIs(t, d.Write(testStart.Add(int(testSize)+1000), []byte{1}), syscall.EIO)
			require.ErrorIs(t, d.Begin(1, testStart), syscall.EIO)
			require.ErrorIs(t, d.Close(), syscall.EIO)
			require.ErrorIs(t, d.Close(), ErrClosed)
		}
	})
}

// TestKilledBeforeTheDirectoryWasSynced: a process renamed a segment and was killed; the next one goes on behind it,
// and acknowledges that, so it must make the name durable.
func TestKilledBeforeTheDirectoryWasSynced(t *testing.T) {
	t.Parallel()
	disk := newDisk(t)
	f, err := disk.OpenFile(testDir+"/000000010000000000000005", os.O_RDWR|os.O_CREATE, vfs.FileMode)
	require.NoError(t, err)
	_, err = f.WriteAt(testWAL(1, testStart, int(testSize)), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())

	s := newStory(disk, Config{Partial: true}, nowAndThen, 0)
	d, err := Open(s.cfg)
	require.NoError(t, err)
	defer d.Close()
	s.began[1] = testStart
	require.NoError(t, d.Begin(1, testStart.Add(int(testSize))))
	require.NoError(t, s.sync(d, 1))
	require.Equal(t, testStart.Add(int(testSize)), s.acked[1])
	require.NoError(t, s.check(disk.Crash(0)))
}

// TestFsyncsPerSegment bounds what durability costs: with a Sync for each segment and one more in between, no more
// than one fsync of each file for either, and one of each directory.
func TestFsyncsPerSegment(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		counter := &countingFS{FS: newDisk(t)}
		d, err := Open(Config{Path: testDir, FS: counter, SegmentSize: testSize, Partial: partial})
		require.NoError(t, err)
		defer d.Close()
		require.NoError(t, d.Begin(1, testStart))
		const segments = 10
		for i := range segments {
			if i == 1 {
				counter.files.Store(0)
				counter.dirs.Store(0)
			}
			lsn := testStart.Add(i * int(testSize))
			require.NoError(t, d.Write(lsn, testWAL(1, lsn, int(testSize))))
			_, err := d.Sync()
			require.NoError(t, err)
		}
		files, dirs := counter.files.Load(), counter.dirs.Load()
		t.Logf("%d segments: %d fsyncs of files, %d of directories", segments-1, files, dirs)
		if partial {
			require.LessOrEqual(t, files+dirs, int64(2*(segments-1)))
		} else {
			require.LessOrEqual(t, files+dirs, int64(4*(segments-1)))
		}
	})
}

type countingFS struct {
	*faultfs.FS
	files, dirs atomic.Int64
}

func (c *countingFS) SyncDir(name string) error {
	c.dirs.Add(1)
	return c.FS.SyncDir(name)
}

func (c *countingFS) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	return countingFile{f, c}, err
}

type countingFile struct {
	vfs.File
	fs *countingFS
}

func (f countingFile) Sync() error {
	f.fs.files.Add(1)
	return f.File.Sync()
}
