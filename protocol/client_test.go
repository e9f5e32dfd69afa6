// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
)

// clientOf is a Client whose server plays a script that begins after startup.
func clientOf(t *testing.T, script func(s *protocoltest.Session)) *protocol.Client {
	t.Helper()
	return protocol.NewClient(protocoltest.Pipe(t, func(s *protocoltest.Session) {
		s.Backend.SetPhase(protocol.PhaseCommand)
		script(s)
	}))
}

var (
	syntaxError = protocol.Error{LocalizedSeverity: "FEHLER", Severity: "ERROR", Code: "42601", Message: "Syntaxfehler"}
	fatalError  = protocol.Error{LocalizedSeverity: "FATAL", Severity: "FATAL", Code: "57P01", Message: "terminating"}
	warning     = protocol.Error{LocalizedSeverity: "WARNING", Severity: "WARNING", Code: "01000", Message: "careful"}
)

func TestExec(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(s *protocoltest.Session) {
		s.Expect(protocol.IdentifySystem{})
		s.Notice(warning)
		s.Result([]string{"systemid", "dbname", "empty"}, "IDENTIFY_SYSTEM", []any{"7711133882651012132", nil, ""})
		s.Send(&pgproto3.ParameterStatus{Name: "TimeZone", Value: "Etc/UTC"})
		s.Ready()
		s.Expect(protocol.DropReplicationSlot{Slot: "s"})
		s.Result(nil, "DROP_REPLICATION_SLOT")
		s.Result(nil, "SELECT")
		s.Ready()
		s.Expect(protocol.Show{Name: "x"})
		s.Error(syntaxError)
		s.Ready()
		s.Expect(protocol.SQL{})
		s.Send(&pgproto3.EmptyQueryResponse{})
		s.Send(&pgproto3.NotificationResponse{Channel: "c"})
		s.Ready()
		s.Expect(protocol.Show{Name: "y"})
		s.Error(fatalError)
	})
	var notices []*protocol.Error
	c.OnNotice(func(e *protocol.Error) { notices = append(notices, e) })

	results, err := c.Exec(protocol.IdentifySystem{})
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, "IDENTIFY_SYSTEM", results[0].Tag)
	value, ok := results[0].Value(0, "systemid")
	require.True(t, ok)
	require.Equal(t, "7711133882651012132", string(value))
	value, ok = results[0].Value(0, "dbname")
	require.True(t, ok)
	require.Nil(t, value)
	value, ok = results[0].Value(0, "empty")
	require.True(t, ok)
	require.NotNil(t, value)
	_, ok = results[0].Value(1, "systemid")
	require.False(t, ok)
	_, ok = results[0].Value(0, "nosuch")
	require.False(t, ok)
	require.Equal(t, []*protocol.Error{&warning}, notices)
	require.Equal(t, "Etc/UTC", c.Parameter("TimeZone"))

	results, err = c.Exec(protocol.DropReplicationSlot{Slot: "s"})
	require.NoError(t, err)
	require.Equal(t, []protocol.Result{{Tag: "DROP_REPLICATION_SLOT"}, {Tag: "SELECT"}}, results)

	_, err = c.Exec(protocol.Show{Name: "x"})
	requireError(t, syntaxError, err)
	results, err = c.Exec(protocol.SQL{})
	require.NoError(t, err)
	require.Len(t, results, 1)

	_, err = c.Exec(protocol.Show{Name: "y"})
	requireError(t, fatalError, err)
	_, err = c.Exec(protocol.Show{Name: "z"})
	require.Error(t, err, "the session is over")
	require.NotErrorIs(t, err, protocol.ErrProtocol)
}

func requireError(t *testing.T, want protocol.Error, err error) {
	t.Helper()
	e, ok := errors.AsType[*protocol.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want, *e)
}

func TestCommandThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(s *protocoltest.Session) {
		s.Expect(protocol.IdentifySystem{})
		s.Ready()
	})
	c.SetServer(protocol.Server{Version: 120000})
	_, err := c.Exec(protocol.UploadManifest{})
	require.ErrorIs(t, err, protocol.ErrUnsupported)
	_, err = c.Exec(protocol.IdentifySystem{})
	require.NoError(t, err, "nothing was sent before")
}

