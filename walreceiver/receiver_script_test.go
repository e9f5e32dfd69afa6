// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// scripted answers all commands of a receiver but START_REPLICATION, which stream plays.
type scripted struct {
	history xlog.History // Timeline 0 is timeline 1
	pos     xlog.LSN
	gp      string // gp_server_version
	system  uint64 // 0 is that of xlogtest
	stream  func(s *protocoltest.Session, start protocol.StartReplication)

	mu    sync.Mutex
	names []string // application names that came
	slots []string // slots created
}

func (f *scripted) serve(t *testing.T) (conninfo string) {
	t.Helper()
	host, port, err := net.SplitHostPort(protocoltest.Serve(t, f.session))
	require.NoError(t, err)
	return fmt.Sprintf("host=%s port=%s user=u sslmode=disable", host, port)
}

func (f *scripted) timeline() xlog.TimelineID { return max(f.history.Timeline, 1) }

func (f *scripted) settings() map[string]string {
	if f.gp != "" {
		return map[string]string{
			"wal_segment_size": "64MB", "block_size": "32768", "wal_block_size": "32768", "wal_sender_timeout": "5min",
		}
	}
	return map[string]string{
		"wal_segment_size": "1MB", "block_size": "8192", "wal_block_size": "8192", "wal_sender_timeout": "1min",
	}
}

func (f *scripted) session(s *protocoltest.Session) {
	if f.gp != "" {
		s.Parameters["gp_server_version"] = f.gp
		s.Parameters["server_version"] = "12"
	}
	f.note(&f.names, s.Startup()["application_name"])
	for {
		switch cmd := s.Command().(type) {
		case protocol.IdentifySystem:
			s.Result([]string{"systemid", "timeline", "xlogpos", "dbname"}, "IDENTIFY_SYSTEM",
				[]any{max(f.system, xlogtest.SystemID), uint32(f.timeline()), f.pos, nil})
			s.Ready()
		case protocol.Show:
			s.Result([]string{cmd.Name}, "SHOW", []any{f.settings()[cmd.Name]})
			s.Ready()
		case protocol.TimelineHistory:
			s.Result([]string{"filename", "content"}, "TIMELINE_HISTORY",
				[]any{cmd.Timeline.HistoryName(), string(f.history.Format())})
			s.Ready()
		case protocol.CreateReplicationSlot:
			f.note(&f.slots, cmd.Slot)
			s.Result([]string{"slot_name", "consistent_point", "snapshot_name", "output_plugin"}, "CREATE_REPLICATION_SLOT",
				[]any{cmd.Slot, "0/0", nil, nil})
			s.Ready()
		case protocol.ReadReplicationSlot:
			s.Result([]string{"slot_type", "restart_lsn", "restart_tli"}, "READ_REPLICATION_SLOT",
				[]any{"physical", f.pos, uint32(f.timeline())})
			s.Ready()
		case protocol.StartReplication:
			f.stream(s, cmd)
		}
	}
}

func (f *scripted) note(list *[]string, s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, s)
}

func (f *scripted) noted(list *[]string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(*list, " ")
}

// endOfTimeline ends a stream as a server does when its timeline is over.
func endOfTimeline(s *protocoltest.Session, next xlog.TimelineID, at xlog.LSN) {
	s.CopyDone()
	for {
		if _, ok := s.Status(); !ok {
			break
		}
	}
	s.Backend.SetPhase(protocol.PhaseCommand)
	s.Result([]string{"next_tli", "next_tli_startpos"}, "START_STREAMING", []any{uint32(next), at})
	s.Result(nil, "START_REPLICATION")
	s.Ready()
}

// statusWith waits for a status that satisfies cond.
func statusWith(s *protocoltest.Session, cond func(protocol.StandbyStatus) bool) (st protocol.StandbyStatus, ok bool) {
	for {
		if st, ok = s.Status(); !ok || cond(st) {
			return st, ok
		}
	}
}

// memSink is a sink in memory that checks how it is used.
type memSink struct {
	mu      sync.Mutex
	t       testing.TB
	tli     xlog.TimelineID
	end     xlog.LSN
	log     []byte // since Begin
	begins  []walreceiver.Position
	history map[xlog.TimelineID][]byte
	hold    chan struct{} // Sync waits until it is closed
	syncErr error
}

