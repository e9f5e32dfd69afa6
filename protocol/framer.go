// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrProtocol says that the peer broke the protocol. The connection cannot be used any more.
var ErrProtocol = errors.New("protocol violation")

// ErrTooLarge says that a message is longer than allowed. It also is an ErrProtocol.
var ErrTooLarge = fmt.Errorf("%w: message too large", ErrProtocol)

const (
	frameHeaderLen = 5 // type and length

	minBuffer       = 256 << 10 // a Framer's buffer to begin with
	minServerBuffer = 4 << 10   // a Backend's: what clients send is small, and they are many

	smallTail = 4 << 10 // unread bytes that are moved to the front rather than read behind
)

// Framer cuts one direction of a connection into messages. It reads as much as comes into one buffer and hands out
// parts of it: no copy and no allocation for a message, as long as it fits. The buffer begins with 256 KiB and doubles
// when a message is longer than it, but not beyond the largest message allowed. A Framer is used by one goroutine.
type Framer struct {
	r     io.Reader
	max   int
	buf   []byte
	first int   // size of the first buffer
	next  int   // end of the message handed out last, beginning of the next one
	end   int   // end of what was read
	body  int   // beginning of the body handed out last
	left  int   // bytes of it that Head has left in the connection
	sip   int   // what is read at once for the next head, so that its rest stays in the connection too; 0: all there is
	err   error // a violation; final
}

// NewFramer reads messages from r. A message with a body of more than maxMessage bytes is refused.
func NewFramer(r io.Reader, maxMessage int) *Framer {
	return &Framer{r: r, max: maxMessage, first: minBuffer}
}

// SetMaxMessage changes the limit for the messages that follow.
func (f *Framer) SetMaxMessage(n int) { f.max = n }

// Next returns the next message; its body is valid until the next call. The error is io.EOF when the connection ends
// between messages and io.ErrUnexpectedEOF when it ends inside one. After any other error of the reader, such as a
// timeout, nothing is lost and Next may be called again. An error that wraps ErrProtocol is final.
func (f *Framer) Next() (typ byte, body []byte, err error) {
	typ, body, _, err = f.Head(0, 0, math.MaxInt)
	return typ, body, err
}

// Head is Next for one who can do with the rest of a long message without having it in the buffer: of a body of at least
// long bytes, when the message is of the type given, it returns the first bytes, at least n, and leaves left of them in the
// connection. These the caller takes from there, telling Took, or gets from Rest; what nobody has taken the next call skips.
func (f *Framer) Head(of byte, n, long int) (typ byte, body []byte, left int, err error) {
	if f.err != nil {
		return 0, nil, 0, f.err
	}
	if err := f.skip(); err != nil {
		return 0, nil, 0, err
	}
	if err := f.fill(frameHeaderLen); err != nil {
		return 0, nil, 0, err
	}
	length, err := f.bodyLen()
	if err != nil {
		f.err = err
		return 0, nil, 0, err
	}
	typ = f.buf[f.next]
	if typ != of || length < long {
		n = length
	}
	if err := f.fill(frameHeaderLen + min(n, length)); err != nil {
		return 0, nil, 0, err
	}
	f.body = f.next + frameHeaderLen
	f.next = min(f.body+length, f.end)
	f.left = f.body + length - f.next
	if f.sip = 0; f.left > 0 {
		f.sip = frameHeaderLen + n
	}
	return typ, f.buf[f.body:f.next:f.next], f.left, nil
}

// Took says that n bytes of what Head has left were read from the connection.
func (f *Framer) Took(n int) { f.left -= n }

// Rest reads what Head has left, of which nothing was taken, and returns the whole body. After a timeout it may be called
// again.
func (f *Framer) Rest() ([]byte, error) {
	length := f.next - f.body + f.left
	f.next, f.sip = f.body, 0
	err := f.fill(length)
	f.body = f.next
	f.next = min(f.body+length, f.end)
	f.left = f.body + length - f.next
	if err != nil {
		return nil, err
	}
	return f.buf[f.body:f.next:f.next], nil
}

// skip drops what Head has left.
func (f *Framer) skip() error {
	for f.left > 0 {
		f.next, f.end = 0, 0
		switch err := f.fill(1); {
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		f.next = min(f.left, f.end)
		f.left -= f.next
	}
	return nil
}

// Startup returns the first packet of a client, which has no type: a code and, behind it, parameters. It is for a server,
// before Next. Like PostgreSQL it takes from 8 to 10000 bytes (ProcessStartupPacket in postmaster.c).
func (f *Framer) Startup() ([]byte, error) {
	const minStartup, maxStartup = 8, 10000
	if f.err != nil {
		return nil, f.err
	}
	if err := f.fill(4); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(f.buf[f.next:])
	if n < minStartup || n > maxStartup {
		f.err = fmt.Errorf("%w: startup packet of %d bytes", ErrProtocol, n)
		return nil, f.err
	}
	if err := f.fill(int(n)); err != nil {
		return nil, err
	}
	start := f.next + 4
	f.next += int(n)
	return f.buf[start:f.next:f.next], nil
}

// Pending is what was read and not handed out, valid until the next call. It is for a server that changes to TLS.
func (f *Framer) Pending() []byte { return f.buf[f.next:f.end] }

// Buffered tells whether Next returns without reading.
func (f *Framer) Buffered() bool {
	if f.err != nil {
		return true
	}
	if f.left > 0 || f.end-f.next < frameHeaderLen {
		return false
	}
	n, err := f.bodyLen()
	return err != nil || f.end-f.next >= frameHeaderLen+n
}

// bodyLen is the length of the body whose header is in the buffer.
func (f *Framer) bodyLen() (int, error) {
	typ := f.buf[f.next]
	length := binary.BigEndian.Uint32(f.buf[f.next+1:])
	if length < 4 {
		return 0, fmt.Errorf("%w: message %q with length %d", ErrProtocol, typ, length)
	}
	if uint64(length-4) > uint64(f.max) {
		return 0, fmt.Errorf("%w: %q with %d bytes, at most %d are allowed", ErrTooLarge, typ, length-4, f.max)
	}
	return int(length - 4), nil
}

// fill reads until n bytes are there.
func (f *Framer) fill(n int) error {
	if f.end-f.next >= n {
		return nil
	}
	f.makeRoom(n)
	for empty := 0; f.end-f.next < n; {
		room := f.buf[f.end:]
		if f.sip > 0 {
			room = room[:min(max(n, f.sip)-(f.end-f.next), len(room))]
		}
		m, err := f.r.Read(room)
		if m < 0 || m > len(room) {
			return fmt.Errorf("%w: reader returned an invalid count", ErrProtocol)
		}
		f.end += m
		switch {
		case m > 0:
			empty = 0 // an error that came along comes again when more is read
		case err == io.EOF && f.end > f.next:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		default:
			if empty++; empty == 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// makeRoom sees to it that n bytes from next on fit in the buffer. It moves them to the front where they must, or
// where they are so few that it costs nothing and lets the next read be a large one.
func (f *Framer) makeRoom(n int) {
	unread := f.end - f.next
	if n > len(f.buf) {
		grown := make([]byte, max(n, f.first, min(2*len(f.buf), f.max+frameHeaderLen)))
		copy(grown, f.buf[f.next:f.end])
		f.buf = grown
	} else if f.next > 0 && (unread < smallTail || f.next+n > len(f.buf)) {
		copy(f.buf, f.buf[f.next:f.end])
	} else {
		return
	}
	f.next, f.end = 0, unread
}
