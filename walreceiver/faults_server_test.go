// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
)

func through(proxy *protocoltest.Proxy) string {
	return fmt.Sprintf("host=%s port=%d user=postgres sslmode=disable", proxy.Host(), proxy.Port())
}

var (
	stalled  = protocoltest.Mode{Stall: true}
	loopback = []net.IP{net.IPv4(127, 0, 0, 1)}
)

func proxyTo(t *testing.T, s *pgserver.Server) *protocoltest.Proxy {
	return protocoltest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", s.Port))
}

func streaming(s walreceiver.Status) bool { return s.State == walreceiver.StateStreaming }

// TestShutdown: a fast shutdown waits until we have confirmed everything, and the checkpoint at its end is in what we
// have. A restart and a crash of the server are followed by a new connection that goes on where writing stopped.
func TestShutdown(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, small(major, nil))
		dir, path := archive(t)
		r := receive(t, walreceiver.Config{
			ConnString: s.ConnString(), Sink: dir, Slot: "s", CreateSlot: walreceiver.SlotPermanent,
		})
		r.until("streaming", streaming)
		fill(t, s, 2)
		begin := time.Now()
		require.NoError(t, s.Stop(pgserver.Fast))
		require.Less(t, time.Since(begin), 10*time.Second, "the server waited for us")
		st := r.until("reconnecting", func(s walreceiver.Status) bool { return s.State == walreceiver.StateReconnecting })
		require.Equal(t, st.WrittenLSN, st.FlushedLSN)

		require.NoError(t, s.Start())
		r.until("streaming", streaming)
		// The shutdown checkpoint was the last record before the restart.
		checkpoint, err := xlog.ParseLSN(s.Value(t, "SELECT checkpoint_lsn FROM pg_control_checkpoint()"))
		require.NoError(t, err)
		require.Greater(t, st.FlushedLSN, checkpoint)
		fill(t, s, 1)
		r.has(s)
		require.NoError(t, s.Kill())
		require.NoError(t, s.Start())
		fill(t, s, 1)
		r.has(s)
		require.GreaterOrEqual(t, r.Status().Restarts, 2)
		r.stop()
		sameFiles(t, segments(t, path), segments(t, filepath.Join(s.DataDir, "pg_wal")))
	})
}

// TestNetwork cuts, stalls and slows the connection down: of a receiver that verifies, and of one whose log goes into its
// files without a copy in memory.
func TestNetwork(t *testing.T) {
	t.Run("verified", func(t *testing.T) { testNetwork(t, &walreceiver.VerifyConfig{}) })
	t.Run("direct", func(t *testing.T) { testNetwork(t, nil) })
}

func testNetwork(t *testing.T, verify *walreceiver.VerifyConfig) {
	t.Parallel()
	s := pgserver.Start(t, small(0, nil))
	proxy := proxyTo(t, s)
	dir, path := archive(t)
	r := receiveAs(t, walreceiver.Config{
		Verify: verify, ConnString: through(proxy), Sink: dir, ReceiveTimeout: 600 * time.Millisecond, Slot: "s",
		CreateSlot: walreceiver.SlotPermanent,
	})
	r.until("streaming", streaming)
	fill(t, s, 1)
	r.has(s)

	for i := range 5 {
		before := r.Status().Restarts
		proxy.SetMode(protocoltest.Mode{CutAfter: int64(1000 + 77777*i)})
		fill(t, s, 1)
		r.until("cut", func(s walreceiver.Status) bool { return s.Restarts > before })
		proxy.SetMode(protocoltest.Mode{})
		r.has(s)
	}
	cuts := r.Status().Restarts

	proxy.SetMode(stalled)
	fill(t, s, 1)
	st := r.until("timeout", func(s walreceiver.Status) bool { return errors.Is(s.LastError, walreceiver.ErrTimeout) })
	require.False(t, walreceiver.Permanent(st.LastError))
	proxy.SetMode(protocoltest.Mode{})
	r.has(s)

	before := r.Status().Connections
	proxy.SetMode(protocoltest.Mode{OneByte: true})
	s.SQL(t, "INSERT INTO t (v) SELECT md5(g::text) FROM generate_series(1, 300) g")
	r.has(s)
	require.Equal(t, before, r.Status().Connections, "slow is not broken")
	proxy.SetMode(protocoltest.Mode{})

	proxy.Refuse(true)
	proxy.CutAll()
	r.until("reconnecting", func(s walreceiver.Status) bool { return s.State == walreceiver.StateReconnecting })
	fill(t, s, 1)
	proxy.Refuse(false)
	r.has(s)
	r.stop()
	t.Logf("%d connections, %d cuts", r.Status().Connections, cuts)
	sameFiles(t, segments(t, path), segments(t, filepath.Join(s.DataDir, "pg_wal")))
}

