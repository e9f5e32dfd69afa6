// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walsender/pgsql"
)

// Server serves replication to any number of clients.
type Server struct {
	cfg     Config
	dialect protocol.Server // the server that this one presents itself as

	fast     context.Context // ended by StopFast, and when a graceful stop takes too long
	stopFast context.CancelCauseFunc
	access   atomic.Pointer[access]
	stopping chan struct{} // closed when a graceful stop begins
	ended    chan struct{} // signalled, with room for one, when a session has ended

	segments  *segmentCache
	engine    *pgsql.Engine // of SQL
	started   time.Time
	retention retention
	holds     logHolds // of backups that send the log

	mu       sync.Mutex
	sessions map[uint32]*session // by process id
	lastPID  uint32
	stopped  bool // stopping is closed
}

// New checks the configuration. The Server does nothing before Run.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	id := cfg.Source.Identity()
	s := &Server{
		cfg:      cfg,
		dialect:  protocol.Server{Version: id.ServerVersion, Flavour: id.Flavour},
		stopping: make(chan struct{}),
		ended:    make(chan struct{}, 1),
		started:  time.Now(),
		sessions: map[uint32]*session{},
		segments: newSegmentCache(cfg.Source),
		engine:   pgsql.NewEngine(cfg.MaxQueries),

		retention: retention{cfg: cfg.Retention, size: id.SegmentSize},
	}
	s.SetAccess(cfg.HBA, cfg.Users)
	s.fast, s.stopFast = context.WithCancelCause(context.Background())
	return s, nil
}

// Run serves until ctx ends. Then it stops as PostgreSQL does: no new connections, an end to every session that does not
// stream, and for each that does everything there is, until its client has flushed it; what lasts longer than
// StopTimeout is cut off. The error is that of a listener that failed for good, nil after a stop.
func (s *Server) Run(ctx context.Context) error {
	defer s.StopFast()
	failed := make(chan error, len(s.cfg.Listeners))
	var accepting sync.WaitGroup
	for _, l := range s.cfg.Listeners {
		withoutPacing(l)
		accepting.Go(func() { failed <- s.accept(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case <-s.fast.Done():
	case err = <-failed:
	}
	s.beginStop()
	accepting.Wait()
	s.awaitEnd()
	return errors.Join(err, s.engine.Close())
}

// StopFast ends every session at once, and with it Run.
func (s *Server) StopFast() { s.stopFast(errAdminShutdown) }

// Addr is the address of the first listener.
func (s *Server) Addr() net.Addr { return s.cfg.Listeners[0].Addr() }

// accept takes connections until the listener is closed, which is no error while the server stops.
func (s *Server) accept(l net.Listener) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	pause := shortest
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = shortest
			s.take(conn)
		case s.isStopping():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // such as too many open files: it may pass
			s.event(Event{Kind: EventAccept, Err: err})
			s.sleep(pause)
			pause = min(2*pause, longest)
		}
	}
}

// sleep waits, but not longer than until the server stops.
func (s *Server) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stopping:
	}
}

// take starts a session. Up to some number of clients beyond MaxConnections are told that there are too many; others are
// just turned away, as by canAcceptConnections of postmaster.c.
func (s *Server) take(conn net.Conn) {
	c := newSession(s, conn)
	s.mu.Lock()
	n := len(s.sessions)
	refused := s.stopped || n >= s.cfg.MaxConnections+tellTooMany
	if !refused {
		c.tooMany = n >= s.cfg.MaxConnections
		c.pid = s.newPID()
		s.sessions[c.pid] = c
	}
	s.mu.Unlock()
	if refused {
		c.cancel(nil)
		conn.Close()
		return
	}
	go func() {
		defer s.forget(c)
		c.run()
	}()
}

// tellTooMany is how many clients at a time may wait to be told that there are too many.
const tellTooMany = 32

// newPID finds a process id for a session, from 1 on.
func (s *Server) newPID() uint32 {
	for {
		s.lastPID = s.lastPID%maxPID + 1
		if s.sessions[s.lastPID] == nil {
			return s.lastPID
		}
	}
}

const maxPID = 1<<31 - 1 // it is an int4 in statistics

// forget is called at a session's end.
func (s *Server) forget(c *session) {
	s.mu.Lock()
	delete(s.sessions, c.pid)
	s.mu.Unlock()
	s.left(c)
	select {
	case s.ended <- struct{}{}:
	default:
	}
}

// each calls f for every session.
func (s *Server) each(f func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessions {
		f(c)
	}
}

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// beginStop closes the listeners and ends the sessions that do not stream.
func (s *Server) beginStop() {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
	s.mu.Unlock()
	for _, l := range s.cfg.Listeners {
		l.Close()
	}
	s.each((*session).stop)
}

// lastWords is how long a session that is cut off has to say so to its client.
const lastWords = time.Second

// awaitEnd waits until the last session has ended, for no longer than StopTimeout.
func (s *Server) awaitEnd() {
	graceful := time.AfterFunc(s.cfg.StopTimeout, s.StopFast)
	defer graceful.Stop()
	s.awaitSessions(s.fast.Done())
	s.StopFast()
	cut := time.AfterFunc(2*lastWords, func() { s.each(func(c *session) { c.tcp.Close() }) })
	defer cut.Stop()
	s.awaitSessions(nil)
}

// awaitSessions returns when there are no more sessions, or when done is closed.
func (s *Server) awaitSessions(done <-chan struct{}) {
	for {
		s.mu.Lock()
		n := len(s.sessions)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-s.ended:
		case <-done:
			return
		}
	}
}