func (s *memSink) Resume() (xlog.TimelineID, xlog.LSN, bool) { return 0, 0, false }

func (s *memSink) Begin(tli xlog.TimelineID, lsn xlog.LSN) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tli, s.end, s.log = tli, lsn, nil
	s.begins = append(s.begins, walreceiver.Position{Timeline: tli, LSN: lsn})
	return nil
}

func (s *memSink) Write(lsn xlog.LSN, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lsn != s.end {
		s.t.Errorf("write at %s instead of %s", lsn, s.end)
	}
	s.log = append(s.log, p...)
	s.end = lsn.Add(len(p))
	return nil
}

func (s *memSink) Sync() (xlog.LSN, error) {
	s.mu.Lock()
	end, hold, err := s.end, s.hold, s.syncErr
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return end, err
}

func (s *memSink) WriteHistory(tli xlog.TimelineID, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.history == nil {
		s.history = map[xlog.TimelineID][]byte{}
	}
	s.history[tli] = append([]byte(nil), content...)
	return nil
}

func (s *memSink) ReadHistory(tli xlog.TimelineID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.history[tli]; ok {
		return c, nil
	}
	return nil, fs.ErrNotExist
}

const base = xlog.LSN(1 << 20)

// records makes a log of n records from base on.
func records(n int) *xlogtest.Builder {
	b := xlogtest.NewBuilder(xlog.Postgres15, mib, base)
	for range n {
		b.Noop(100)
	}
	return b
}

// TestGreenplumName: Greenplum gives the rights of its standby to one application name only.
func TestGreenplumName(t *testing.T) {
	for _, c := range []struct{ gp, conninfo, option, want string }{
		{"", "", "", "walreceiver"},
		{"7.0.0 build dev", "", "", "gp_walreceiver walreceiver"},
		{"7.0.0 build dev", " application_name=mine", "", "mine"},
		{"7.0.0 build dev", " fallback_application_name=tool", "", "tool"},
		{"7.0.0 build dev", " application_name=mine", "other", "other"},
	} {
		f := &scripted{gp: c.gp}
		conn, err := walreceiver.Connect(t.Context(), f.serve(t)+c.conninfo, walreceiver.ConnectOptions{ApplicationName: c.option})
		require.NoError(t, err)
		eventually(t, c.want, func() bool { // two connections may be noted in any order
			names := strings.Fields(f.noted(&f.names))
			slices.Sort(names)
			return strings.Join(names, " ") == c.want
		})
		if c.gp != "" {
			require.Equal(t, xlog.Greenplum, conn.Server().Flavour)
			require.Equal(t, 120000, conn.Server().Version)
		}
		require.NoError(t, conn.Close())
	}
}

// TestRepliesWhileSyncHangs: the written position and answers to keepalives do not wait for the disk.
func TestRepliesWhileSyncHangs(t *testing.T) {
	b := records(10)
	sink := &memSink{t: t}
	hold := make(chan struct{})
	checked := make(chan struct{})
	f := &scripted{pos: base, stream: func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == base })
		sink.mu.Lock()
		sink.hold = hold
		sink.mu.Unlock()
		s.XLogData(base, b.Bytes())
		st, ok := statusWith(s, func(st protocol.StandbyStatus) bool { return st.Write == b.Pos() })
		if !ok || st.Flush != base || st.Apply != 0 {
			t.Errorf("write-only reply: %+v %v", st, ok)
		}
		begin := time.Now()
		for range 3 {
			s.Keepalive(b.Pos(), true)
			if st, ok = s.Status(); !ok || st.Flush != base {
				t.Errorf("answer to a keepalive: %+v %v", st, ok)
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("answers took %s", took)
		}
		close(hold)
		if st, ok = s.Status(); !ok || st.Flush != b.Pos() {
			t.Errorf("after the sync: %+v %v", st, ok)
		}
		close(checked)
		statusWith(s, func(protocol.StandbyStatus) bool { return false })
		endOfStream(s)
	}}
	r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: sink})
	<-checked
	r.stop()
	require.Equal(t, b.Bytes(), sink.log)
}

