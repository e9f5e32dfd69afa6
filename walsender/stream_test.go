// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

const testSegment xlog.SegmentSize = 1 << 20

func testIdentity() Identity {
	return Identity{SystemID: 7654321098765432109, SegmentSize: testSegment, ServerVersion: 150018}
}

// noise is n bytes that no test expects to be log: pg_receivewal does not look at them.
func noise(n int) []byte {
	p := make([]byte, n)
	rnd := rand.NewChaCha8([32]byte{byte(n)})
	rnd.Read(p)
	return p
}

// testLog is a source with n bytes of noise from the start of segment 7 on.
func testLog(n int) (*MemSource, xlog.LSN, []byte) {
	start, log := testSegment.Start(7), noise(n)
	source := NewMemSource(testIdentity(), 1, start)
	source.Append(log)
	return source, start, log
}

// receivewal starts pg_receivewal into a directory of its own.
func receivewal(t *testing.T, s *Server, args ...string) (dir string, cmd *exec.Cmd, words *bytes.Buffer) {
	t.Helper()
	dir = t.TempDir()
	cmd, words = receivewalInto(t, s, dir, args...)
	return dir, cmd, words
}

func receivewalInto(t *testing.T, s *Server, dir string, args ...string) (cmd *exec.Cmd, words *bytes.Buffer) {
	t.Helper()
	tool := pgserver.RequireTool(t, "pg_receivewal")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	words = new(bytes.Buffer)
	cmd = exec.CommandContext(ctx, tool, append([]string{"-D", dir, "-w", "-d", connString(s, "")}, args...)...)
	cmd.Stderr = words
	require.NoError(t, cmd.Start())
	return cmd, words
}

// requireSegments compares the files of a directory with the log. The last one may be longer.
func requireSegments(t *testing.T, dir string, log []byte) {
	t.Helper()
	var got []byte
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		if xlog.IsSegmentName(strings.TrimSuffix(e.Name(), xlog.PartialSuffix)) {
			p, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			got = append(got, p...)
		}
	}
	require.GreaterOrEqual(t, len(got), len(log))
	require.True(t, bytes.Equal(log, got[:len(log)]), "the files differ from the log")
	t.Logf("%d bytes compared", len(log))
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// only is the only sender, in a state.
func only(s *Server, state SenderState) (ReplicationStat, bool) {
	all := s.Replication()
	if len(all) != 1 || all[0].State != state {
		return ReplicationStat{}, false
	}
	return all[0], true
}

func TestReceivewalFollows(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(0)
	log := noise(5*int(testSegment) + 12345)
	s := serve(t, Config{Source: source})
	endpos := start.Add(len(log) - 1) // it stops when it has more
	dir, cmd, words := receivewal(t, s, "--endpos", endpos.String(), "--synchronous", "--no-loop")
	waitFor(t, "streaming", func() bool { _, ok := only(s, StateStreaming); return ok })
	for rest := log; len(rest) > 0; {
		n := min(len(rest), 54321)
		source.Append(rest[:n])
		rest = rest[n:]
	}
	require.NoError(t, cmd.Wait(), words.String())
	requireSegments(t, dir, log)
}

// A client with a slot gets what it missed while it was away, and while we were.
func TestReceivewalWithSlotSurvivesRestart(t *testing.T) {
	t.Parallel()
	source, start, log := testLog(5<<20 + 777)
	slots := filepath.Join(t.TempDir(), "slots")
	source.Update(func(p *Position) { p.Redo = start + 8 })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	run := func(l net.Listener) (s *Server, stop func()) {
		kept, err := NewSlots(SlotsConfig{Dir: slots})
		require.NoError(t, err)
		s, err = New(Config{Source: source, Listeners: []net.Listener{l}, Slots: kept})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		return s, func() {
			cancel()
			require.NoError(t, <-ended)
			require.NoError(t, kept.Close())
		}
	}
	s, stop := run(l)
	conn := connect(t, s, "replication=true")
	query(t, conn, "CREATE_REPLICATION_SLOT archive PHYSICAL RESERVE_WAL")
	require.NoError(t, conn.Close(t.Context()))
	more := noise(3<<20 + 99)
	endpos := start.Add(len(log) + len(more) - 1)
	dir, cmd, words := receivewal(t, s, "--slot", "archive", "--synchronous", "--endpos", endpos.String())
	waitFor(t, "everything flushed", func() bool {
		st, ok := only(s, StateStreaming)
		return ok && st.FlushLSN == source.Position().Flush
	})
	require.Equal(t, "archive", s.Replication()[0].Slot)
	stop() // pg_receivewal tries again after five seconds
	source.Append(more)
	l, err = net.Listen("tcp", l.Addr().String())
	require.NoError(t, err)
	s, stop = run(l)
	defer stop()
	require.NoError(t, cmd.Wait(), words.String())
	requireSegments(t, dir, append(log, more...))
	stats := s.SlotStats()
	require.Len(t, stats, 1)
	require.GreaterOrEqual(t, stats[0].RestartLSN, testSegment.RoundDown(start.Add(len(log)))) // where it began again
	require.Contains(t, words.String(), "disconnected")
}

