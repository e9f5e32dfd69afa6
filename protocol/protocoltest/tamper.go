// SPDX-License-Identifier: Apache-2.0

package protocoltest

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Mode says what happens to bytes on their way. The zero Mode lets them pass.
type Mode struct {
	OneByte  bool          // deliver one byte at a time
	Delay    time.Duration // wait before each delivery
	Stall    bool          // deliver nothing until the mode changes; the connection stays open
	CutAfter int64         // when above 0: close the connection after so many bytes more
	FlipAt   int64         // when above 0: flip the lowest bit of that byte, counted from 1 when the mode was set
}

// errCut is the error of a connection that a Mode has cut.
var errCut = errors.New("protocoltest: connection cut")

// Conn is a connection that tampers with what is read from it.
type Conn struct {
	net.Conn

	mu       sync.Mutex
	mode     Mode
	count    int64 // bytes delivered since the mode was set
	changed  chan struct{}
	deadline time.Time
	closed   bool
}

// Tamper makes a Conn.
func Tamper(conn net.Conn, m Mode) *Conn {
	return &Conn{Conn: conn, mode: m, changed: make(chan struct{})}
}

// SetMode changes the mode; the counts begin anew.
func (c *Conn) SetMode(m Mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode, c.count = m, 0
	c.wake()
}

// wake lets a Read that waits look again.
func (c *Conn) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	limit, err := c.await(len(p))
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p[:limit])
	if n > 0 {
		if waitErr := c.deliver(p[:n]); waitErr != nil {
			return 0, waitErr
		}
	}
	return n, err
}

// await waits as the mode asks and returns how much may be read.
func (c *Conn) await(n int) (int, error) {
	for {
		c.mu.Lock()
		m, count, changed, deadline := c.mode, c.count, c.changed, c.deadline
		closed := c.closed
		c.mu.Unlock()
		switch {
		case closed:
			return 0, net.ErrClosed
		case m.CutAfter > 0 && count >= m.CutAfter:
			c.Close()
			return 0, errCut
		case m.Stall:
			if err := wait(changed, deadline, 0); err != nil {
				return 0, err
			}
			continue
		}
		if m.OneByte {
			n = 1
		}
		if m.CutAfter > 0 {
			n = int(min(int64(n), m.CutAfter-count))
		}
		if m.Delay > 0 {
			return n, wait(changed, deadline, m.Delay)
		}
		return n, nil
	}
}

// deliver counts bytes that were read and damages the one to damage. A stall that began meanwhile holds them back.
func (c *Conn) deliver(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.mode.Stall && !c.closed {
		changed := c.changed
		c.mu.Unlock()
		<-changed
		c.mu.Lock()
	}
	if c.closed {
		return net.ErrClosed
	}
	if i := c.mode.FlipAt - 1 - c.count; c.mode.FlipAt > 0 && 0 <= i && i < int64(len(p)) {
		p[i] ^= 1
	}
	c.count += int64(len(p))
	return nil
}

// wait waits for a change, a deadline, or for d if it is not 0.
func wait(changed <-chan struct{}, deadline time.Time, d time.Duration) error {
	var timer <-chan time.Time
	if d > 0 {
		timer = time.After(d)
	}
	var expired <-chan time.Time
	if !deadline.IsZero() {
		expired = time.After(time.Until(deadline))
	}
	select {
	case <-changed:
	case <-timer:
	case <-expired:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.wake()
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.wake()
	}
	c.mu.Unlock()
	return c.Conn.Close()
}