func TestStreaming(t *testing.T) {
	t.Parallel()
	start := protocol.StartReplication{Start: 0x28000000, Timeline: 1}
	columns := []string{"next_tli", "next_tli_startpos"}
	ends := map[string]struct {
		end  func(s *protocoltest.Session)
		next *protocol.NextTimeline
	}{
		"two tags": {func(s *protocoltest.Session) {
			s.Result(columns, "START_STREAMING", []any{"2", "0/280000D8"})
			s.Result(nil, "START_REPLICATION")
		}, &protocol.NextTimeline{Timeline: 2, Start: 0x280000D8}},
		"one tag": {func(s *protocoltest.Session) {
			s.Result(columns, "START_STREAMING", []any{"2", "0/280000D8"})
		}, &protocol.NextTimeline{Timeline: 2, Start: 0x280000D8}},
		"two tags, same timeline": {func(s *protocoltest.Session) {
			s.Result(nil, "START_STREAMING")
			s.Result(nil, "SELECT")
		}, nil},
		"nothing": {func(s *protocoltest.Session) {}, nil},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(s *protocoltest.Session) {
				s.Expect(start)
				s.CopyBoth()
				s.XLogData(0x28000000, []byte("wal"))
				s.Notice(warning)
				s.Keepalive(0x28000003, true)
				status, ok := s.Status()
				if !ok || status.Flush != 0x28000003 {
					t.Errorf("status %v", status)
				}
				s.Send(&pgproto3.ParameterStatus{Name: "TimeZone", Value: "x"})
				s.CopyDone()
				if _, ok := s.Status(); ok {
					t.Error("a status instead of CopyDone")
				}
				tt.end(s)
				s.Ready()
				s.Expect(protocol.IdentifySystem{})
				s.Ready()
			})
			require.NoError(t, c.StartCopyBoth(start))
			_, err := c.Exec(protocol.IdentifySystem{})
			require.Error(t, err, "not now")
			payload, err := c.NextCopy()
			require.NoError(t, err)
			var data protocol.XLogData
			require.NoError(t, data.Decode(payload))
			require.Equal(t, "wal", string(data.Data))
			payload, err = c.NextCopy()
			require.NoError(t, err)
			var keepalive protocol.Keepalive
			require.NoError(t, keepalive.Decode(payload))
			require.True(t, keepalive.ReplyRequested)
			status := protocol.StandbyStatus{Flush: keepalive.End}
			require.NoError(t, c.SendCopyData(status.Append(nil)))
			for range 2 {
				_, err = c.NextCopy()
				require.Equal(t, io.EOF, err)
			}
			next, err := c.EndCopyBoth()
			require.NoError(t, err)
			require.Equal(t, tt.next, next)
			_, err = c.Exec(protocol.IdentifySystem{})
			require.NoError(t, err)
		})
	}
}

func TestClientEndsStreaming(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(s *protocoltest.Session) {
		s.Command()
		s.CopyBoth()
		if _, ok := s.Status(); ok {
			t.Error("a status instead of CopyDone")
		}
		s.XLogData(0x28000000, []byte("still under way"))
		s.CopyDone()
		s.Result(nil, "START_STREAMING")
		s.Ready()
	})
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 1}))
	require.NoError(t, c.SendCopyDone())
	require.NoError(t, c.SendCopyDone(), "it is sent once")
	next, err := c.EndCopyBoth()
	require.NoError(t, err)
	require.Nil(t, next)
	_, err = c.EndCopyBoth()
	require.Error(t, err)
}

func TestStartAtSwitchPoint(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(s *protocoltest.Session) {
		s.Command()
		s.Result([]string{"next_tli", "next_tli_startpos"}, "START_STREAMING", []any{"3", "0/5000000"})
		s.Result(nil, "START_REPLICATION")
		s.Ready()
		s.Command()
		s.Result(nil, "START_STREAMING")
		s.Ready()
		s.Command()
		s.CopyBoth()
	})
	err := c.StartCopyBoth(protocol.StartReplication{Start: 0x5000000, Timeline: 2})
	end, ok := errors.AsType[*protocol.TimelineEnd](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, &protocol.NextTimeline{Timeline: 3, Start: 0x5000000}, end.Next)
	require.EqualError(t, end, "nothing to stream: the log went to timeline 3 at 0/5000000")

	err = c.StartCopyBoth(protocol.StartReplication{Start: 0x5000000, Timeline: 2})
	require.EqualError(t, err, "nothing to stream: end of timeline")
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 0x5000000, Timeline: 3}))
}