func TestReceivewalFollowsTimelines(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(0)
	s := serve(t, Config{Source: source})
	log := noise(4<<20 + 5000)
	endpos := start.Add(len(log) - 1)
	dir, cmd, words := receivewal(t, s, "--endpos", endpos.String(), "--no-loop")
	waitFor(t, "streaming", func() bool { _, ok := only(s, StateStreaming); return ok })
	source.Append(log[:1<<20+333])
	source.Switch(2, "promoted")
	source.Append(log[1<<20+333:])
	require.NoError(t, cmd.Wait(), words.String())
	history, err := os.ReadFile(filepath.Join(dir, "00000002.history"))
	require.NoError(t, err)
	require.Equal(t, string(source.Position().History.Format()), string(history))
	names := []string{"000000010000000000000007", "000000020000000000000008", "00000002000000000000000A",
		"00000002000000000000000B.partial"}
	for _, name := range names {
		require.FileExists(t, filepath.Join(dir, name))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "000000010000000000000008.partial")))
	requireSegments(t, dir, log)
}

// replicate starts a stream as protocol.Client.
func replicate(t *testing.T, s *Server, cmd protocol.StartReplication) (*protocol.Client, net.Conn, error) {
	t.Helper()
	pg, err := pgconn.Connect(t.Context(), connString(s, "replication=true application_name=test"))
	require.NoError(t, err)
	h, err := pg.Hijack()
	require.NoError(t, err)
	t.Cleanup(func() { h.Conn.Close() })
	require.NoError(t, h.Conn.SetDeadline(time.Now().Add(time.Minute)))
	c := protocol.NewClient(h.Conn)
	return c, h.Conn, c.StartCopyBoth(cmd)
}

// next reads until a message of a kind.
func next(t *testing.T, c *protocol.Client, tag byte) []byte {
	t.Helper()
	for {
		p, err := c.NextCopy()
		require.NoError(t, err)
		if p[0] == tag {
			return p
		}
	}
}

func status(t *testing.T, c *protocol.Client, at xlog.LSN, reply bool) {
	t.Helper()
	m := protocol.StandbyStatus{Write: at, Flush: at, Apply: at, SendTime: time.Now(), ReplyRequested: reply}
	require.NoError(t, c.SendCopyData(m.Append(nil)))
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(3 << 20)
	source.Switch(2, "promoted")
	source.Append(noise(1 << 20))
	source.RemoveBefore(start.Add(1 << 20))
	s := serve(t, Config{Source: source})
	for _, test := range []struct {
		cmd        protocol.StartReplication
		code, want string
	}{
		{protocol.StartReplication{Start: start, Timeline: 1}, codeUndefinedFile,
			"requested WAL segment 000000010000000000000007 has already been removed"},
		{protocol.StartReplication{Start: start.Add(9 << 20)}, codeInternalError,
			"requested starting point 0/1000000 is ahead of the WAL flush position of this server 0/B00000"},
		{protocol.StartReplication{Start: start, Timeline: 3}, codeInternalError,
			"requested timeline 3 is not in this server's history"},
		{protocol.StartReplication{Start: start.Add(4 << 20), Timeline: 1}, codeInternalError,
			"requested starting point 0/B00000 on timeline 1 is not in this server's history"},
		{protocol.StartReplication{Slot: "none", Start: start}, codeUndefinedObject,
			"replication slot \"none\" does not exist"},
	} {
		c, _, err := replicate(t, s, test.cmd)
		if err == nil {
			_, err = c.NextCopy()
		}
		var e *protocol.Error
		require.ErrorAs(t, err, &e, "%v", test.cmd)
		require.Equal(t, test.want, e.Message)
		require.Equal(t, test.code, e.Code)
		_, err = c.Exec(protocol.IdentifySystem{}) // the session goes on
		require.NoError(t, err)
	}
}