// TestQuietServer: a connection over which nothing happens stays, because we ask.
func TestQuietServer(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, map[string]string{"wal_sender_timeout": "0"}))
	dir, _ := archive(t)
	r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, ReceiveTimeout: 300 * time.Millisecond})
	r.until("streaming", streaming)
	time.Sleep(1500 * time.Millisecond)
	require.Equal(t, 1, r.Status().Connections)
	require.Less(t, time.Since(r.Status().LastMsgReceiptTime), 300*time.Millisecond)
	r.stop()
}

// TestFlippedByte: a byte that changed on its way is found, nothing of it is kept, and the log is received again.
func TestFlippedByte(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, nil))
	proxy := proxyTo(t, s)
	dir, path := archive(t)
	r := receive(t, walreceiver.Config{ConnString: through(proxy), Sink: dir})
	r.until("streaming", streaming)
	fill(t, s, 1)
	r.has(s)
	for i := range 3 {
		flush, restarts := r.Status().FlushedLSN, r.Status().Restarts
		proxy.SetMode(protocoltest.Mode{FlipAt: int64(400_000 + 12345*i)})
		fill(t, s, 1)
		st := r.until("corrupt", func(s walreceiver.Status) bool { return s.Restarts > restarts })
		require.ErrorIs(t, st.LastError, walreceiver.ErrCorrupt)
		proxy.SetMode(protocoltest.Mode{})
		require.GreaterOrEqual(t, r.Status().FlushedLSN, flush, "what was confirmed stays")
		r.has(s)
	}
	r.stop()
	sameFiles(t, segments(t, path), segments(t, filepath.Join(s.DataDir, "pg_wal")))
}

// slowSink takes longer than the server's patience for everything.
type slowSink struct {
	walreceiver.Sink
	write, sync time.Duration
	slow        atomic.Bool
}

func (s *slowSink) Write(lsn xlog.LSN, p []byte) error {
	if s.slow.Load() {
		time.Sleep(s.write)
	}
	return s.Sink.Write(lsn, p)
}

func (s *slowSink) Sync() (xlog.LSN, error) {
	if s.slow.Load() {
		time.Sleep(s.sync)
	}
	return s.Sink.Sync()
}

// TestSlowDisk: the connection stays while a write or a sync takes longer than wal_sender_timeout.
func TestSlowDisk(t *testing.T) {
	for _, sink := range []*slowSink{{write: 4 * time.Second}, {sync: 4 * time.Second}} {
		t.Run(fmt.Sprintf("write %s sync %s", sink.write, sink.sync), func(t *testing.T) {
			t.Parallel()
			s := pgserver.Start(t, small(0, map[string]string{"wal_sender_timeout": "3s"}))
			dir, _ := archive(t)
			sink.Sink = dir
			r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: sink, ReceiveTimeout: 3 * time.Second})
			r.until("streaming", streaming)
			sink.slow.Store(true)
			s.SQL(t, "CREATE TABLE slow (i int)")
			s.SQL(t, "INSERT INTO slow VALUES (1)")
			r.has(s)
			require.Equal(t, 1, r.Status().Connections, "%v", r.Status().LastError)
			sink.slow.Store(false)
			r.stop()
		})
	}
}

