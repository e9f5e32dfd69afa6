// SPDX-License-Identifier: Apache-2.0

package protocoltest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// patience is how long a Session waits for its client.
const patience = 30 * time.Second

// Session is the server's end of one connection. Its methods fail the test when the client does something else than
// the script expects, and end the script. A client that closes the connection ends the script too; that is no failure.
type Session struct {
	Conn    net.Conn
	Backend *protocol.Backend
	Server  protocol.Server // whose grammar the commands are in; zero: any

	// Parameters are reported by Startup. They begin as those of PostgreSQL 15.
	Parameters map[string]string

	t testing.TB
}

// errEnd ends a script.
var errEnd = errors.New("end of script")

func newSession(t testing.TB, conn net.Conn) *Session {
	return &Session{
		Conn:    conn,
		Backend: protocol.NewBackend(conn),
		Parameters: map[string]string{
			"server_version": "15.4", "client_encoding": "UTF8", "server_encoding": "UTF8", "TimeZone": "UTC",
			"integer_datetimes": "on", "standard_conforming_strings": "on",
		},
		t: t,
	}
}

// play runs a script to its end and closes the connection.
func (s *Session) play(script func(*Session)) {
	defer s.Conn.Close()
	defer func() {
		if r := recover(); r != nil && r != any(errEnd) {
			panic(r)
		}
	}()
	script(s)
}

// Serve plays a script for every client that connects to the address it returns.
func Serve(t testing.TB, script func(*Session)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns connSet
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.add(conn)
			wg.Go(func() {
				defer conns.remove(conn)
				newSession(t, conn).play(script)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.closeAll()
		wg.Wait()
	})
	return l.Addr().String()
}

// Pipe plays a script for the connection it returns, which is in memory and, like net.Pipe, has no buffer.
func Pipe(t testing.TB, script func(*Session)) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		newSession(t, server).play(script)
	}()
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-done
	})
	return client
}

// connSet is the connections that are to be closed at the end of a test.
type connSet struct {
	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

func (c *connSet) add(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return
	}
	if c.conns == nil {
		c.conns = map[net.Conn]bool{}
	}
	c.conns[conn] = true
}

func (c *connSet) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
}

// closeAll closes what is there and what comes later.
func (c *connSet) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.conns {
		conn.Close()
	}
}

// fail reports what went wrong and ends the script.
func (s *Session) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("scripted server: "+format, args...)
	panic(errEnd)
}

// check ends the script when err is not nil. It fails the test unless the client is gone.
func (s *Session) check(err error, doing string) {
	s.t.Helper()
	if err == nil {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, protocol.ErrProtocol) {
		s.fail("%s: %v", doing, err)
	}
	panic(errEnd)
}

// Startup takes the client's startup packet without asking for a password and says that the server is ready. It
// refuses encryption.
func (s *Session) Startup() map[string]string {
	s.t.Helper()
	for {
		msg, err := s.Backend.ReceiveStartup()
		s.check(err, "startup")
		if startup, ok := msg.(*protocol.Startup); ok {
			s.welcome()
			return parameters(startup)
		}
		s.Raw([]byte{'N'})
	}
}

func parameters(startup *protocol.Startup) map[string]string {
	m := make(map[string]string, len(startup.Parameters))
	for _, p := range startup.Parameters {
		m[p.Name] = p.Value
	}
	return m
}

func (s *Session) welcome() {
	s.t.Helper()
	s.Send(&pgproto3.AuthenticationOk{})
	for name, value := range s.Parameters {
		s.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	s.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: 1})
	s.Backend.SetPhase(protocol.PhaseCommand)
	s.Ready()
}

// Receive returns the client's next message; valid until the next one.
func (s *Session) Receive() pgproto3.FrontendMessage {
	s.t.Helper()
	s.Conn.SetReadDeadline(time.Now().Add(patience))
	msg, err := s.Backend.Receive()
	s.check(err, "waiting for a message")
	return msg
}

