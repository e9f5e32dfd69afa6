// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
)

// TestApplied: replay_lsn is what the embedder says, and a remote_apply commit returns when it says so.
func TestApplied(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, map[string]string{
		"synchronous_standby_names": "applier", "synchronous_commit": "local",
	}))
	s.SQL(t, "CREATE TABLE c (i int)")
	var applied atomic.Uint64
	dir, _ := archive(t)
	r := receive(t, walreceiver.Config{
		ConnString: s.ConnString(), Sink: dir, ApplicationName: "applier",
		Applied: func() xlog.LSN { return xlog.LSN(applied.Load()) },
	})
	r.until("streaming", streaming)
	end := r.has(s)
	replayed := func() string {
		return s.Value(t, "SELECT coalesce(replay_lsn::text, 'unknown') FROM pg_stat_replication")
	}
	require.Equal(t, "unknown", replayed())
	applied.Store(uint64(end))
	r.Reply()
	eventually(t, "replay_lsn", func() bool { return replayed() == end.String() })

	committed := make(chan struct{})
	go func() {
		defer close(committed)
		_, _ = s.Query(t.Context(), "SET synchronous_commit = remote_apply; INSERT INTO c VALUES (1)")
	}()
	r.until("flushed", func(s walreceiver.Status) bool { return s.FlushedLSN > end && s.FlushedLSN == s.LatestEndLSN })
	select {
	case <-committed:
		t.Fatal("flushed was taken for applied")
	case <-time.After(300 * time.Millisecond):
	}
	eventually(t, "the commit", func() bool {
		applied.Store(uint64(r.Status().FlushedLSN))
		r.Reply()
		select {
		case <-committed:
			return true
		default:
			return false
		}
	})
	applied.Store(0)
	r.Reply()
	require.NotEqual(t, "unknown", replayed(), "never 0 once known")
	r.stop()
}

// TestFeedback: the primary keeps what hot standby feedback asks for, and forgets it when it ends.
func TestFeedback(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, small(major, nil))
		xid, err := strconv.ParseUint(s.Value(t, "SELECT txid_current()"), 10, 32)
		require.NoError(t, err)
		var on atomic.Bool
		on.Store(true)
		dir, _ := archive(t)
		r := receive(t, walreceiver.Config{
			ConnString: s.ConnString(), Sink: dir, StatusInterval: 50 * time.Millisecond,
			Slot: "s", CreateSlot: walreceiver.SlotPermanent,
			Feedback: func() (protocol.HotStandbyFeedback, bool) {
				return protocol.HotStandbyFeedback{Xmin: uint32(xid)}, on.Load()
			},
		})
		xmin := func() string {
			return s.Value(t, "SELECT coalesce(max(xmin::text), 'none') FROM pg_replication_slots")
		}
		eventually(t, "xmin", func() bool { return xmin() == strconv.FormatUint(xid, 10) })
		on.Store(false)
		eventually(t, "no xmin", func() bool { return xmin() == "none" })
		r.stop()
	})
}

// TestMemory receives a backlog with a heap that does not grow with it.
func TestMemory(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{Settings: map[string]string{
		"wal_keep_size": "2GB", "max_wal_size": "4GB", "full_page_writes": "off",
	}})
	begin := flushLSN(t, s)
	for range 10 {
		fill(t, s, 12)
	}
	var peak atomic.Uint64
	sink := &countingSink{sampleHeap: &peak}
	start := walreceiver.Position{Timeline: 1, LSN: begin}
	runtime.GC()
	r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: sink, Start: &start})
	r.has(s)
	r.stop()
	received := r.Status().Received
	t.Logf("received %d MiB, heap at most %d MiB, %d syncs", received>>20, peak.Load()>>20, r.Status().Syncs)
	require.Greater(t, received, uint64(100<<20))
	require.Less(t, peak.Load(), uint64(48<<20))
}

// countingSink keeps nothing but the position.
type countingSink struct {
	walreceiver.Sink
	end        atomic.Uint64
	writes     int
	sampleHeap *atomic.Uint64
}

func (s *countingSink) Resume() (xlog.TimelineID, xlog.LSN, bool) { return 0, 0, false }

func (s *countingSink) Begin(_ xlog.TimelineID, lsn xlog.LSN) error {
	s.end.Store(uint64(lsn))
	return nil
}

func (s *countingSink) Write(lsn xlog.LSN, p []byte) error {
	s.end.Store(uint64(lsn.Add(len(p))))
	if s.writes++; s.writes%32 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.sampleHeap.Store(max(s.sampleHeap.Load(), m.HeapInuse))
	}
	return nil
}

func (s *countingSink) Sync() (xlog.LSN, error) { return xlog.LSN(s.end.Load()), nil }