// TestConditions: what an operator can get wrong has its own error, is retried, and is over when it is put right.
func TestConditions(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, map[string]string{"wal_keep_size": "0", "max_wal_size": "4MB", "min_wal_size": "2MB"}))
	fill(t, s, 1)
	waitFor := func(t *testing.T, r *running, want error) walreceiver.Status {
		t.Helper()
		st := r.until(want.Error(), func(s walreceiver.Status) bool { return errors.Is(s.LastError, want) })
		require.True(t, walreceiver.Permanent(st.LastError), "%v", st.LastError)
		return st
	}
	t.Run("no slot", func(t *testing.T) {
		dir, _ := archive(t)
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, Slot: "missing"})
		waitFor(t, r, walreceiver.ErrSlotNotFound)
		s.SQL(t, "SELECT pg_create_physical_replication_slot('missing', true)")
		r.has(s)
		s.SQL(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
		eventually(t, "drop", func() bool {
			_, err := s.Query(t.Context(), "SELECT pg_drop_replication_slot('missing')")
			return err == nil
		})
		waitFor(t, r, walreceiver.ErrSlotNotFound)
		r.stop()
	})
	t.Run("segment removed", func(t *testing.T) {
		dir, _ := archive(t)
		start := walreceiver.Position{Timeline: 1, LSN: xlog.LSN(1 << 20)}
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, Start: &start})
		fill(t, s, 5)
		s.SQL(t, "CHECKPOINT")
		waitFor(t, r, walreceiver.ErrWALRemoved)
		r.stop()
	})
	t.Run("system identifier", func(t *testing.T) {
		dir, _ := archive(t)
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, SystemID: 42})
		st := waitFor(t, r, walreceiver.ErrSystemIdentifier)
		var differs *walreceiver.SystemIdentifierError
		require.ErrorAs(t, st.LastError, &differs)
		require.EqualValues(t, 42, differs.Ours)
		require.Zero(t, st.FlushedLSN)
		r.stop()
	})
	t.Run("segment size", func(t *testing.T) {
		dir, _ := archive(t)
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, SegmentSize: xlog.DefaultSegmentSize})
		waitFor(t, r, walreceiver.ErrSegmentSize)
		r.stop()
	})
	t.Run("fatal", func(t *testing.T) {
		dir, _ := archive(t)
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, SystemID: 42, Fatal: walreceiver.Permanent})
		r.wait()
		require.ErrorIs(t, r.err, walreceiver.ErrSystemIdentifier)
	})
	t.Run("ahead of the server", func(t *testing.T) {
		dir, _ := archive(t)
		start := walreceiver.Position{Timeline: 1, LSN: xlog.LSN(1 << 40)}
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, Start: &start, NoReconnect: true})
		r.wait()
		require.ErrorIs(t, r.err, walreceiver.ErrServerBehind)
		require.False(t, walreceiver.Permanent(r.err))
	})
	t.Run("no such timeline", func(t *testing.T) {
		dir, _ := archive(t)
		start := walreceiver.Position{Timeline: 7, LSN: xlog.LSN(1 << 20)}
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, Start: &start, NoReconnect: true})
		r.wait()
		require.ErrorIs(t, r.err, walreceiver.ErrServerBehind)
	})
}

// TestPassword: a wrong password is ErrAuth, and no text anywhere has it.
func TestPassword(t *testing.T) {
	t.Parallel()
	opts := small(0, nil)
	opts.Password = "s3cret right"
	s := pgserver.Start(t, opts)
	dir, _ := archive(t)
	for name, conninfo := range map[string]string{
		"keywords": fmt.Sprintf("host=127.0.0.1 port=%d user=postgres sslmode=disable password='wr0ng one'", s.Port),
		"url":      fmt.Sprintf("postgres://postgres:wr0ng%%20one@127.0.0.1:%d/?sslmode=disable", s.Port),
	} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, walreceiver.Config{ConnString: conninfo, Sink: dir})
			st := r.until("refused", func(s walreceiver.Status) bool { return errors.Is(s.LastError, walreceiver.ErrAuth) })
			require.True(t, walreceiver.Permanent(st.LastError))
			text := fmt.Sprintf("%+v %v %s %s", st, st.LastError, r.log(), walreceiver.RedactConnInfo(conninfo))
			require.False(t, strings.Contains(text, "wr0ng"), text)
			r.stop()
		})
	}
	r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir})
	r.until("streaming", streaming)
	text := fmt.Sprintf("%+v %s", r.Status(), r.log())
	require.False(t, strings.Contains(text, "s3cret"), text)
	require.Contains(t, r.Status().ConnInfo, "user=postgres")
	r.stop()
}

