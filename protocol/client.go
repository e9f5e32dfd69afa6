// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/walmirror/walmirror/xlog"
)

// Limits of what the server may make a Client keep.
const (
	maxResult     = 64 << 20 // bytes of all results of a command
	maxParameters = 64 << 10 // bytes of all parameters; a PostgreSQL reports some fifteen
)

// ErrServerShutdown is returned by NextCopy when the server ended the stream because it shuts down: all its WAL has
// been sent, and the connection is about to close. A server that shuts down before it has begun to stream, or that is shut
// down in immediate mode, reports a fatal *Error or just closes the connection.
var ErrServerShutdown = errors.New("replication terminated by server shutdown")

// errState is for a method that does not fit the state of the conversation: a mistake of the caller.
var errState = errors.New("protocol: method does not fit the state of the conversation")

// NextTimeline is what the server says at the end of a timeline.
type NextTimeline struct {
	Timeline xlog.TimelineID
	Start    xlog.LSN // where the log left the timeline that was streamed
}

// TimelineEnd is the error of StartCopyBoth when there is nothing to stream because the start asked for is the end of
// that timeline. The conversation is ready for the next command. Next is nil if the server named no next timeline.
type TimelineEnd struct {
	Next *NextTimeline
}

// Error says where the log goes on.
func (e *TimelineEnd) Error() string {
	if e.Next == nil {
		return "nothing to stream: end of timeline"
	}
	return fmt.Sprintf("nothing to stream: the log went to timeline %s at %s", e.Next.Timeline, e.Next.Start)
}

// clientState says what the conversation is in.
type clientState uint8

const (
	stateIdle    clientState = iota // the server waits for a command
	stateCopy                       // CopyBoth: CopyData may come
	stateCopyEnd                    // CopyBoth: the server has sent CopyDone
	stateBackup                     // a BackupStream reads
	stateBroken                     // out of step, or the connection failed while a command ran
)

// Client is the client's side of the command conversation over a connection that is authenticated for replication. One
// goroutine uses it; only SendCopyData and SendCopyDone may be called from another. Deadlines are those of the
// connection: only NextCopy can be called again after a timeout, every other method leaves the Client unusable when
// the connection fails under it.
type Client struct {
	framer *Framer
	writer *FrameWriter
	server Server
	state  clientState
	notice func(*Error)
	params map[string]string
	size   int // of params

	mu       sync.Mutex
	sentDone bool // our side of the COPY has ended; guarded by mu
}

// NewClient talks over rw, which has just become ready for queries.
func NewClient(rw io.ReadWriter) *Client {
	return &Client{
		framer: NewFramer(rw, PhaseCommand.MaxMessage()),
		writer: NewFrameWriter(rw),
		params: map[string]string{},
	}
}

// SetServer says which server is at the other end. Commands are printed and backups are read accordingly. Without it
// the newest PostgreSQL is assumed.
func (c *Client) SetServer(s Server) { c.server = s }

// OnNotice sets a function that gets every notice and warning of the server. It is called by the goroutine that reads.
func (c *Client) OnNotice(f func(*Error)) { c.notice = f }

// Parameter is the last value the server reported for a setting since NewClient; empty when it reported none.
func (c *Client) Parameter(name string) string { return c.params[name] }

// Exec runs a command and reads its results up to the point where the server is ready for the next one. An error that
// the server reports is an *Error, with the results that came before it; the Client goes on unless it is fatal.
func (c *Client) Exec(cmd Command) ([]Result, error) {
	if err := c.begin(cmd); err != nil {
		return nil, err
	}
	r := resultReader{client: c}
	results, err := r.readAll()
	return results, c.finish(err)
}

// begin sends a command.
func (c *Client) begin(cmd Command) error {
	if c.state != stateIdle {
		return errState
	}
	text, err := cmd.Format(c.server)
	if err != nil {
		return err
	}
	c.state = stateBroken // until the answer is read
	c.framer.SetMaxMessage(PhaseCommand.MaxMessage())
	return c.writer.Write(typeQuery, append([]byte(text), 0), nil)
}

// finish notes how a command ended: an error reported by the server leaves the conversation in step if ReadyForQuery
// has followed it, which drain makes sure of.
func (c *Client) finish(err error) error {
	if err == nil {
		c.state = stateIdle
		return nil
	}
	c.state = stateBroken
	if e, ok := errors.AsType[*Error](err); ok && !e.Fatal() && c.drain() == nil {
		c.state = stateIdle
	}
	return err
}

