// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

const testDir = "/wal"

// newDisk is a disk with an empty WAL directory.
func newDisk(t testing.TB) *faultfs.FS {
	disk := faultfs.New()
	require.NoError(t, disk.Mkdir(testDir, vfs.DirMode))
	require.NoError(t, disk.SyncDir("/"))
	return disk
}

// story is a receiver's life: it writes a stream in random pieces, syncs, switches timeline, removes what is old,
// and starts again. It notes what it was told is durable.
type story struct {
	cfg   Config
	rng   *rand.Rand
	syncs syncing

	mu      sync.Mutex
	acked   map[xlog.TimelineID]xlog.LSN // what Sync returned last
	last    xlog.TimelineID              // timeline of the last acknowledgement
	began   map[xlog.TimelineID]xlog.LSN
	removed xlog.LSN // RemoveBefore was called with it
	history map[xlog.TimelineID]string
}

// syncing is when a story calls Sync.
type syncing string

const (
	nowAndThen syncing = "now and then"
	beside     syncing = "beside Write" // in a goroutine of its own, all the time
	rarely     syncing = "rarely"       // when a life ends: Write and Begin must do what is due before
)

func newStory(disk vfs.FS, partial bool, syncs syncing, seed uint64) *story {
	return &story{
		cfg:     Config{Path: testDir, FS: disk, SegmentSize: testSize, Partial: partial},
		rng:     rand.New(rand.NewPCG(seed, 2)),
		syncs:   syncs,
		acked:   make(map[xlog.TimelineID]xlog.LSN),
		began:   make(map[xlog.TimelineID]xlog.LSN),
		history: make(map[xlog.TimelineID]string),
	}
}

// run goes through the whole story and returns the first error.
func (s *story) run() error {
	d, err := Open(s.cfg)
	if err != nil {
		return err
	}
	if err := s.firstLife(d); err != nil {
		d.Close()
		return err
	}
	if err := d.Close(); err != nil {
		return err
	}
	if d, err = Open(s.cfg); err != nil {
		return err
	}
	if err := s.secondLife(d); err != nil {
		d.Close()
		return err
	}
	return d.Close()
}

func (s *story) firstLife(d *Dir) error {
	switchAt := testStart.Add(2*int(testSize) + 300_000)
	if err := s.receive(d, 1, testStart, switchAt); err != nil {
		return err
	}
	if err := s.writeHistory(d, 2, "1\t0/730000\tno recovery target specified\n"); err != nil {
		return err
	}
	begin := testSize.RoundDown(switchAt)
	if err := s.receive(d, 2, begin, begin.Add(int(testSize)+100_000)); err != nil {
		return err
	}
	return s.sync(d, 2)
}

func (s *story) secondLife(d *Dir) error {
	tli, lsn, ok := d.Resume()
	if !ok || tli != 2 {
		return fmt.Errorf("resume at %s on timeline %s", lsn, tli)
	}
	if err := s.receive(d, tli, lsn, testStart.Add(5*int(testSize))); err != nil {
		return err
	}
	keep := testStart.Add(int(testSize))
	s.mu.Lock()
	s.removed = keep
	s.mu.Unlock()
	if _, err := d.RemoveBefore(keep.Add(5)); err != nil {
		return err
	}
	return s.sync(d, tli)
}

