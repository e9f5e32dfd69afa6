// SPDX-License-Identifier: Apache-2.0

package syncrep

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func newSync(t *testing.T, cfg Config) *Sync {
	s, err := New(cfg)
	require.NoError(t, err)
	return s
}

// streaming is a standby that has flushed up to lsn, written a bit more and applied a bit less.
func streaming(id uint32, name string, lsn xlog.LSN) Standby {
	return Standby{ID: id, Name: name, State: Streaming, Write: lsn + 5, Flush: lsn, Apply: lsn - 5}
}

// waits says whether a commit would wait.
func waits(s *Sync, lsn xlog.LSN, mode Mode) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return s.Wait(ctx, lsn, mode) != nil
}

func TestNobodyAsked(t *testing.T) {
	t.Parallel()
	s := newSync(t, Config{})
	require.False(t, waits(s, 1000, Apply))
	s.Update(streaming(1, "a", 100))
	require.Equal(t, map[uint32]Standing{1: {State: "async"}}, s.Standings())
	_, err := New(Config{Names: "ANY"})
	require.EqualError(t, err, `invalid value for parameter "synchronous_standby_names": syntax error at end of input`)
}

func TestFirst(t *testing.T) {
	t.Parallel()
	s := newSync(t, Config{Names: "FIRST 2 (a, b, c)"})
	s.Update(streaming(1, "c", 300))
	require.True(t, waits(s, 100, Flush), "one of two")
	s.Update(streaming(2, "b", 200))
	require.False(t, waits(s, 200, Flush))
	require.True(t, waits(s, 201, Flush))
	require.False(t, waits(s, 205, Write))
	require.True(t, waits(s, 196, Apply))
	s.Update(Standby{ID: 3, Name: "a", State: CatchingUp})
	s.Update(streaming(4, "x", 1000))
	require.Equal(t, map[uint32]Standing{
		1: {3, "sync"}, 2: {2, "sync"}, 3: {0, "async"}, 4: {0, "async"},
	}, s.Standings())
	s.Update(streaming(3, "A", 500))
	require.Equal(t, Standing{3, "potential"}, s.Standings()[1])
	s.Remove(2)
	require.Equal(t, xlog.LSN(300), s.Released(Flush))
	s.Remove(1)
	require.True(t, waits(s, 301, Flush))
	require.False(t, waits(s, 300, Flush), "what was confirmed once stays confirmed")
}

func TestAny(t *testing.T) {
	t.Parallel()
	s := newSync(t, Config{Names: "ANY 2 (*)"})
	s.Update(streaming(1, "a", 100))
	require.Zero(t, s.Released(Flush))
	s.Update(streaming(2, "b", 300))
	s.Update(streaming(3, "c", 200))
	require.Equal(t, xlog.LSN(200), s.Released(Flush))
	require.Equal(t, xlog.LSN(195), s.Released(Apply))
	require.Equal(t, Standing{1, "quorum"}, s.Standings()[1])
}

// TestRelease lets waiters go in the order of what they wait for.
func TestRelease(t *testing.T) {
	t.Parallel()
	s := newSync(t, Config{Names: "a"})
	s.Update(streaming(1, "a", 10))
	var all sync.WaitGroup
	for _, lsn := range []xlog.LSN{50, 20, 40, 30} {
		all.Go(func() { require.NoError(t, s.Wait(t.Context(), lsn, Flush)) })
	}
	require.Eventually(t, func() bool { return s.Waiting() == 4 }, time.Minute, time.Millisecond)
	s.Update(streaming(1, "a", 35))
	require.Equal(t, 2, s.Waiting())
	require.NoError(t, s.SetNames(""))
	all.Wait()
	require.Zero(t, s.Waiting())
	require.NoError(t, s.SetNames("a"))
	require.True(t, waits(s, 40, Flush))
	require.Zero(t, s.Waiting(), "who gave up does not wait")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newSync(t, Config{Names: "a"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := s.Wait(ctx, 0x16000028, Flush)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "0/16000028")
}

// TestCoordinator is Greenplum's rule: the standby is synchronous while it is there and near.
func TestCoordinator(t *testing.T) {
	t.Parallel()
	s := newSync(t, Config{Coordinator: true, Names: "ANY 3 (nobody)"})
	require.False(t, waits(s, 100, Flush), "no standby")
	s.Update(Standby{ID: 1, Name: GreenplumStandby})
	require.False(t, waits(s, 100, Flush), "no stream")
	s.Update(Standby{ID: 1, Name: GreenplumStandby, State: CatchingUp, Behind: 2})
	require.False(t, waits(s, 100, Flush), "far behind")
	s.Update(Standby{ID: 1, Name: GreenplumStandby, State: CatchingUp, Behind: 1, Write: 50, Flush: 50})
	require.True(t, waits(s, 100, Flush))
	s.Update(Standby{ID: 1, Name: GreenplumStandby, State: CatchingUp, Behind: 7, Write: 50, Flush: 50})
	require.True(t, waits(s, 100, Flush), "near once is near")
	require.True(t, waits(s, 50, Flush), "it lets nobody go before it streams")
	s.Update(streaming(1, GreenplumStandby, 100))
	s.Update(streaming(2, "other", 400))
	require.False(t, waits(s, 100, Flush))
	require.Equal(t, map[uint32]Standing{1: {1, "sync"}, 2: {0, "async"}}, s.Standings())

	done := make(chan error, 1)
	go func() { done <- s.Wait(t.Context(), 200, Flush) }()
	require.Eventually(t, func() bool { return s.Waiting() == 1 }, time.Minute, time.Millisecond)
	s.Remove(1)
	require.NoError(t, <-done)
}
