// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// replies is what the goroutine that reads the client's messages has to say to the one that sends.
type replies struct {
	wake chan struct{} // has an element when there is something to take

	mu    sync.Mutex
	pong  bool      // the client wants a keepalive
	done  bool      // the client has said CopyDone
	heard time.Time // when the client said anything last
	fresh bool      // since the last take
	err   error     // why reading ended

	abandoned bool // the stream has ended: nobody takes any more
}

func newReplies() *replies { return &replies{wake: make(chan struct{}, 1), heard: time.Now()} }

// add tells of a message.
func (r *replies) add(pong, done bool, err error) {
	r.mu.Lock()
	r.pong, r.done = r.pong || pong, r.done || done
	if r.fresh = r.fresh || err == nil; err == nil {
		r.heard = time.Now()
	} else {
		r.err = err
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take returns what came since the last time.
func (r *replies) take() (pong, done, fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pong, fresh = r.pong, r.fresh
	r.pong, r.fresh = false, false
	return pong, r.done, fresh, r.err
}

func (r *replies) isDone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

func (r *replies) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.abandoned = true
}

func (r *replies) isAbandoned() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.abandoned
}

func (r *replies) last() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard
}

// errReplicationTimeout is the end of a client that does not reply. It is not told to the client.
var errReplicationTimeout = &connError{errors.New("terminating walsender process due to replication timeout")}

// readReplies reads the client's messages until it says CopyDone, or something fails (ProcessRepliesIfAny).
func (s *stream) readReplies(ended chan<- struct{}) {
	defer close(ended)
	sound := false
	defer func() {
		if !sound {
			s.replies.add(false, false, &connError{errors.New("panic")})
		}
	}()
	defer s.c.recoverPanic()
	for more := true; more; {
		more = s.readReply()
	}
	sound = true
}

// readReply reads a message, and tells whether there may be another.
func (s *stream) readReply() (more bool) {
	typ, body, err := s.nextReply()
	pong, done := false, false
	if err == nil {
		pong, done, err = s.replyMessage(typ, body)
	}
	s.replies.add(pong, done, err)
	if err != nil && !s.replies.isAbandoned() {
		s.c.tcp.SetWriteDeadline(time.Now().Add(lastWords)) // the sender may wait for a client that does not read
	}
	return err == nil && !done
}

func (s *stream) replyMessage(typ byte, body []byte) (pong, done bool, err error) {
	switch typ {
	case 'd':
		pong, err = s.standbyMessage(body)
		return pong, false, err
	case 'c':
		return false, true, nil
	case 'X':
		return false, false, io.EOF
	}
	return false, false, fatalf(codeProtocolViolation, "invalid standby message type \"%c\"", typ)
}

// nextReply waits for a message, for as long as a client may be silent.
func (s *stream) nextReply() (typ byte, body []byte, err error) {
	timeout := s.c.server.cfg.SenderTimeout
	if s.c.backend.Framer().Buffered() {
		typ, body, err = s.c.backend.Framer().Next()
		return typ, body, s.c.readError(err)
	}
	if timeout <= 0 {
		return s.nextUntil(time.Time{})
	}
	typ, body, err = s.nextUntil(s.replies.last().Add(timeout))
	if isTimeout(err) { // this process may have slept meanwhile: what has come by now counts
		if typ, body, err = s.nextUntil(time.Now().Add(lastLook)); isTimeout(err) {
			return 0, nil, errReplicationTimeout
		}
	}
	return typ, body, err
}

// nextUntil waits for a message until a time. The error is that of the deadline only when nobody wants to end the waiting.
func (s *stream) nextUntil(t time.Time) (typ byte, body []byte, err error) {
	s.c.tcp.SetReadDeadline(t)
	// Whoever ends the waiting gives the sign that is looked at here, and then sets a deadline that has passed: one of the
	// two is noticed.
	if !s.isWanted() {
		return 0, nil, errUnwanted
	}
	typ, body, err = s.c.backend.Framer().Next()
	if isTimeout(err) {
		if !s.isWanted() {
			return 0, nil, errUnwanted
		}
		return 0, nil, err
	}
	return typ, body, s.c.readError(err)
}

// errUnwanted ends the reading goroutine when the stream has ended otherwise.
var errUnwanted = &connError{errors.New("the stream has ended")}

func (s *stream) isWanted() bool { return s.c.ctx.Err() == nil && !s.replies.isAbandoned() }

// lastLook is how long a message may take to arrive that is there already.
const lastLook = 20 * time.Millisecond

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// endReplies ends the reading goroutine, which may wait for a message that never comes.
func (s *stream) endReplies(ended <-chan struct{}) {
	s.replies.abandon()
	s.c.tcp.SetReadDeadline(time.Unix(1, 0))
	<-ended
	if s.c.ctx.Err() == nil {
		s.c.tcp.SetReadDeadline(time.Time{})
	}
}