// Query returns the text of the client's next command. It skips what a client may still send after a COPY has ended.
// When the client says goodbye, the script ends.
func (s *Session) Query() string {
	s.t.Helper()
	for {
		switch msg := s.Receive().(type) {
		case *pgproto3.Query:
			return msg.String
		case *pgproto3.Terminate:
			panic(errEnd)
		case *pgproto3.CopyData, *pgproto3.CopyDone:
		default:
			s.fail("%T instead of a command", msg)
		}
	}
}

// Command returns the client's next command.
func (s *Session) Command() protocol.Command {
	s.t.Helper()
	text := s.Query()
	cmd, err := s.Server.Parse(text)
	if err != nil {
		s.fail("command %q: %v", text, err)
	}
	return cmd
}

// Expect waits for a command that prints like cmd.
func (s *Session) Expect(cmd protocol.Command) {
	s.t.Helper()
	if got := s.Command(); got.String() != cmd.String() {
		s.fail("got %s, want %s", got, cmd)
	}
}

// Send sends a message.
func (s *Session) Send(msg pgproto3.BackendMessage) {
	s.t.Helper()
	s.check(s.Backend.Send(msg), "sending a message")
}

// Raw sends bytes.
func (s *Session) Raw(b []byte) {
	s.t.Helper()
	_, err := s.Conn.Write(b)
	s.check(err, "sending bytes")
}

// Ready says that the server waits for a command.
func (s *Session) Ready() { s.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'}) }

// Result sends rows of text and CommandComplete. A value that is nil is NULL. Without columns only the tag is sent.
func (s *Session) Result(columns []string, tag string, rows ...[]any) {
	s.t.Helper()
	if columns != nil {
		var desc pgproto3.RowDescription
		for _, name := range columns {
			desc.Fields = append(desc.Fields, pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: 25})
		}
		s.Send(&desc)
	}
	for _, row := range rows {
		var values pgproto3.DataRow
		for _, v := range row {
			if v == nil {
				values.Values = append(values.Values, nil)
			} else {
				values.Values = append(values.Values, []byte(fmt.Sprint(v)))
			}
		}
		s.Send(&values)
	}
	s.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// Error sends an ErrorResponse.
func (s *Session) Error(e protocol.Error) { s.report('E', e) }

// Notice sends a NoticeResponse.
func (s *Session) Notice(e protocol.Error) { s.report('N', e) }

func (s *Session) report(typ byte, e protocol.Error) {
	s.t.Helper()
	s.message(Message{typ, e.Append(nil)})
}

// CopyBoth begins streaming.
func (s *Session) CopyBoth() {
	s.Send(&pgproto3.CopyBothResponse{})
	s.Backend.SetPhase(protocol.PhaseCopy)
}

// CopyOut begins to send an archive.
func (s *Session) CopyOut() { s.Send(&pgproto3.CopyOutResponse{}) }

// CopyData sends a payload.
func (s *Session) CopyData(payload []byte) { s.Send(&pgproto3.CopyData{Data: payload}) }

// CopyDone ends the server's side of a COPY.
func (s *Session) CopyDone() { s.Send(&pgproto3.CopyDone{}) }

// XLogData sends WAL.
func (s *Session) XLogData(start xlog.LSN, wal []byte) {
	m := protocol.XLogData{Start: start, End: start.Add(len(wal)), SendTime: time.Now(), Data: wal}
	s.CopyData(m.Append(nil))
}

// Keepalive sends a keepalive.
func (s *Session) Keepalive(end xlog.LSN, reply bool) {
	m := protocol.Keepalive{End: end, SendTime: time.Now(), ReplyRequested: reply}
	s.CopyData(m.Append(nil))
}

// Status waits for the next standby status update. It skips hot standby feedback; ok is false when the client ends its
// side of the stream instead.
func (s *Session) Status() (status protocol.StandbyStatus, ok bool) {
	s.t.Helper()
	for {
		switch msg := s.Receive().(type) {
		case *pgproto3.CopyDone:
			return status, false
		case *pgproto3.CopyData:
			if len(msg.Data) > 0 && msg.Data[0] == protocol.TagHotStandbyFeedback {
				continue
			}
			if err := status.Decode(msg.Data); err != nil {
				s.fail("%v", err)
			}
			return status, true
		default:
			s.fail("%T instead of a status", msg)
		}
	}
}
