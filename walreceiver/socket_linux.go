// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a connection whose reads wait in the kernel rather than in the runtime's poller. There each message wakes one
// thread that hands the goroutine to another, and each deadline wakes one more, which takes a good part of the time of an
// fsync: a commit that waits for us would wait for them. The price is a thread for a blocked call.
//
// A call waits briefly in the system call that moves bytes, so that a message costs a single one where messages are
// frequent. Behind that it waits in poll(2), from which it can be roused.
//
// Like every net.Conn it may be used by several goroutines.
type socket struct {
	fd            int
	local, remote net.Addr
	closed        atomic.Bool
	in, out       half
	pipe          *[2]int // of splice: its ends to read and to write; belongs to the reading call
}

// half is one direction of a socket.
type half struct {
	call     sync.Mutex    // held by the one call at work
	deadline atomic.Int64  // since socketEpoch; 0 is none
	yielded  time.Duration // since socketEpoch, when a call last let the runtime schedule

	mu   sync.Mutex
	wake int // an eventfd: a call that waits looks again when it is readable; -1 when it is closed
}

var socketEpoch = time.Now()

// briefly is how long a call waits where it cannot be roused.
const briefly = 10 * time.Millisecond

// yieldEvery is how often a goroutine that waits in the kernel again and again lets the runtime schedule. One that never
// does is taken, after 10 ms, for one that runs for ever: the runtime's monitor then takes its processor away in each system
// call and looks every 20 µs (retake in runtime/proc.go).
const yieldEvery = 8 * time.Millisecond

// unpolled takes a connection out of the runtime's poller. What is no socket of the kernel stays as it is.
func unpolled(conn net.Conn) (net.Conn, error) {
	sys, ok := conn.(syscall.Conn)
	if !ok {
		return conn, nil
	}
	s, err := newSocket(sys, conn.LocalAddr(), conn.RemoteAddr())
	if closeErr := conn.Close(); err == nil && closeErr != nil {
		s.Close()
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func newSocket(sys syscall.Conn, local, remote net.Addr) (*socket, error) {
	raw, err := sys.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{fd: -1, local: local, remote: remote, in: half{wake: -1}, out: half{wake: -1}}
	var dupErr error
	if err := raw.Control(func(fd uintptr) {
		s.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("fcntl", dupErr)
	}
	if err := s.waitBriefly(); err != nil {
		s.Close()
		return nil, err
	}
	for _, h := range []*half{&s.in, &s.out} {
		if h.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			s.Close()
			return nil, os.NewSyscallError("eventfd", err)
		}
	}
	return s, nil
}

// waitBriefly lets reads and writes block for a while (SO_RCVTIMEO in socket(7)).
func (s *socket) waitBriefly() error {
	tv := unix.NsecToTimeval(int64(briefly))
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, option, &tv); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return os.NewSyscallError("setnonblock", unix.SetNonblock(s.fd, false))
}

// Read waits until there is something to read, the deadline has passed or the socket was closed.
func (s *socket) Read(p []byte) (int, error) {
	s.in.call.Lock()
	defer s.in.call.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := s.ready(&s.in); err != nil {
			return 0, s.fail("read", err)
		}
		s.in.yield()
		n, err := unix.Read(s.fd, p)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err == unix.EAGAIN:
			err = s.wait(&s.in, unix.POLLIN)
		case err == unix.EINTR:
			err = nil
		default:
			err = os.NewSyscallError("read", err)
		}
		if err != nil {
			return 0, s.fail("read", err)
		}
	}
}

// Write writes all of p unless the deadline passes or the socket is closed.
func (s *socket) Write(p []byte) (written int, err error) {
	s.out.call.Lock()
	defer s.out.call.Unlock()
	for {
		if err := s.ready(&s.out); err != nil {
			return written, s.fail("write", err)
		}
		if written == len(p) {
			return written, nil
		}
		n, err := unix.Write(s.fd, p[written:])
		switch err {
		case nil:
			written += n
		case unix.EAGAIN:
			err = s.wait(&s.out, unix.POLLOUT)
		case unix.EINTR:
			err = nil
		default:
			err = os.NewSyscallError("write", err)
		}
		if err != nil {
			return written, s.fail("write", err)
		}
	}
}

// ready tells whether a call may go on.
func (s *socket) ready(h *half) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	if d := h.deadline.Load(); d != 0 && time.Since(socketEpoch) >= time.Duration(d) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// yield lets the runtime schedule now and then. It comes before a call may wait, and not before an answer is sent.
func (h *half) yield() {
	if now := time.Since(socketEpoch); now-h.yielded >= yieldEvery {
		h.yielded = now
		runtime.Gosched()
	}
}

// wait returns when the socket is ready for events, the deadline has passed, or it was changed.
func (s *socket) wait(h *half, events int16) error {
	h.yield()
	fds := [2]unix.PollFd{{Fd: int32(s.fd), Events: events}, {Fd: int32(h.wake), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds[:], h.left()); err != nil && err != unix.EINTR {
		return os.NewSyscallError("poll", err)
	}
	if fds[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(h.wake, count[:]) // so that it is unreadable again
	}
	return nil
}

// left is the time to the deadline in milliseconds, rounded up; -1 when there is none.
func (h *half) left() int {
	d := h.deadline.Load()
	if d == 0 {
		return -1
	}
	left := time.Duration(d) - time.Since(socketEpoch) + time.Millisecond - 1
	return int(min(max(left/time.Millisecond, 0), math.MaxInt32))
}

// setDeadline takes effect at once where it is earlier than the one before.
func (h *half) setDeadline(t time.Time) {
	var d int64
	if !t.IsZero() {
		if d = int64(t.Sub(socketEpoch)); d == 0 {
			d = 1
		}
	}
	before := h.deadline.Swap(d)
	if d != 0 && (before == 0 || d < before) {
		h.rouse()
	}
}

// rouse makes a call that waits look again.
func (h *half) rouse() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wake >= 0 {
		_, _ = unix.Write(h.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it fails only when it is readable anyway
	}
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wake >= 0 {
		_ = unix.Close(h.wake)
		h.wake = -1
	}
}

// Close makes the calls at work fail, and waits until they have.
func (s *socket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	s.in.rouse()
	s.out.rouse()
	s.in.call.Lock()
	defer s.in.call.Unlock()
	s.out.call.Lock()
	defer s.out.call.Unlock()
	s.in.close()
	s.out.close()
	s.dropPipe()
	return os.NewSyscallError("close", unix.Close(s.fd))
}

// fail is err with what was done to whom, as net says it.
func (s *socket) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: s.remote.Network(), Source: s.local, Addr: s.remote, Err: err}
}

func (s *socket) LocalAddr() net.Addr  { return s.local }
func (s *socket) RemoteAddr() net.Addr { return s.remote }

func (s *socket) SetReadDeadline(t time.Time) error {
	s.in.setDeadline(t)
	return nil
}

func (s *socket) SetWriteDeadline(t time.Time) error {
	s.out.setDeadline(t)
	return nil
}

func (s *socket) SetDeadline(t time.Time) error {
	s.in.setDeadline(t)
	s.out.setDeadline(t)
	return nil
}
