// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
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

// slowFS lets some writes and syncs begin late, so that much else happens in the meantime.
type slowFS struct{ *faultfs.FS }

func (s slowFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return slowFile{f}, nil
}

type slowFile struct{ vfs.File }

func (f slowFile) WriteAt(p []byte, at int64) (int, error) {
	dawdle()
	return f.File.WriteAt(p, at)
}

func (f slowFile) Sync() error {
	dawdle()
	return f.File.Sync()
}

func dawdle() {
	if rand.IntN(16) == 0 {
		time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
	}
}

// locked is a Between of a lock.
func locked(mu *sync.Mutex) Between {
	return func(fn func() error) error {
		mu.Lock()
		defer mu.Unlock()
		return fn()
	}
}

// TestCheckpointBeside does random things to a store while checkpoints are made of it without an end.
func TestCheckpointBeside(t *testing.T) {
	t.Parallel()
	steps, enough := 8000, 40
	if testing.Short() {
		steps, enough = 1000, 10
	}
	checkpoints, copies := 0, 0
	for seed := range uint64(4) {
		checksums := seed%2 == 0
		fsys := faultfs.New()
		dir := testDir(t, slowFS{fsys}, "/d", checksums)
		st := &story{t: t, rnd: rand.New(rand.NewPCG(seed, 9)), model: model{}}
		st.store = newStore(t, dir, StoreConfig{Budget: 1, BeforeWrite: func() error { return nil }})
		var mu sync.Mutex
		between := locked(&mu)
		n, failed := 0, make(chan error, 1)
		go func() {
			var err error
			for over := false; !over && err == nil; {
				err = errors.Join(st.store.Checkpoint(between), between(func() error {
					n++
					over = n >= enough
					return nil
				}))
			}
			failed <- err
		}()
		for i, over := 0, false; i < steps || !over; i++ {
			require.NoError(t, between(func() error {
				over = n >= enough
				if st.rnd.IntN(300) != 0 {
					return st.do()
				}
				copies++
				return st.copyDatabase()
			}))
			dawdle()
		}
		require.NoError(t, <-failed)
		checkpoints += n
		st.check()
		require.NoError(t, st.store.Flush())
		st.checkFiles(fsys.Crash(0), "/d", checksums)
	}
	t.Logf("%d checkpoints, %d copies of the database", checkpoints, copies)
}

// copyDatabase makes another database, or one in its place, and looks at what is in it.
func (st *story) copyDatabase() error {
	const database = 6
	st.store.Begin()
	if err := st.store.CopyDatabase(1663, database, 1663, 5); err != nil {
		return err
	}
	for k, pages := range st.model {
		to := k.rel
		to.Database = database
		n, err := st.store.Blocks(to, k.fork)
		require.NoError(st.t, err)
		require.EqualValues(st.t, len(pages), n)
		for i := range pages {
			st.store.Begin()
			b, err := st.store.Read(to, k.fork, uint32(i))
			if err != nil {
				return err
			}
			st.same(k, uint32(i), b.Page)
			if i == 0 && !b.Page.IsNew() {
				fill(b, st.lsn, 1)
			}
		}
	}
	return nil
}

// TestCheckpointCrash is TestStoreCrash with checkpoints that are made while the log is redone.
func TestCheckpointCrash(t *testing.T) {
	t.Parallel()
	t.Run("images", func(t *testing.T) {
		t.Parallel()
		testCheckpointCrash(t, true, 0, 1, 4)
	})
	// Without images nothing mends a page that is torn, or that was not written.
	t.Run("no images", func(t *testing.T) {
		t.Parallel()
		testCheckpointCrash(t, false, 0, 1)
	})
}

func testCheckpointCrash(t *testing.T, images bool, seeds ...uint64) {
	log, want := writeLog(rand.New(rand.NewPCG(3, 5)), 1500, 100, images)
	whole := faultfs.New()
	all, err := redoBeside(t, whole, log, 0)
	require.NoError(t, err)
	total := whole.Operations() - operationsOf(t)
	moments := 60
	if testing.Short() {
		moments = 10
	}
	crashes, beside := 0, 0
	for i := range moments {
		disk := faultfs.New()
		testDir(t, disk, "/d", true)
		disk.CrashAfter(total * (i + 1) / (moments + 1))
		was, err := redoBeside(t, disk, log, 0)
		if err == nil {
			continue // it took fewer operations than the first time
		}
		require.ErrorIs(t, err, faultfs.ErrCrashed)
		crashes++
		if was.beside {
			beside++
		}
		for _, seed := range seeds {
			if seed > 1 {
				seed += uint64(i)
			}
			found := disk.Crash(seed)
			checkReach(t, found, was.reach)
			_, err := redoBeside(t, found, log, was.next)
			require.NoError(t, err)
			(&story{t: t, model: want}).checkFiles(found.Crash(0), "/d", true)
		}
	}
	require.Greater(t, beside, moments/4)
	t.Logf("%d checkpoints, %d operations, %d crashes, %d of them during a checkpoint, each found in %d ways", all.ended,
		total, crashes, beside, len(seeds))
}