// endOfStream answers the client's CopyDone on a timeline that goes on.
func endOfStream(s *protocoltest.Session) {
	s.CopyDone()
	s.Backend.SetPhase(protocol.PhaseCommand)
	s.Result(nil, "START_STREAMING")
	s.Result(nil, "START_REPLICATION")
	s.Ready()
}

// TestSwitchBack: the log of a timeline that ends before what we have of it is not confirmed on the next one.
func TestSwitchBack(t *testing.T) {
	b := records(10)
	at := b.Pos()
	b.Promote(2, nil)
	b.Noop(100)
	hist := b.History()
	torn := append(append([]byte(nil), b.Bytes()[:at.Sub(base)]...), make([]byte, 16)...)
	torn[len(torn)-16] = 200 // a record of 200 bytes, of which 16 came

	sink := &memSink{t: t}
	checked := make(chan struct{})
	f := &scripted{pos: base}
	f.stream = func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		if start.Timeline == 1 {
			s.XLogData(base, torn)
			statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == base.Add(len(torn)) })
			f.history, f.pos = hist, b.Pos()
			endOfTimeline(s, 2, at)
			return
		}
		if start.Start != base {
			t.Errorf("timeline 2 from %s", start.Start)
		}
		st, ok := s.Status()
		if !ok || st.Flush != at || st.Write != at {
			t.Errorf("first status on the new timeline: %+v", st)
		}
		s.XLogData(base, b.Bytes())
		statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == b.Pos() })
		close(checked)
		statusWith(s, func(protocol.StandbyStatus) bool { return false })
		endOfStream(s)
	}
	r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: sink})
	<-checked
	r.stop()
	require.Equal(t, []walreceiver.Position{{Timeline: 1, LSN: base}, {Timeline: 2, LSN: base}}, sink.begins)
	require.Equal(t, hist.Format(), sink.history[2])
}

// TestReconnectAfterSwitch: the server was promoted while we were away, and we have a bit more of the old timeline
// than it kept. A record that nobody completed is no divergence; a complete one is. That holds with and without a
// sink that can be read.
func TestReconnectAfterSwitch(t *testing.T) {
	b := records(10)
	at := b.Pos()
	old := records(12).Bytes() // what the old primary sent: two records more
	b.Promote(2, nil)
	b.Noop(100)
	for _, c := range []struct {
		name     string
		extra    int
		verify   bool
		readable bool
		diverged bool
	}{
		{"torn", 50, true, false, false},
		{"torn, read back", 50, true, true, false},
		{"whole", 104, true, false, true},
		{"whole, read back", 104, true, true, true},
		{"whole and torn", 150, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := old[:at.Sub(base)+int64(c.extra)]
			var sink walreceiver.Sink = &memSink{t: t}
			if c.readable {
				sink, _ = archive(t)
			}
			f := &scripted{pos: base}
			f.stream = func(s *protocoltest.Session, start protocol.StartReplication) {
				s.CopyBoth()
				if start.Timeline == 1 {
					f.pos = at.Add(c.extra)
					s.XLogData(base, have)
					statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == f.pos })
					f.history, f.pos = b.History(), b.Pos()
					s.Conn.Close()
					return
				}
				if want := map[bool]xlog.LSN{false: base, true: at}[c.readable]; start.Start != want {
					t.Errorf("timeline 2 from %s, not %s", start.Start, want)
				}
				s.XLogData(start.Start, b.Bytes()[start.Start.Sub(base):])
				statusWith(s, func(protocol.StandbyStatus) bool { return false })
				endOfStream(s)
			}
			r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: sink})
			if c.diverged {
				r.until("diverged", func(s walreceiver.Status) bool { return errors.Is(s.LastError, walreceiver.ErrDiverged) })
			} else {
				r.until("timeline 2", func(s walreceiver.Status) bool { return s.FlushedLSN == b.Pos() })
				require.Equal(t, xlog.TimelineID(2), r.Status().ReceivedTimeline)
			}
			r.stop()
		})
	}
}