func TestErrorsWhileStreaming(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script func(s *protocoltest.Session)
		check  func(t *testing.T, c *protocol.Client, err error)
	}{
		"error after CopyBothResponse": {
			func(s *protocoltest.Session) {
				s.CopyBoth()
				s.Error(syntaxError)
				s.Ready()
				s.Expect(protocol.IdentifySystem{})
				s.Ready()
			},
			func(t *testing.T, c *protocol.Client, err error) {
				requireError(t, syntaxError, err)
				_, err = c.Exec(protocol.IdentifySystem{})
				require.NoError(t, err)
			}},
		"fatal error": {
			func(s *protocoltest.Session) { s.CopyBoth(); s.Error(fatalError) },
			func(t *testing.T, c *protocol.Client, err error) { requireError(t, fatalError, err) }},
		"error before CopyBothResponse": {
			func(s *protocoltest.Session) { s.Error(syntaxError); s.Ready() },
			func(t *testing.T, c *protocol.Client, err error) { requireError(t, syntaxError, err) }},
		"shutdown": {
			func(s *protocoltest.Session) { s.CopyBoth(); s.Result(nil, "COPY 0") },
			func(t *testing.T, c *protocol.Client, err error) { require.ErrorIs(t, err, protocol.ErrServerShutdown) }},
		"connection lost": {
			func(s *protocoltest.Session) { s.CopyBoth() },
			func(t *testing.T, c *protocol.Client, err error) { require.Equal(t, io.ErrUnexpectedEOF, err) }},
		"a message that has no place": {
			func(s *protocoltest.Session) { s.CopyBoth(); s.Ready() },
			func(t *testing.T, c *protocol.Client, err error) { require.ErrorIs(t, err, protocol.ErrProtocol) }},
		"a message too large": {
			func(s *protocoltest.Session) { s.CopyBoth(); s.Raw([]byte("d\x7f\xff\xff\xff")) },
			func(t *testing.T, c *protocol.Client, err error) { require.ErrorIs(t, err, protocol.ErrTooLarge) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(s *protocoltest.Session) {
				s.Command()
				tt.script(s)
			})
			err := c.StartCopyBoth(protocol.StartReplication{Start: 1})
			if err == nil {
				_, err = c.NextCopy()
			}
			tt.check(t, c, err)
			_, err = c.NextCopy()
			require.Error(t, err)
		})
	}
}

// Nothing is lost when a deadline passes in the middle of a message.
func TestStreamingGoesOnAfterTimeout(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	conn := protocoltest.Pipe(t, func(s *protocoltest.Session) {
		s.Backend.SetPhase(protocol.PhaseCommand)
		s.Command()
		s.CopyBoth()
		message := (&pgproto3.CopyData{Data: []byte("complete")})
		b, err := message.Encode(nil)
		if err != nil {
			t.Error(err)
		}
		s.Raw(b[:7])
		<-goOn
		s.Raw(b[7:])
	})
	c := protocol.NewClient(conn)
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 1}))
	for range 2 {
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.NextCopy()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.False(t, c.CopyBuffered())
	}
	close(goOn)
	conn.SetReadDeadline(time.Time{})
	payload, err := c.NextCopy()
	require.NoError(t, err)
	require.Equal(t, "complete", string(payload))
}

func TestSendWhileReading(t *testing.T) {
	t.Parallel()
	const messages = 200
	c := clientOf(t, func(s *protocoltest.Session) {
		s.Command()
		s.CopyBoth()
		var wg sync.WaitGroup
		wg.Go(func() {
			for range messages {
				s.CopyData(make([]byte, 1000))
			}
			s.CopyDone()
		})
		for range messages {
			s.Status()
		}
		wg.Wait()
	})
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 1}))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range messages {
			status := protocol.StandbyStatus{Flush: 1}
			if err := c.SendCopyData(status.Append(nil)); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
	})
	read := 0
	for {
		_, err := c.NextCopy()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		read++
	}
	require.Equal(t, messages, read)
	wg.Wait()
}