// drain reads up to ReadyForQuery.
func (c *Client) drain() error {
	for {
		typ, _, err := c.next()
		if err != nil {
			if _, ok := errors.AsType[*Error](err); ok {
				continue
			}
			return err
		}
		if typ == typeReadyForQuery {
			return nil
		}
	}
}

// next reads the next message that is not handled here: notices, parameters and notifications may come at any time.
// An ErrorResponse is returned as an *Error. The connection never ends where a message is waited for.
func (c *Client) next() (typ byte, body []byte, err error) {
	typ, body, _, err = c.nextHead(0, math.MaxInt)
	return typ, body, err
}

// nextHead is next, but leaves a part of a long CopyData in the connection, as Framer.Head does.
func (c *Client) nextHead(n, long int) (typ byte, body []byte, left int, err error) {
	for {
		typ, body, left, err := c.framer.Head(typeCopyData, n, long)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, nil, 0, err
		}
		switch typ {
		case typeNotice, typeParameterStatus, typeNotification:
			if err := c.asynchronous(typ, body); err != nil {
				return 0, nil, 0, err
			}
		case typeError:
			e := new(Error)
			if err := e.Decode(body); err != nil {
				return 0, nil, 0, err
			}
			return typ, nil, 0, e
		default:
			return typ, body, left, nil
		}
	}
}

func (c *Client) asynchronous(typ byte, body []byte) error {
	switch typ {
	case typeNotice:
		e := new(Error)
		if err := e.Decode(body); err != nil {
			return err
		}
		if c.notice != nil {
			c.notice(e)
		}
	case typeParameterStatus:
		name, value, err := decodeParameterStatus(body)
		if err != nil {
			return err
		}
		return c.setParameter(name, value)
	}
	return nil
}

func (c *Client) setParameter(name, value string) error {
	if old, ok := c.params[name]; ok {
		c.size -= len(name) + len(old)
	}
	if c.size += len(name) + len(value); c.size > maxParameters {
		return fmt.Errorf("%w: parameters beyond %d bytes", ErrTooLarge, maxParameters)
	}
	c.params[name] = value
	return nil
}

// resultReader reads the answer to a simple query.
type resultReader struct {
	client *Client
	result Result
	size   int // of all messages so far, about
}

// readAll reads every result up to ReadyForQuery.
func (r *resultReader) readAll() ([]Result, error) {
	var results []Result
	for {
		typ, body, err := r.client.next()
		if err != nil {
			return results, err
		}
		if typ == typeReadyForQuery {
			return results, nil
		}
		complete, err := r.message(typ, body)
		if err != nil {
			return results, err
		}
		if complete {
			results = append(results, r.result)
			r.result = Result{}
		}
	}
}

// readOne reads one result up to its CommandComplete.
func (r *resultReader) readOne() (Result, error) {
	for {
		typ, body, err := r.client.next()
		if err != nil {
			return Result{}, err
		}
		complete, err := r.message(typ, body)
		if err != nil {
			return Result{}, err
		}
		if complete {
			return r.result, nil
		}
	}
}

// message takes one message of a result and tells whether it ended it.
func (r *resultReader) message(typ byte, body []byte) (complete bool, err error) {
	// Besides its bytes each message costs some slices: a column has one, and so has a value of a row.
	if r.size += len(body) + 64 + 24*len(r.result.Columns); r.size > maxResult {
		return false, fmt.Errorf("%w: result beyond %d bytes", ErrTooLarge, maxResult)
	}
	switch typ {
	case typeRowDescription:
		r.result = Result{}
		r.result.Columns, err = decodeColumns(body)
	case typeDataRow:
		err = r.row(body)
	case typeCommandComplete:
		r.result.Tag, err = decodeTag(body)
		return err == nil, err
	case typeEmptyQuery:
		return true, nil
	default:
		err = unexpected(typ)
	}
	return false, err
}

func (r *resultReader) row(body []byte) error {
	if r.result.Columns == nil {
		return fmt.Errorf("%w: DataRow without RowDescription", ErrProtocol)
	}
	row, err := decodeRow(body, len(r.result.Columns))
	r.result.Rows = append(r.result.Rows, row)
	return err
}

func unexpected(typ byte) error {
	return fmt.Errorf("%w: unexpected message %q", ErrProtocol, typ)
}