// TestLostAfterPromotion: the promoted server dies before it has sent anything of its timeline. What was confirmed
// before is found in the new timeline's segment, where a server that recovers from here looks for it.
func TestLostAfterPromotion(t *testing.T) {
	b := records(3000)
	at := b.Pos()
	b.Promote(2, nil)
	b.Noop(100)
	dir, _ := archive(t)
	f := &scripted{pos: at}
	f.stream = func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		if start.Timeline == 2 {
			s.Conn.Close()
			return
		}
		s.XLogData(base, b.Bytes()[:at.Sub(base)])
		f.history, f.pos = b.History(), b.Pos()
		endOfTimeline(s, 2, at)
	}
	r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: dir, NoReconnect: true})
	r.wait()
	require.Error(t, r.err)
	require.Equal(t, xlog.TimelineID(2), r.Status().ReceivedTimeline)
	require.Equal(t, at, r.Status().FlushedLSN)
	got := make([]byte, at.Sub(base))
	_, err := dir.ReadAt(2, got, base)
	require.NoError(t, err)
	require.Equal(t, b.Bytes()[:len(got)], got)
}

// TestCorruptAgain: a server whose log is corrupt is not asked for it as fast as it can send.
func TestCorruptAgain(t *testing.T) {
	b := records(10)
	bad := append(append([]byte(nil), b.Bytes()...), []byte(strings.Repeat("walmirror", 20))...)
	f := &scripted{pos: base.Add(len(bad)), stream: func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		s.XLogData(base, b.Bytes())
		s.XLogData(b.Pos(), bad[len(b.Bytes()):])
		_, _ = io.Copy(io.Discard, s.Conn)
	}}
	r := receive(t, walreceiver.Config{
		ConnString: f.serve(t), Sink: &memSink{t: t}, Backoff: walreceiver.Backoff{Min: time.Millisecond, Max: time.Hour},
	})
	eventually(t, "some attempts", func() bool { return countEvents[walreceiver.Disconnected](r) == 5 })
	r.mu.Lock()
	last := r.events[len(r.events)-1].(walreceiver.Disconnected)
	r.mu.Unlock()
	require.ErrorIs(t, last.Err, walreceiver.ErrCorrupt)
	require.Equal(t, 5, last.Failures)
	corrupt, _ := errors.AsType[*walreceiver.CorruptError](last.Err)
	require.NotNil(t, corrupt)
	require.Equal(t, b.Pos(), corrupt.Good)
	r.stop()
}

// TestSameTimelineTwice: two servers were promoted apart from each other, and both took timeline 2.
func TestSameTimelineTwice(t *testing.T) {
	b := records(10)
	b.Promote(2, nil)
	f := &scripted{history: b.History(), pos: b.Pos()}
	sink := &memSink{t: t}
	require.NoError(t, sink.WriteHistory(2, []byte("1\t0/100100\tthe other one\n")))
	r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: sink, NoReconnect: true})
	r.wait()
	require.ErrorIs(t, r.err, walreceiver.ErrDiverged)
	require.Empty(t, sink.begins)
}

// TestSilentServer: after half of the timeout the server is asked, after all of it the connection ends.
func TestSilentServer(t *testing.T) {
	var asked atomic.Int32
	f := &scripted{pos: base, stream: func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		if _, ok := statusWith(s, func(st protocol.StandbyStatus) bool { return st.ReplyRequested }); ok {
			asked.Add(1)
		}
		_, _ = io.Copy(io.Discard, s.Conn)
	}}
	r := receive(t, walreceiver.Config{
		ConnString: f.serve(t), Sink: &memSink{t: t}, ReceiveTimeout: 400 * time.Millisecond, NoReconnect: true,
	})
	begin := time.Now()
	r.wait()
	require.ErrorIs(t, r.err, walreceiver.ErrTimeout)
	require.GreaterOrEqual(t, time.Since(begin), 390*time.Millisecond)
	require.EqualValues(t, 1, asked.Load())
}

