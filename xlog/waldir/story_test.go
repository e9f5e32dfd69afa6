// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
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

func newStory(disk vfs.FS, cfg Config, syncs syncing, seed uint64) *story {
	cfg.Path, cfg.FS, cfg.SegmentSize = testDir, disk, testSize
	return &story{
		cfg:     cfg,
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
		n := min(s.piece(), int(to-lsn))
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

// piece is how much is written at once: for direct writes a little now and then.
func (s *story) piece() int {
	if s.cfg.Direct && s.rng.IntN(3) > 0 {
		return 1 + s.rng.IntN(littlePiece+1000)
	}
	return 1 + s.rng.IntN(400_000)
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
