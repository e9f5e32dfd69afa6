// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walsender/pgsql"
)

// replicationMode is what the startup parameter replication asked for.
type replicationMode uint8

const (
	ordinary    replicationMode = iota // SQL
	physical                           // replication=true: replication commands
	forDatabase                        // replication=database: both
)

// session is one client's connection. The goroutine that runs it owns it, but for what mu guards.
type session struct {
	server  *Server
	tcp     net.Conn // as it was accepted
	conn    net.Conn // what is read and written: tcp, or TLS over it
	backend *protocol.Backend
	pid     uint32
	key     []byte // what a CancelRequest must contain
	started time.Time
	tls     *tls.ConnectionState // nil without TLS
	// serverCert is the certificate that was shown to the client.
	serverCert []byte
	tooMany    bool // beyond MaxConnections: to be told so

	// From the startup packet.
	version     protocol.ProtocolVersion
	user        string
	database    string // "" when replication is physical
	replication replicationMode
	settings    map[string]string // settings that the client gave, by their canonical names
	initial     map[string]string // the same at the start of the session; nil as long as they have not changed

	out        []byte // messages that are not sent yet
	broken     error  // of the first write that failed
	skipToSync bool   // an error ended a sequence of the extended query protocol

	ctx    context.Context // of the session; its cause is what the client is told
	cancel context.CancelCauseFunc

	sender   sender             // what others may know of a session for replication
	news     syncNews           // told to synchronous replication
	prepared preparedSet        // of the extended query protocol
	env      *pgsql.Environment // of its queries; nil before the first

	mu        sync.Mutex
	cancelCmd context.CancelCauseFunc // of the command that runs
	streaming bool                    // it ends by itself when the server stops
	stopping  bool                    // stop was called
}

func newSession(s *Server, conn net.Conn) *session {
	c := &session{server: s, tcp: conn, conn: conn, started: time.Now(), settings: map[string]string{}}
	c.ctx, c.cancel = context.WithCancelCause(s.fast)
	c.backend = protocol.NewBackend(conn)
	return c
}

// run serves the client from the first packet to the end of the connection.
func (c *session) run() {
	defer c.close()
	defer c.cancel(nil)
	defer c.server.cfg.Slots.dropTemporary(c)
	defer c.recoverPanic()
	stop := context.AfterFunc(c.ctx, c.wake)
	defer stop()
	c.tcp.SetDeadline(c.started.Add(c.server.cfg.StartupTimeout))
	if err := c.start(); err != nil {
		c.refuse(err)
		return
	}
	c.tcp.SetDeadline(time.Time{})
	if c.ctx.Err() != nil { // wake may have come before
		c.wake()
	}
	c.event(EventConnected, "", nil)
	if c.replication != ordinary {
		c.list()
	}
	err := c.serve()
	c.sayLast(err)
	c.event(EventDisconnected, "", withoutEOF(err))
}

// close ends the connection; TLS says so to the client, where that does not take long.
func (c *session) close() {
	if c.conn != c.tcp && c.broken == nil {
		c.tcp.SetWriteDeadline(time.Now().Add(lastWords))
		c.conn.Close()
	}
	c.tcp.Close()
}

// recoverPanic ends only this session when there is a bug in what served it.
func (c *session) recoverPanic() {
	if r := recover(); r != nil {
		c.event(EventPanic, string(debug.Stack()), errorf(codeInternalError, "panic: %v", r))
	}
}

// wake lets a read that waits return, and a write that waits for long. Only ever one of them is under way.
func (c *session) wake() {
	c.tcp.SetReadDeadline(time.Unix(1, 0))
	c.tcp.SetWriteDeadline(time.Now().Add(lastWords))
}

// stop ends the session because the server stops, unless it streams: then it goes on until everything is sent.
func (c *session) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if !c.streaming {
		c.cancel(errAdminShutdown)
	}
}

// beginStream says that the command that runs watches Server.stopping from now on.
func (c *session) beginStream() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return errorf(codeNotInPrerequisiteState,
			"cannot execute new commands while WAL sender is in stopping mode")
	}
	c.streaming = true
	return nil
}

// endStream is the end of what beginStream began.
func (c *session) endStream() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streaming = false
	if c.stopping {
		c.cancel(errAdminShutdown)
	}
}

// serve takes messages until the client says goodbye, which is io.EOF, or the session fails.
func (c *session) serve() error {
	if err := c.ready(); err != nil {
		return err
	}
	for {
		typ, body, err := c.receive()
		if err != nil {
			return err
		}
		if err := c.message(typ, body); err != nil {
			return err
		}
	}
}

// receive waits for the client's next message; body is valid until the next call.
func (c *session) receive() (typ byte, body []byte, err error) {
	typ, body, err = c.backend.Framer().Next()
	return typ, body, c.readError(err)
}

// readError is what an error of the Framer means for the session.
func (c *session) readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, protocol.ErrProtocol):
		return fatalf(codeProtocolViolation, "%s", err)
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	}
	return &connError{err}
}

// put adds a message to those that are sent next.
func (c *session) put(msg pgproto3.BackendMessage) error {
	out, err := msg.Encode(c.out)
	if err != nil {
		return err
	}
	c.out = out
	return nil
}

// flush sends what was put.
func (c *session) flush() error {
	out := c.out
	c.out = c.out[:0]
	if cap(c.out) > keepOut {
		c.out = nil
	}
	_, err := c.write(out)
	return err
}

const (
	flushOut = 64 << 10 // a longer reply is sent in pieces
	keepOut  = 128 << 10
)

// write sends bytes, for no longer than SenderTimeout. After an error nothing more is sent.
func (c *session) write(p []byte) (int, error) {
	if c.broken != nil || len(p) == 0 {
		return 0, c.broken
	}
	if timeout := c.server.cfg.SenderTimeout; timeout > 0 && c.ctx.Err() == nil {
		c.tcp.SetWriteDeadline(time.Now().Add(timeout))
	}
	n, err := c.conn.Write(p)
	if err != nil {
		c.broken = &connError{err}
	}
	return n, c.broken
}

// ready says that the next command may come.
func (c *session) ready() error {
	if err := c.put(&pgproto3.ReadyForQuery{TxStatus: 'I'}); err != nil {
		return err
	}
	return c.flush()
}

// refuse ends a connection that has not become a session.
func (c *session) refuse(err error) {
	c.sayLast(err)
	if err != errProbe {
		c.event(EventRefused, "", err)
	}
}

// sayLast tells the client why the session ends, where that can be told.
func (c *session) sayLast(err error) {
	e, ok := asProtocolError(err)
	if !ok || err == io.EOF || err == errProbe {
		return
	}
	if !e.Fatal() {
		e = fatalf(e.Code, "%s", e.Message)
	}
	c.tcp.SetWriteDeadline(time.Now().Add(lastWords))
	c.putError(e)
	c.flush()
}

func withoutEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