// TestBadStream: whatever a server may send ends in an error, and what was received stays confirmed.
func TestBadStream(t *testing.T) {
	b := records(10)
	for name, send := range map[string]func(s *protocoltest.Session){
		"gap":             func(s *protocoltest.Session) { s.XLogData(b.Pos()+8, []byte{1}) },
		"again":           func(s *protocoltest.Session) { s.XLogData(base, b.Bytes()) },
		"empty":           func(s *protocoltest.Session) { s.CopyData(nil) },
		"unknown":         func(s *protocoltest.Session) { s.CopyData([]byte("z1234")) },
		"short data":      func(s *protocoltest.Session) { s.CopyData([]byte("w1234")) },
		"short keepalive": func(s *protocoltest.Session) { s.CopyData([]byte("k1234")) },
		"not a record":    func(s *protocoltest.Session) { s.XLogData(b.Pos(), []byte(strings.Repeat("walmirror", 20))) },
		"zeros":           func(s *protocoltest.Session) { s.XLogData(b.Pos(), make([]byte, 100)) },
		"huge message":    func(s *protocoltest.Session) { s.Raw([]byte{'d', 0x7f, 0xff, 0xff, 0xff}) },
		"other message":   func(s *protocoltest.Session) { s.Raw([]byte{'G', 0, 0, 0, 7, 0, 0, 0}) },
		"error":           func(s *protocoltest.Session) { s.Error(protocol.Error{Severity: "FATAL", Code: "57P01", Message: "m"}) },
		"cut":             func(s *protocoltest.Session) { s.Conn.Close() },
		"end without reason": func(s *protocoltest.Session) {
			s.CopyDone()
			statusWith(s, func(protocol.StandbyStatus) bool { return false })
			s.Result(nil, "START_STREAMING")
			s.Ready()
		},
		"timeline back": func(s *protocoltest.Session) { endOfTimeline(s, 1, b.Pos()) },
		"timeline gap":  func(s *protocoltest.Session) { endOfTimeline(s, 2, b.Pos()+8) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := &memSink{t: t}
			f := &scripted{pos: base, stream: func(s *protocoltest.Session, start protocol.StartReplication) {
				s.CopyBoth()
				s.XLogData(base, b.Bytes())
				statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == b.Pos() })
				send(s)
				_, _ = io.Copy(io.Discard, s.Conn)
			}}
			r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: sink, NoReconnect: true})
			r.wait()
			require.Error(t, r.err)
			t.Log(r.err)
			require.Equal(t, b.Pos(), r.Status().FlushedLSN)
			require.Equal(t, b.Bytes(), sink.log)
		})
	}
}

// TestSinkError: an error of the sink ends Run at once, and nothing that it did not sync was confirmed.
func TestSinkError(t *testing.T) {
	b := records(10)
	sink := &memSink{t: t}
	var last atomic.Uint64
	f := &scripted{pos: base, stream: func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == base })
		sink.mu.Lock()
		sink.syncErr = fmt.Errorf("no more disk: %w", fs.ErrInvalid)
		sink.mu.Unlock()
		s.XLogData(base, b.Bytes())
		for {
			msg, ok := s.Receive().(*pgproto3.CopyData)
			if !ok {
				break
			}
			var st protocol.StandbyStatus
			if err := st.Decode(msg.Data); err != nil {
				t.Error(err)
			}
			last.Store(uint64(st.Flush))
		}
	}}
	r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: sink})
	r.wait()
	require.ErrorIs(t, r.err, walreceiver.ErrSink)
	require.ErrorIs(t, r.err, fs.ErrInvalid)
	require.LessOrEqual(t, xlog.LSN(last.Load()), base)
	require.Equal(t, base, r.Status().FlushedLSN)
	require.Equal(t, walreceiver.StateStopped, r.Status().State)
}

// TestTemporarySlot: a slot without a name is made at each connection.
func TestTemporarySlot(t *testing.T) {
	var streams atomic.Int32
	f := &scripted{pos: base + 100, stream: func(s *protocoltest.Session, start protocol.StartReplication) {
		s.CopyBoth()
		if start.Slot != "walreceiver_1" || start.Start != base {
			t.Errorf("%+v", start)
		}
		if streams.Add(1) < 3 {
			s.Conn.Close()
			return
		}
		s.Keepalive(base, true)
		statusWith(s, func(protocol.StandbyStatus) bool { return false })
		endOfStream(s)
	}}
	r := receive(t, walreceiver.Config{ConnString: f.serve(t), Sink: &memSink{t: t}, CreateSlot: walreceiver.SlotTemporary})
	r.until("the third", func(s walreceiver.Status) bool { return s.Connections == 3 && !s.LastMsgReceiptTime.IsZero() })
	r.stop()
	require.Equal(t, "walreceiver_1 walreceiver_1 walreceiver_1", f.noted(&f.slots))
	require.Equal(t, 3, r.Status().Connections)
}