// TestStop: the end of the context leaves everything received durable and confirmed.
func TestStop(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, nil))
	for range 3 {
		dir, _ := archive(t)
		sink := &slowSink{Sink: dir, sync: 200 * time.Millisecond}
		sink.slow.Store(true)
		r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: sink, Slot: "s", CreateSlot: walreceiver.SlotPermanent})
		fill(t, s, 1)
		r.until("some", func(s walreceiver.Status) bool { return s.Received > 100_000 })
		r.stop()
		st := r.Status()
		require.Equal(t, st.WrittenLSN, st.FlushedLSN)
		eventually(t, "confirmed", func() bool {
			return s.Value(t, "SELECT restart_lsn FROM pg_replication_slots WHERE NOT active") == st.FlushedLSN.String()
		})
		require.NoError(t, dir.Close())
	}
	require.NotContains(t, s.Log(), "unexpected EOF")
}

// TestStopAt compares --endpos with pg_receivewal's.
func TestStopAt(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, nil))
	fill(t, s, 1)
	begin := flushLSN(t, s)
	fill(t, s, 2)
	s.SQL(t, "SELECT pg_switch_wal()")
	fill(t, s, 1)
	start := walreceiver.Position{Timeline: 1, LSN: begin}
	stops := []xlog.LSN{begin.Add(100), mib.RoundDown(begin).Add(1 << 20), mib.RoundDown(begin).Add(1<<20 + 8192)}
	for i, stop := range append(stops, stops...) {
		dir, path := archive(t)
		cfg := walreceiver.Config{ConnString: s.ConnString(), Sink: dir, Start: &start, StopAt: stop}
		if i < len(stops) {
			cfg.Verify = &walreceiver.VerifyConfig{}
		}
		r := receiveAs(t, cfg)
		r.wait()
		require.NoError(t, r.err)
		st := r.Status()
		require.Greater(t, st.WrittenLSN, stop)
		require.Equal(t, st.WrittenLSN, st.FlushedLSN)
		files := segments(t, path)
		require.Len(t, files, int(mib.Number(stop)-mib.Number(begin))+map[bool]int{true: 1}[mib.Offset(st.WrittenLSN) == 0])
		if len(files) > 0 {
			sameFiles(t, files, segments(t, filepath.Join(s.DataDir, "pg_wal")))
		}
	}
	// A position that is set later, and reached already.
	dir, _ := archive(t)
	r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir})
	end := r.has(s)
	r.SetStopAt(end - 1)
	r.wait()
	require.NoError(t, r.err)
}

// TestTarget connects by target_session_attrs, which pgconn by itself cannot do on a replication connection.
func TestTarget(t *testing.T) {
	for _, major := range []int{13, 15} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			pgserver.Require(t, major)
			primary := pgserver.Start(t, small(major, nil))
			standby := primary.Standby(t, small(major, nil))
			both := fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d", standby.Port, primary.Port)
			back := fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d", primary.Port, standby.Port)
			for _, c := range []struct {
				hosts, target string
				port          int
			}{
				{both, "any", standby.Port},
				{back, "any", primary.Port},
				{both, "read-write", primary.Port},
				{back, "read-only", standby.Port},
				{both, "primary", primary.Port},
				{back, "standby", standby.Port},
				{back, "prefer-standby", standby.Port},
				{fmt.Sprintf("host=127.0.0.1 port=%d", primary.Port), "prefer-standby", primary.Port},
				{fmt.Sprintf("host=127.0.0.1 port=%d", primary.Port), "standby", 0},
				{fmt.Sprintf("host=127.0.0.1 port=%d", standby.Port), "primary", 0},
			} {
				conn, err := walreceiver.Connect(t.Context(), c.hosts+" user=postgres sslmode=disable target_session_attrs="+c.target,
					walreceiver.ConnectOptions{})
				if c.port == 0 {
					require.Error(t, err, "%s", c.target)
					continue
				}
				require.NoError(t, err, "%s", c.target)
				require.Equal(t, c.port, conn.Server().Port, "%s", c.target)
				_, err = conn.IdentifySystem(t.Context())
				require.NoError(t, err)
				require.NoError(t, conn.Close())
			}
		})
	}
}
