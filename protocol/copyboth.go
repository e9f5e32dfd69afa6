// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
)

// StartCopyBoth starts streaming and returns when the server has agreed. The server checks some of its conditions only
// after that, so that NextCopy may be the first to report an *Error. When the start asked for is the end of its
// timeline, the error is a *TimelineEnd and the Client is ready for the next command.
func (c *Client) StartCopyBoth(cmd StartReplication) error {
	if err := c.begin(cmd); err != nil {
		return err
	}
	typ, body, err := c.next()
	switch {
	case err != nil:
		return c.finish(err)
	case typ == typeCopyBoth:
		if err := decodeCopyResponse(body); err != nil {
			return err
		}
		c.beginCopy()
		return nil
	}
	next, err := c.endOfTimeline(typ, body)
	if err := c.finish(err); err != nil {
		return err
	}
	return &TimelineEnd{Next: next}
}

func (c *Client) beginCopy() {
	c.framer.SetMaxMessage(PhaseCopy.MaxMessage())
	c.state = stateCopy
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sentDone = false
}

// NextCopy returns the payload of the next CopyData, valid until the next call. io.EOF says that the server has ended
// the stream: the timeline is over, or SendCopyDone came first; EndCopyBoth comes next. An *Error ends the stream too,
// and the Client is ready for the next command unless it is fatal. ErrServerShutdown says that the server goes away.
// After a timeout NextCopy may be called again. When the connection just breaks, the error is io.ErrUnexpectedEOF.
func (c *Client) NextCopy() ([]byte, error) {
	payload, _, err := c.NextCopyHead(0, math.MaxInt)
	return payload, err
}

// NextCopyHead is NextCopy, but of a payload of at least long bytes it returns the first ones, at least n, and leaves the
// others, left of them, in the connection. These the caller takes from there, telling CopyTook, or gets from CopyRest; what
// nobody has taken is skipped.
func (c *Client) NextCopyHead(n, long int) (payload []byte, left int, err error) {
	if c.state != stateCopy {
		return nil, 0, c.notStreaming()
	}
	typ, body, left, err := c.nextHead(n, long)
	if typ == typeError {
		return nil, 0, c.finish(err)
	}
	if err != nil {
		return nil, 0, err
	}
	switch typ {
	case typeCopyData:
		return body, left, nil
	case typeCopyDone:
		c.state = stateCopyEnd
		return nil, 0, io.EOF
	case typeCommandComplete:
		c.state = stateBroken
		return nil, 0, ErrServerShutdown
	}
	c.state = stateBroken
	return nil, 0, unexpected(typ)
}

// CopyTook says that n bytes of what NextCopyHead has left were read from the connection.
func (c *Client) CopyTook(n int) { c.framer.Took(n) }

// CopyRest reads what NextCopyHead has left, of which nothing was taken, and returns the whole payload, valid until the
// next call. After a timeout it may be called again.
func (c *Client) CopyRest() ([]byte, error) { return c.framer.Rest() }

func (c *Client) notStreaming() error {
	if c.state == stateCopyEnd {
		return io.EOF
	}
	return errState
}

// CopyBuffered tells whether NextCopy returns without reading from the connection.
func (c *Client) CopyBuffered() bool { return c.framer.Buffered() }

// SendCopyData sends a CopyData. It may be called by another goroutine than the one that reads.
func (c *Client) SendCopyData(payload []byte) error { return c.writer.CopyData(payload) }

// SendCopyDone ends the client's side of the stream; a second call does nothing. It may be called by another goroutine
// than the one that reads.
func (c *Client) SendCopyDone() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sentDone {
		return nil
	}
	c.sentDone = true
	return c.writer.CopyDone()
}

// EndCopyBoth ends the stream: it does SendCopyDone where that has not been done, drops CopyData that is still under way,
// and reads what follows. Next is nil when the server's timeline goes on.
func (c *Client) EndCopyBoth() (next *NextTimeline, err error) {
	if c.state != stateCopy && c.state != stateCopyEnd {
		return nil, errState
	}
	if err := c.SendCopyDone(); err != nil {
		return nil, err
	}
	for {
		_, err := c.NextCopy()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	c.state = stateBroken
	c.framer.SetMaxMessage(PhaseCommand.MaxMessage())
	typ, body, err := c.next()
	if err == nil {
		next, err = c.endOfTimeline(typ, body)
	}
	return next, c.finish(err)
}

// endOfTimeline reads the results at the end of streaming, the first message of which is given: none, one or two of
// them, with the next timeline in a row if there is one.
func (c *Client) endOfTimeline(typ byte, body []byte) (*NextTimeline, error) {
	if typ == typeReadyForQuery {
		return nil, nil
	}
	r := resultReader{client: c}
	var results []Result
	complete, err := r.message(typ, body)
	if err != nil {
		return nil, err
	}
	if complete {
		results, r.result = append(results, r.result), Result{}
	}
	rest, err := r.readAll()
	if err != nil {
		return nil, err
	}
	for _, result := range append(results, rest...) {
		if len(result.Rows) > 0 {
			return decodeNextTimeline(&result)
		}
	}
	return nil, nil
}

func decodeNextTimeline(r *Result) (*NextTimeline, error) {
	timeline, _ := r.Value(0, "next_tli")
	start, _ := r.Value(0, "next_tli_startpos")
	t, err := parseTimeline(timeline)
	if err != nil {
		return nil, err
	}
	lsn, err := parseLSN(start)
	if err != nil {
		return nil, err
	}
	return &NextTimeline{Timeline: t, Start: lsn}, nil
}

func parseTimeline(value []byte) (xlog.TimelineID, error) {
	n, err := strconv.ParseUint(string(value), 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%w: timeline %q", ErrProtocol, value)
	}
	return xlog.TimelineID(n), nil
}

func parseLSN(value []byte) (xlog.LSN, error) {
	lsn, err := xlog.ParseLSN(string(value))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return lsn, nil
}
