// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// syncSink counts syncs, each of which takes a while.
type syncSink struct {
	Sink
	mu    sync.Mutex
	end   xlog.LSN
	took  time.Duration
	syncs []xlog.LSN
	err   error
}

func (s *syncSink) write(lsn xlog.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = lsn
}

func (s *syncSink) Sync() (xlog.LSN, error) {
	s.mu.Lock()
	end := s.end
	s.mu.Unlock()
	time.Sleep(s.took)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs = append(s.syncs, end)
	return end, s.err
}

// flushing runs a flusher in a bubble of virtual time.
func flushing(t *testing.T, sink *syncSink, test func(f *flusher, write func(lsn xlog.LSN, drained bool, lag int64))) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlusher(sink, 1<<20, func(xlog.LSN) {}, func() {})
		go f.run()
		defer f.close()
		test(f, func(lsn xlog.LSN, drained bool, lag int64) {
			sink.write(lsn)
			if f.wrote(lsn, drained, lag, false) {
				f.syncHere()
			}
		})
	})
}

func TestGroupCommit(t *testing.T) {
	sink := &syncSink{took: 10 * time.Millisecond}
	flushing(t, sink, func(f *flusher, write func(xlog.LSN, bool, int64)) {
		sink.write(1000)
		f.begin(1000)
		require.NoError(t, f.quiesce())
		require.Equal(t, []xlog.LSN{1000}, sink.syncs, "what is there is confirmed first")
		for lsn := xlog.LSN(1001); lsn <= 1100; lsn++ {
			write(lsn, true, 0)
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, f.quiesce())
		require.Equal(t, xlog.LSN(1100), sink.syncs[len(sink.syncs)-1])
		require.InDelta(t, 11, len(sink.syncs), 2, "one sync after another, each for all that came meanwhile")
	})
}

func TestFlushWhen(t *testing.T) {
	sink := &syncSink{}
	flushing(t, sink, func(f *flusher, write func(xlog.LSN, bool, int64)) {
		count := func() int {
			synctest.Wait()
			sink.mu.Lock()
			defer sink.mu.Unlock()
			return len(sink.syncs)
		}
		sink.write(1000)
		f.begin(1000)
		require.Equal(t, 1, count())
		write(2000, false, 0)
		require.Equal(t, 1, count(), "more is at hand")
		write(3000, true, 1<<20)
		require.Equal(t, 2, count(), "the socket is drained")
		write(4000, false, 1<<30)
		f.hurry()
		require.Equal(t, 3, count(), "the server asks")
		f.hurry()
		require.Equal(t, 3, count(), "nothing is new")
		write(5000, false, 1<<30)
		require.Equal(t, 3, count())
		write(4000+1<<20, false, 1<<30)
		require.Equal(t, 4, count(), "much waits")
		write(5000+1<<20, true, 1<<30)
		require.Equal(t, 4, count(), "far behind: a drained socket does not count so soon")
		time.Sleep(catchupPause)
		write(6000+1<<20, true, 1<<30)
		require.Equal(t, 5, count())
		sink.write(7000 + 1<<20)
		if f.wrote(7000+1<<20, false, 1<<30, true) {
			f.syncHere()
		}
		require.Equal(t, 6, count(), "a segment ended")
	})
}

// TestSyncHere: the reader syncs itself when little waits and the disk is quick, and never beside the flusher.
func TestSyncHere(t *testing.T) {
	sink := &syncSink{}
	flushing(t, sink, func(f *flusher, write func(xlog.LSN, bool, int64)) {
		here := func(lsn xlog.LSN, drained bool) bool {
			sink.write(lsn)
			return f.wrote(lsn, drained, 0, false)
		}
		require.False(t, here(1000, true), "nothing is known of the disk")
		require.NoError(t, f.quiesce())
		require.False(t, here(2000, false), "more is at hand")
		require.False(t, here(2000+littleLog, true), "much waits")
		require.NoError(t, f.quiesce())
		require.True(t, here(3000+littleLog, true))
		require.False(t, here(4000+littleLog, true), "a sync runs")
		f.hurry()
		synctest.Wait()
		require.Len(t, sink.syncs, 2, "the flusher keeps off")
		sink.took = quickSync
		f.syncHere()
		require.NoError(t, f.quiesce())
		require.False(t, here(5000+littleLog, true), "the disk was slow")
		sink.took = 0
		require.NoError(t, f.quiesce())
		require.True(t, here(6000+littleLog, true), "the disk is quick again")
		f.syncHere()
		require.NoError(t, f.quiesce())
		require.Equal(t, xlog.LSN(6000+littleLog), sink.syncs[len(sink.syncs)-1])
	})
}

func TestFlushError(t *testing.T) {
	sink := &syncSink{err: errors.New("disk")}
	flushing(t, sink, func(f *flusher, write func(xlog.LSN, bool, int64)) {
		write(1000, true, 0)
		err := f.quiesce()
		require.ErrorIs(t, err, ErrSink)
		require.ErrorIs(t, err, sink.err)
		write(2000, true, 0)
		require.Equal(t, err, f.quiesce(), "the first error is final")
		require.Len(t, sink.syncs, 1)
	})
	short := &syncSink{end: 500}
	flushing(t, short, func(f *flusher, write func(xlog.LSN, bool, int64)) {
		if f.wrote(1000, true, 0, false) {
			f.syncHere()
		}
		require.ErrorIs(t, f.quiesce(), ErrSink, "a sink that does not keep its promise")
	})
}