func (s *story) writeHistory(d *Dir, tli xlog.TimelineID, content string) error {
	if err := d.WriteHistory(tli, []byte(content)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history[tli] = content
	return nil
}

// receive writes the stream of a timeline.
func (s *story) receive(d *Dir, tli xlog.TimelineID, from, to xlog.LSN) error {
	if err := d.Begin(tli, from); err != nil {
		return err
	}
	s.mu.Lock()
	if s.began[tli] == 0 {
		s.began[tli] = from
	}
	s.mu.Unlock()
	stop := s.syncBeside(d, tli)
	for lsn := from; lsn < to; {
		n := min(1+s.rng.IntN(400_000), int(to-lsn))
		if err := d.Write(lsn, testWAL(tli, lsn, n)); err != nil {
			stop()
			return err
		}
		lsn = lsn.Add(n)
		if s.syncs == beside {
			time.Sleep(time.Duration(s.rng.IntN(100)) * time.Microsecond) // lets Sync come to every place
		}
		if s.syncs == nowAndThen && s.rng.IntN(3) == 0 {
			if err := s.sync(d, tli); err != nil {
				return err
			}
		}
	}
	if err := stop(); err != nil || s.syncs == rarely {
		return err
	}
	return s.sync(d, tli)
}

// syncBeside calls Sync again and again until stop is called.
func (s *story) syncBeside(d *Dir, tli xlog.TimelineID) (stop func() error) {
	if s.syncs != beside {
		return func() error { return nil }
	}
	var quit atomic.Bool
	done := make(chan error, 1)
	go func() {
		for !quit.Load() {
			if err := s.sync(d, tli); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() error { quit.Store(true); return <-done }
}

func (s *story) sync(d *Dir, tli xlog.TimelineID) error {
	end, err := d.Sync()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if end < s.acked[tli] && end < s.began[tli] {
		return fmt.Errorf("Sync returned %s after %s", end, s.acked[tli])
	}
	s.acked[tli] = max(end, s.acked[tli])
	s.last = tli
	return nil
}

// check opens what a crash left and holds it against what was acknowledged.
func (s *story) check(disk *faultfs.FS) error {
	cfg := s.cfg
	cfg.FS = disk
	d, err := Open(cfg)
	if err != nil {
		return fmt.Errorf("open after the crash: %w", err)
	}
	defer d.Close()
	for tli, end := range s.acked {
		if err := s.compare(d, tli, s.began[tli], end); err != nil {
			return fmt.Errorf("acknowledged up to %s on timeline %s: %w", end, tli, err)
		}
	}
	for tli, want := range s.history {
		if got, err := d.ReadHistory(tli); err != nil || string(got) != want {
			return fmt.Errorf("history of timeline %s: %q, %w", tli, got, err)
		}
	}
	if err := s.checkComplete(d); err != nil {
		return err
	}
	return s.checkResume(d)
}

// compare reads WAL back that must be there.
func (s *story) compare(d *Dir, tli xlog.TimelineID, from, to xlog.LSN) error {
	from = max(from, s.removed)
	if to <= from {
		return nil
	}
	buf := make([]byte, 256<<10)
	for from < to {
		got := buf[:min(len(buf), int(to-from))]
		if n, err := d.ReadAt(tli, got, from); err != nil {
			return fmt.Errorf("read %d of %d bytes at %s: %w", n, len(got), from, err)
		}
		if !bytes.Equal(got, testWAL(tli, from, len(got))) {
			return fmt.Errorf("bytes differ after %s", from)
		}
		from = from.Add(len(got))
	}
	return nil
}

// checkComplete holds every file that says it is complete against the stream.
func (s *story) checkComplete(d *Dir) error {
	found, err := d.scan()
	if err != nil {
		return err
	}
	for _, e := range found.segments {
		name := d.size.Name(e.tli, e.number)
		if e.stage != stageComplete || !s.cfg.Partial && !found.marked[name] {
			continue
		}
		start := d.size.Start(e.number)
		if err := s.compare(d, e.tli, start, start.Add(int(testSize))); err != nil {
			return fmt.Errorf("%s is not complete: %w", e.name, err)
		}
	}
	return nil
}

// checkResume checks that nothing before the resume position is missing, that a server which keeps what follows
// the last acknowledged position can serve it, and that receiving goes on from there.
func (s *story) checkResume(d *Dir) error {
	tli, lsn, ok := d.Resume()
	last := s.acked[s.last]
	if !ok {
		if s.last == 0 || last == s.began[s.last] && s.last == 1 {
			return nil
		}
		return fmt.Errorf("nothing to resume from after %s was acknowledged", last)
	}
	if err := s.compare(d, tli, max(s.began[tli], testStart), lsn); err != nil {
		return fmt.Errorf("resume at %s on timeline %s skips WAL: %w", lsn, tli, err)
	}
	if lsn < testSize.RoundDown(last) {
		return fmt.Errorf("resume at %s although %s was acknowledged", lsn, last)
	}
	if s.last > tli && last > s.began[s.last] {
		return fmt.Errorf("resume on timeline %s although %s was acknowledged on timeline %s", tli, last, s.last)
	}
	return s.goOn(d, tli, lsn)
}

func (s *story) goOn(d *Dir, tli xlog.TimelineID, lsn xlog.LSN) error {
	if err := d.Begin(tli, lsn); err != nil {
		return err
	}
	n := int(testSize) + 1000
	if err := d.Write(lsn, testWAL(tli, lsn, n)); err != nil {
		return err
	}
	if end, err := d.Sync(); err != nil || end != lsn.Add(n) {
		return fmt.Errorf("sync after the crash: %s, %w", end, err)
	}
	return s.compare(d, tli, lsn, lsn.Add(n))
}

// tellStories runs a test for both layouts and every way to sync.
func tellStories(t *testing.T, test func(t *testing.T, partial bool, syncs syncing)) {
	layouts(t, func(t *testing.T, partial bool) {
		for _, syncs := range []syncing{nowAndThen, beside, rarely} {
			t.Run(string(syncs), func(t *testing.T) { test(t, partial, syncs) })
		}
	})
}

// TestCrashAfterEveryOperation takes the power away after each operation of the story, and looks at several ways in
// which the disk may be found.
func TestCrashAfterEveryOperation(t *testing.T) {
	t.Parallel()
	const variants = 6
	tellStories(t, func(t *testing.T, partial bool, syncs syncing) {
		points, checks := 0, 0
		for n := 0; ; n += stride {
			disk := newDisk(t)
			s := newStory(disk, partial, syncs, 1)
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
		require.Greater(t, points, 60/stride)
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
	tellStories(t, func(t *testing.T, partial bool, syncs syncing) {
		points, surfaced := 0, 0
		for n := 0; ; n += stride {
			disk := newDisk(t)
			s := newStory(disk, partial, syncs, 2)
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
		require.Greater(t, points, 60/stride)
		t.Logf("checked an error in each of %d operations; %d stopped the receiver", points, surfaced)
	})
}

// TestFullDisk lets the disk be full at many sizes, then gives it room again and goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	tellStories(t, func(t *testing.T, partial bool, syncs syncing) {
		points := 0
		for space := int64(0); ; space += int64(testSize) / 3 {
			disk := newDisk(t)
			s := newStory(disk, partial, syncs, 3)
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
		s := newStory(disk, partial, nowAndThen, 4)
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

	s := newStory(disk, true, nowAndThen, 0)
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