func TestStreamEndsTimeline(t *testing.T) {
	t.Parallel()
	source, start, log := testLog(3<<20 + 77)
	source.Switch(5, "promoted")
	source.Append(noise(1 << 20))
	s := serve(t, Config{Source: source})
	c, _, err := replicate(t, s, protocol.StartReplication{Start: start, Timeline: 1})
	require.NoError(t, err)
	var got []byte
	for {
		p, err := c.NextCopy()
		if err != nil {
			break
		}
		var m protocol.XLogData
		if m.Decode(p) == nil {
			require.Equal(t, start.Add(len(got)), m.Start)
			require.True(t, m.Start.Add(len(m.Data))%8192 == 0 || len(got)+len(m.Data) == len(log))
			got = append(got, m.Data...)
		}
	}
	require.True(t, bytes.Equal(log, got))
	after, err := c.EndCopyBoth()
	require.NoError(t, err)
	require.Equal(t, &protocol.NextTimeline{Timeline: 5, Start: start.Add(len(log))}, after)
	// There is nothing to send at the end itself.
	var end *protocol.TimelineEnd
	err = c.StartCopyBoth(protocol.StartReplication{Start: start.Add(len(log)), Timeline: 1})
	require.ErrorAs(t, err, &end)
	require.Equal(t, after, end.Next)
	// And the client may end a stream.
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: start.Add(len(log)), Timeline: 5}))
	next(t, c, protocol.TagXLogData)
	after, err = c.EndCopyBoth()
	require.NoError(t, err)
	require.Nil(t, after)
	_, err = c.Exec(protocol.IdentifySystem{})
	require.NoError(t, err)
}

// TestStreamMessageSizes: messages are as large as libpq likes them while the client is far behind, and PostgreSQL's size
// then; or what the embedder wants.
func TestStreamMessageSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ configured, behind, near int }{{0, 248 << 10, 128 << 10}, {64 << 10, 64 << 10, 64 << 10}} {
		source, start, log := testLog(3 << 20)
		size := source.Identity().SegmentSize
		s := serve(t, Config{Source: source, ChunkSize: c.configured})
		conn, _, err := replicate(t, s, protocol.StartReplication{Start: start})
		require.NoError(t, err)
		sizes := map[int]int{}
		for rest := len(log); rest > 0; {
			var m protocol.XLogData
			require.NoError(t, m.Decode(next(t, conn, protocol.TagXLogData)))
			want := c.near
			if rest > 1<<20 {
				want = c.behind
			}
			want = min(want, rest, int(size)-int(size.Offset(m.Start)))
			require.Equal(t, want, len(m.Data), "%d to go", rest)
			sizes[len(m.Data)]++
			rest -= len(m.Data)
		}
		require.Greater(t, sizes[c.behind], 4)
		require.Greater(t, sizes[c.near], 4)
	}
}

func TestStreamStatesAndLags(t *testing.T) {
	t.Parallel()
	source, start, log := testLog(64 << 20) // more than sockets hold
	s := serve(t, Config{Source: source})
	idle := connect(t, s, "replication=true application_name=idle")
	st, ok := only(s, StateStartup)
	require.True(t, ok)
	require.Equal(t, "idle", st.ApplicationName)
	require.NoError(t, idle.Close(context.Background()))
	waitFor(t, "nobody", func() bool { return len(s.Replication()) == 0 })

	c, _, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	waitFor(t, "catchup", func() bool { _, ok := only(s, StateCatchup); return ok })
	var m protocol.XLogData
	for end := start.Add(len(log)); m.Start.Add(len(m.Data)) < end; {
		require.NoError(t, m.Decode(next(t, c, protocol.TagXLogData)))
	}
	waitFor(t, "streaming", func() bool { _, ok := only(s, StateStreaming); return ok })
	st, _ = only(s, StateStreaming)
	require.Equal(t, start.Add(len(log)), st.SentLSN)
	require.Zero(t, st.FlushLSN)
	require.Negative(t, st.FlushLag)
	require.Equal(t, "u", st.UserName)
	require.Equal(t, "test", st.ApplicationName)
	require.Equal(t, "127.0.0.1", st.ClientAddr.String())

	source.Append(noise(1000))
	end := source.Position().Flush
	require.NoError(t, m.Decode(next(t, c, protocol.TagXLogData)))
	time.Sleep(50 * time.Millisecond)
	status(t, c, end, true)
	next(t, c, protocol.TagKeepalive)
	st, _ = only(s, StateStreaming)
	require.Equal(t, [3]xlog.LSN{end, end, end}, [3]xlog.LSN{st.WriteLSN, st.FlushLSN, st.ReplayLSN})
	require.GreaterOrEqual(t, st.FlushLag, 40*time.Millisecond)
	require.Less(t, st.FlushLag, 20*time.Second)
	require.False(t, st.ReplyTime.IsZero())
	status(t, c, end, true) // nothing new: the lags are old
	next(t, c, protocol.TagKeepalive)
	st, _ = only(s, StateStreaming)
	require.Equal(t, [3]time.Duration{-1, -1, -1}, [3]time.Duration{st.WriteLag, st.FlushLag, st.ReplayLag})
}

