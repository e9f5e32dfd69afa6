// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
)

// noise is n bytes that no verifier would take for log.
func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

// xlogDataFrame is a whole message on the wire.
func xlogDataFrame(start, end xlog.LSN, log []byte) []byte {
	body := (&protocol.XLogData{Start: start, End: end, SendTime: time.Now(), Data: log}).Append(nil)
	n := len(body) + 4
	return append([]byte{'d', byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// TestDirect: messages of all lengths, across segments too, from a server that stalls within them and whose connections
// break within them, end up in the files byte for byte, without a copy in memory.
func TestDirect(t *testing.T) {
	t.Parallel()
	log := noise(9 << 20)
	end := base.Add(len(log))
	var connections, direct atomic.Int32
	var r *running
	ready := make(chan struct{})
	f := &scripted{pos: end, stream: func(s *protocoltest.Session, start protocol.StartReplication) {
		<-ready
		rng := rand.New(rand.NewPCG(1, uint64(connections.Add(1))))
		s.CopyBoth()
		messages := 0
		for at := start.Start; at < end; messages++ {
			n := min([]int{1, 5000, 64 << 10, 100_000, 200_000, 1_500_000}[rng.IntN(6)], int(end.Sub(at)))
			frame := xlogDataFrame(at, end, log[at-base:][:n])
			at = at.Add(n)
			if r.Direct() {
				direct.Add(1)
			}
			cut := rng.IntN(len(frame))
			switch {
			case messages > 2 && rng.IntN(4) == 0 && connections.Load() < 20:
				s.Raw(frame[:cut])
				s.Conn.Close()
				return
			case rng.IntN(3) == 0:
				s.Raw(frame[:cut])
				time.Sleep(time.Duration(rng.IntN(90)) * time.Millisecond) // beyond half of ReceiveTimeout
				s.Raw(frame[cut:])
			default:
				s.Raw(frame)
			}
		}
		statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == end })
		endOfStream(s)
	}}
	dir, path := archive(t)
	start := walreceiver.Position{Timeline: 1, LSN: base}
	r = receiveAs(t, walreceiver.Config{
		ConnString: f.serve(t), Sink: dir, Start: &start, StopAt: end - 1, ReceiveTimeout: 150 * time.Millisecond,
	})
	close(ready)
	r.wait()
	require.NoError(t, r.err)
	require.Equal(t, end, r.Status().FlushedLSN)
	require.Positive(t, direct.Load())
	require.Greater(t, connections.Load(), int32(3))
	compared := 0
	for lsn := base; lsn < end; lsn = lsn.Add(int(mib)) {
		got, err := os.ReadFile(filepath.Join(path, mib.Name(1, mib.Number(lsn))))
		require.NoError(t, err)
		require.True(t, bytes.Equal(log[lsn-base:][:mib], got), "segment at %s", lsn)
		compared += len(got)
	}
	t.Logf("%d connections, %d bytes equal", connections.Load(), compared)
}

// TestDirectStop: the end of the context within a message leaves it out, and the server hears of what came before it.
func TestDirectStop(t *testing.T) {
	t.Parallel()
	log := noise(300_000)
	begun := make(chan struct{})
	confirmed := make(chan xlog.LSN, 1)
	f := &scripted{pos: base.Add(len(log)), stream: func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		s.Raw(xlogDataFrame(base, base.Add(len(log)), log[:100_000]))
		frame := xlogDataFrame(base.Add(100_000), base.Add(len(log)), log[100_000:])
		s.Raw(frame[:120_000])
		close(begun)
		var last xlog.LSN
		for {
			st, ok := s.Status()
			if !ok {
				break
			}
			last = st.Flush
		}
		confirmed <- last
		s.Raw(frame[120_000:])
		endOfStream(s)
	}}
	dir, _ := archive(t)
	start := walreceiver.Position{Timeline: 1, LSN: base}
	r := receiveAs(t, walreceiver.Config{ConnString: f.serve(t), Sink: dir, Start: &start})
	<-begun
	r.until("the first message", func(s walreceiver.Status) bool { return s.WrittenLSN == base.Add(100_000) })
	require.True(t, r.Direct())
	r.stop()
	require.NoError(t, r.err)
	require.Equal(t, base.Add(100_000), <-confirmed)
	require.Equal(t, base.Add(100_000), r.Status().FlushedLSN)
	_, pos, _ := dir.Resume()
	require.Equal(t, base.Add(100_000), pos)
}

// TestDirectServer: what a server sends to a receiver far behind it is what its files have.
func TestDirectServer(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, nil))
	fill(t, s, 20)
	dir, path := archive(t)
	start := walreceiver.Position{Timeline: 1, LSN: mib.RoundDown(flushLSN(t, s).Add(-10 << 20))}
	r := receiveAs(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, Start: &start})
	r.until("streaming", streaming)
	require.True(t, r.Direct())
	fill(t, s, 1)
	r.has(s)
	r.stop()
	sameFiles(t, segments(t, path), segments(t, filepath.Join(s.DataDir, "pg_wal")))
}
