// SPDX-License-Identifier: Apache-2.0

package walsender_test

import (
	"context"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

const (
	fanoutClients  = 50
	fanoutStalled  = 10 // of these
	fanoutSegments = 24 // of 1 MiB
	fanoutSegment  = xlog.SegmentSize(1 << 20)
)

// crcSink is the log's checksum.
type crcSink struct {
	start xlog.LSN
	crc   atomic.Uint32
	end   atomic.Uint64
}

func (s *crcSink) Resume() (xlog.TimelineID, xlog.LSN, bool)   { return 1, s.start, true }
func (s *crcSink) Begin(_ xlog.TimelineID, lsn xlog.LSN) error { s.end.Store(uint64(lsn)); return nil }
func (s *crcSink) Sync() (xlog.LSN, error)                     { return xlog.LSN(s.end.Load()), nil }
func (s *crcSink) WriteHistory(xlog.TimelineID, []byte) error  { return nil }
func (s *crcSink) ReadHistory(xlog.TimelineID) ([]byte, error) { return nil, fs.ErrNotExist }
func (s *crcSink) Write(lsn xlog.LSN, p []byte) error {
	s.crc.Store(crc32.Update(s.crc.Load(), crc32.IEEETable, p))
	s.end.Store(uint64(lsn.Add(len(p))))
	return nil
}

// TestFanOut: fifty clients follow, of which ten stop reading. The forty get everything, the ten are given up after the
// timeout, and memory stays where it was.
func TestFanOut(t *testing.T) {
	start := fanoutSegment.Start(1)
	source, sum := fanoutSource(t)
	server, conninfo := fanoutServer(t, source)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	sinks := make([]*crcSink, fanoutClients-fanoutStalled)
	done := make(chan error, len(sinks))
	for i := range sinks {
		sinks[i] = &crcSink{start: start}
		r, err := walreceiver.New(walreceiver.Config{ConnString: conninfo, Sink: sinks[i], StatusInterval: 200 * time.Millisecond})
		require.NoError(t, err)
		go func() { done <- r.Run(ctx) }()
	}
	for range fanoutStalled {
		stall(t, conninfo, start)
	}
	require.Eventually(t, func() bool { return len(server.Replication()) == fanoutClients }, time.Minute, 10*time.Millisecond)

	announce := func(segments int) {
		end := fanoutSegment.Start(xlog.SegmentNumber(1 + segments))
		require.NoError(t, source.SetFlush(1, end))
		require.Eventually(t, func() bool {
			for _, s := range sinks {
				if s.end.Load() != uint64(end) {
					return false
				}
			}
			return true
		}, time.Minute, 10*time.Millisecond, "somebody did not get everything up to %s", end)
	}
	announce(fanoutSegments / 4)
	early := heap()
	announce(fanoutSegments)
	late := heap()
	for i, s := range sinks {
		require.Equal(t, sum, s.crc.Load(), "client %d", i)
	}
	require.Less(t, late, early+8<<20, "memory grows with what is sent")
	t.Logf("%d MiB to each of %d clients, beside %d that do not read; heap %.1f MB after a quarter, %.1f MB at the end",
		fanoutSegments, len(sinks), fanoutStalled, float64(early)/1e6, float64(late)/1e6)

	require.Eventually(t, func() bool { return len(server.Replication()) == len(sinks) }, time.Minute, 10*time.Millisecond,
		"those that do not read are still there")
	stop()
	for range sinks {
		require.NoError(t, <-done)
	}
}

// fanoutSource is a directory of random bytes, of which none may be sent yet, and their checksum.
func fanoutSource(t *testing.T) (*walsender.DirSource, uint32) {
	t.Helper()
	dialect, err := xlog.DialectForVersion(150000)
	require.NoError(t, err)
	dir, sum := t.TempDir(), uint32(0)
	random, data := rand.NewChaCha8([32]byte{}), make([]byte, fanoutSegment)
	for n := range xlog.SegmentNumber(fanoutSegments) {
		random.Read(data)
		sum = crc32.Update(sum, crc32.IEEETable, data)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fanoutSegment.Name(1, n+1)), data, 0o600))
	}
	source, err := walsender.NewDirSource(walsender.Identity{
		SystemID: 1, SegmentSize: fanoutSegment, Dialect: dialect, ServerVersion: 150000, ServerVersionText: "15.0",
	}, waldir.Config{Path: dir})
	require.NoError(t, err)
	require.NoError(t, source.SetFlush(1, fanoutSegment.Start(1)))
	return source, sum
}

func fanoutServer(t *testing.T, source walsender.Source) (s *walsender.Server, conninfo string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err = walsender.New(walsender.Config{
		Source: source, Listeners: []net.Listener{l}, SenderTimeout: 10 * time.Second, StopTimeout: time.Second,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return s, "host=127.0.0.1 user=postgres sslmode=disable port=" + port
}

// stall begins to stream, and never reads.
func stall(t *testing.T, conninfo string, start xlog.LSN) {
	t.Helper()
	conn, err := walreceiver.Connect(t.Context(), conninfo, walreceiver.ConnectOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.Client().StartCopyBoth(protocol.StartReplication{Start: start, Timeline: 1}))
}

// heap is what lives on the heap.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