// redone is where a crash found the redo of a log.
type redone struct {
	next   int      // the record at which redo begins then
	reach  xlog.LSN // up to where it goes at least
	beside bool     // a checkpoint was under way
	ended  int      // checkpoints
}

// redoBeside redoes a log from a record on. Where it has a flush a checkpoint begins, unless one is under way, and from
// there redo begins when that has ended.
func redoBeside(t *testing.T, disk *faultfs.FS, log []logged, from int) (is redone, err error) {
	is.next = from
	var mu sync.Mutex // guards what follows, and is
	var done xlog.LSN
	between := locked(&mu)
	s, err := NewStore(testDir(t, slowFS{disk}, "/d", true), StoreConfig{Budget: 1, BeforeWrite: func() error {
		if disk.Crashed() {
			return faultfs.ErrCrashed
		}
		is.reach = max(is.reach, done)
		return nil
	}})
	if err != nil {
		return is, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var checkpoints sync.WaitGroup
	var failed error
	begin := func(at int) {
		is.beside = true
		checkpoints.Go(func() {
			err := s.Checkpoint(between)
			_ = between(func() error {
				if failed = err; err == nil {
					is.beside, is.next = false, at
					is.ended++
				}
				return nil
			})
		})
	}
	for at := from; at < len(log); at++ {
		err := between(func() error {
			switch {
			case failed != nil:
				return failed
			case log[at].kind == logFlush && at < len(log)-1:
				if !is.beside {
					begin(at)
				}
				return nil
			case log[at].kind == logFlush:
				return nil
			}
			done = log[at].lsn
			return log[at].redo(s)
		})
		if err != nil {
			checkpoints.Wait()
			return is, err
		}
		dawdle()
	}
	checkpoints.Wait()
	if failed != nil {
		return is, failed
	}
	return is, s.Flush()
}

// heldFS lets no write begin while it holds writes; held hears of each that waits.
type heldFS struct {
	*faultfs.FS
	hold atomic.Bool
	held chan struct{}
	let  chan struct{} // closed when they may go on
}

type heldFile struct {
	vfs.File
	fsys *heldFS
}

func (h *heldFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := h.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return heldFile{f, h}, nil
}

func (f heldFile) WriteAt(p []byte, at int64) (int, error) {
	if f.fsys.hold.Load() {
		f.fsys.held <- struct{}{}
		<-f.fsys.let
	}
	return f.File.WriteAt(p, at)
}

// TestCheckpointBeforeCopy: a copy of a database has what a checkpoint is writing to the database's files.
func TestCheckpointBeforeCopy(t *testing.T) {
	t.Parallel()
	disk := &heldFS{FS: faultfs.New(), held: make(chan struct{}, 1), let: make(chan struct{})}
	s := newStore(t, testDir(t, disk, "/d", true), StoreConfig{})
	page(t, s, rel(10), 0, 1)
	require.NoError(t, s.Flush())
	page(t, s, rel(10), 0, 2)
	s.Begin()
	b, err := s.Read(rel(10), xlog.MainFork, 0)
	require.NoError(t, err)
	want := slices.Clone(b.Page)

	var mu sync.Mutex
	between := locked(&mu)
	done := make(chan error, 2)
	disk.hold.Store(true)
	go func() { done <- s.Checkpoint(between) }()
	<-disk.held
	disk.hold.Store(false)
	go func() { done <- between(func() error { return s.CopyDatabase(1663, 6, 1663, 5) }) }()
	time.Sleep(20 * time.Millisecond) // for a copy that does not wait
	close(disk.let)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	copied := rel(10)
	copied.Database = 6
	s.Begin()
	b, err = s.Read(copied, xlog.MainFork, 0)
	require.NoError(t, err)
	want.SetChecksum(0)
	b.Page.SetChecksum(0)
	require.Equal(t, want, b.Page)
}

// TestCheckpointFails: what cannot be written or synced beside redo is final.
func TestCheckpointFails(t *testing.T) {
	t.Parallel()
	for _, op := range []faultfs.Op{faultfs.Write, faultfs.Sync, faultfs.SyncDir} {
		t.Run(op.String(), func(t *testing.T) {
			t.Parallel()
			fsys := faultfs.New()
			s := newStore(t, testDir(t, fsys, "/d", false), StoreConfig{})
			b, err := s.Zero(rel(1), xlog.MainFork, 3)
			require.NoError(t, err)
			fill(b, 8, 1)
			fsys.Fail(faultfs.Fault{Op: op, Times: 1})
			require.ErrorIs(t, s.Checkpoint(locked(new(sync.Mutex))), syscall.EIO)
			require.ErrorIs(t, s.Flush(), syscall.EIO)
			require.ErrorIs(t, s.Checkpoint(locked(new(sync.Mutex))), syscall.EIO)
		})
	}
}