func TestUploadManifest(t *testing.T) {
	t.Parallel()
	manifest := strings.Repeat("manifest ", 20000)
	c := clientOf(t, func(s *protocoltest.Session) {
		s.Expect(protocol.UploadManifest{})
		s.Send(&pgproto3.CopyInResponse{})
		var got bytes.Buffer
		for {
			data, ok := s.Receive().(*pgproto3.CopyData)
			if !ok {
				break
			}
			got.Write(data.Data)
		}
		if got.String() != manifest {
			t.Errorf("got %d bytes", got.Len())
		}
		s.Result(nil, "UPLOAD_MANIFEST")
		s.Ready()
		s.Expect(protocol.UploadManifest{})
		s.Send(&pgproto3.CopyInResponse{})
		if _, ok := s.Receive().(*pgproto3.CopyFail); !ok {
			t.Error("no CopyFail")
		}
		s.Error(syntaxError)
		s.Ready()
		s.Expect(protocol.UploadManifest{})
		s.Error(syntaxError)
		s.Ready()
	})
	require.NoError(t, c.UploadManifest(strings.NewReader(manifest)))
	require.ErrorIs(t, c.UploadManifest(io.MultiReader(errReader{})), os.ErrPermission)
	requireError(t, syntaxError, c.UploadManifest(strings.NewReader(manifest)))
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, os.ErrPermission }

// Nothing a server sends in answer to a command may cost unbounded memory.
func TestResultIsBounded(t *testing.T) {
	t.Parallel()
	floods := map[string][]pgproto3.BackendMessage{
		"rows": {&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("x")}}},
			&pgproto3.DataRow{Values: [][]byte{make([]byte, 8<<20)}}},
		"results":    {&pgproto3.CommandComplete{}, &pgproto3.CommandComplete{CommandTag: bytes.Repeat([]byte("x"), 1<<20)}},
		"parameters": {&pgproto3.ParameterStatus{}, &pgproto3.ParameterStatus{Name: "x", Value: strings.Repeat("x", 70<<10)}},
	}
	for name, messages := range floods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(s *protocoltest.Session) {
				s.Command()
				s.Send(messages[0])
				flood, err := messages[1].Encode(nil)
				if err != nil {
					t.Error(err)
				}
				for {
					s.Raw(flood)
				}
			})
			_, err := c.Exec(protocol.Show{Name: "x"})
			require.ErrorIs(t, err, protocol.ErrTooLarge)
		})
	}
}

// In the steady state neither a received piece of WAL nor a status costs an allocation.
func TestStreamingDoesNotAllocate(t *testing.T) {
	data := protocol.XLogData{Start: 1, End: 2, Data: make([]byte, 128<<10)}
	piece, err := (&pgproto3.CopyData{Data: data.Append(nil)}).Encode(nil)
	require.NoError(t, err)
	addr := protocoltest.Serve(t, func(s *protocoltest.Session) {
		s.Startup()
		s.Command()
		s.CopyBoth()
		go io.Copy(io.Discard, s.Conn)
		for {
			s.Raw(piece)
		}
	})
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	startUp(t, conn)
	c := protocol.NewClient(conn)
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 1}))
	var status protocol.StandbyStatus
	var buf []byte
	require.Zero(t, testing.AllocsPerRun(100, func() {
		payload, err := c.NextCopy()
		if err != nil || data.Decode(payload) != nil || len(data.Data) != 128<<10 {
			panic(err)
		}
		buf = status.Append(buf[:0])
		if err := c.SendCopyData(buf); err != nil {
			panic(err)
		}
	}))
}

func TestBackendStartup(t *testing.T) {
	t.Parallel()
	addr := protocoltest.Serve(t, func(s *protocoltest.Session) {
		params := s.Startup()
		s.Expect(protocol.Show{Name: params["user"]})
		s.Ready()
		s.Command()
	})
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	startup := &pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersionNumber,
		Parameters:      map[string]string{"user": "u"},
	}
	b, err := startup.Encode(nil)
	require.NoError(t, err)
	_, err = conn.Write(b)
	require.NoError(t, err)
	f := protocol.NewFramer(conn, 10000)
	var types []byte
	for {
		typ, _, err := f.Next()
		require.NoError(t, err)
		if types = append(types, typ); typ == 'Z' {
			break
		}
	}
	require.Equal(t, "RSSSSSSKZ", string(types))
	c := protocol.NewClient(conn)
	_, err = c.Exec(protocol.Show{Name: "u"})
	require.NoError(t, err)
}