// A stop sends everything first, and waits until the client has flushed it.
func TestStreamStopsInOrder(t *testing.T) {
	t.Parallel()
	source, start, log := testLog(1 << 20)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err := New(Config{Source: source, Listeners: []net.Listener{l}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	c, _, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	cancel()
	waitFor(t, "stopping", func() bool { _, ok := only(s, StateStopping); return ok })
	source.Append(noise(500))
	end := start.Add(len(log) + 500)
	for asked := false; !asked; {
		p, err := c.NextCopy()
		require.NoError(t, err)
		var m protocol.Keepalive
		asked = m.Decode(p) == nil && m.ReplyRequested && m.End == end
		if m.Decode(p) == nil && m.ReplyRequested && m.End < end {
			status(t, c, m.End-1, false)
		}
	}
	select {
	case <-ended:
		t.Fatal("it did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	status(t, c, end, false)
	_, err = c.NextCopy()
	require.ErrorIs(t, err, protocol.ErrServerShutdown)
	require.NoError(t, <-ended)
}

func TestStreamAsksAndEndsASilentClient(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(1000)
	s := serve(t, Config{Source: source, SenderTimeout: 400 * time.Millisecond})
	c, _, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	began := time.Now()
	var m protocol.Keepalive
	for range 3 { // an answer is enough
		require.NoError(t, m.Decode(next(t, c, protocol.TagKeepalive)))
		require.True(t, m.ReplyRequested)
		status(t, c, m.End, false)
	}
	require.Greater(t, time.Since(began), 500*time.Millisecond)
	require.NoError(t, m.Decode(next(t, c, protocol.TagKeepalive)))
	_, err = c.NextCopy()
	require.Error(t, err)
	waitFor(t, "nobody", func() bool { return len(s.Replication()) == 0 })
}

// What was sent long ago does not bound what is sent now.
func TestStreamGoesOnAfterARest(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(1000)
	s := serve(t, Config{Source: source, SenderTimeout: 300 * time.Millisecond})
	c, _, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	for range 4 {
		next(t, c, protocol.TagKeepalive)
		status(t, c, start, false)
	}
	time.Sleep(100 * time.Millisecond)
	source.Append(noise(300_000))
	for end := start.Add(301_000); ; {
		var m protocol.XLogData
		require.NoError(t, m.Decode(next(t, c, protocol.TagXLogData)))
		if m.Start.Add(len(m.Data)) == end {
			break
		}
	}
}

// A client that reads nothing, and says nothing, is ended even though the sender waits for it.
func TestStreamEndsAStalledClient(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(64 << 20)
	s := serve(t, Config{Source: source, SenderTimeout: 300 * time.Millisecond})
	_, _, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	waitFor(t, "nobody", func() bool { return len(s.Replication()) == 0 })
}

func TestStreamRefusesNonsense(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(1000)
	s := serve(t, Config{Source: source})
	for _, payload := range []string{"", "r", "r short", "h", "x", strings.Repeat("r", 35), strings.Repeat("h", 26)} {
		c, _, err := replicate(t, s, protocol.StartReplication{Start: start})
		require.NoError(t, err)
		require.NoError(t, c.SendCopyData([]byte(payload)))
		for err == nil {
			_, err = c.NextCopy()
		}
		var e *protocol.Error
		require.ErrorAs(t, err, &e, "%q", payload)
		require.Equal(t, codeProtocolViolation, e.Code)
	}
	// Positions that cannot be are taken as they come.
	c, _, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	for _, at := range []xlog.LSN{1<<64 - 1, 0, start, 1} {
		status(t, c, at, true)
		next(t, c, protocol.TagKeepalive)
	}
}
