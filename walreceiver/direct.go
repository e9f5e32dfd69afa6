// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"os"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// muchLog is the least number of bytes of a message for which it is worth it that they do not pass through our memory.
const muchLog = 64 << 10

// errFile says that a file could not be written, and not that the connection failed.
type errFile struct{ error }

func (e errFile) Unwrap() error { return e.error }

// direct brings the log of long messages from the connection to the sink's file without a copy in our memory. That is for
// log that nobody wants to look at: without a verifier, over a connection without TLS, when the sink is a *waldir.Dir, and
// not one that does more with what is written.
type direct struct {
	*stream
	sink *waldir.Dir
	fill func(f *os.File, offset int64) error // d.write, made once

	// The message at hand.
	head    []byte // its log, as far as it was read
	left    int    // bytes of log that were not
	done    int    // of left, those that are in the file
	readErr error  // why reading them ended
}

// newDirect is nil where it cannot be done.
func newDirect(s *stream) *direct {
	sink, ok := s.r.cfg.Sink.(*waldir.Dir)
	if !ok || s.r.verifier != nil || !canSplice(s.conn.wire.Conn) {
		return nil
	}
	d := &direct{stream: s, sink: sink}
	d.fill = d.write
	return d
}

// nextCopy is the client's NextCopy, or the beginning of a long message of which left bytes are to come.
func (s *stream) nextCopy() (payload []byte, left int, err error) {
	if s.direct == nil {
		payload, err = s.client.NextCopy()
		return payload, 0, err
	}
	return s.client.NextCopyHead(protocol.XLogDataHeaderLen, muchLog)
}

// put stores the log of the message at hand, of which left bytes are to come. done is false when that must be done in the
// ordinary way.
func (d *direct) put(ctx context.Context, m *protocol.XLogData, left int) (done bool, err error) {
	n := len(m.Data) + left
	end := m.Start.Add(n)
	if d.r.segSize.Number(m.Start) != d.r.segSize.Number(end-1) {
		return false, nil
	}
	d.head, d.left, d.done = m.Data, left, 0
	err = d.insist(ctx, func() error {
		d.readErr = nil
		done, err = d.sink.WriteFile(m.Start, n, d.fill)
		switch {
		case d.readErr != nil:
			return d.readErr
		case err != nil:
			return sinkError("write", m.Start, err)
		}
		return nil
	})
	if err == nil && done {
		d.r.wrote(end, n)
	}
	return done, err
}

// write writes the message's log to the sink's file. Called again after a timeout it goes on where it was.
func (d *direct) write(f *os.File, offset int64) error {
	if d.done == 0 {
		if _, err := f.WriteAt(d.head, offset); err != nil {
			return err
		}
	}
	for offset += int64(len(d.head)); d.done < d.left; {
		moved, err := d.conn.wire.splice(f, offset+int64(d.done), d.left-d.done)
		d.done += moved
		d.client.CopyTook(moved)
		if err != nil {
			if _, ok := errors.AsType[errFile](err); !ok {
				d.readErr = err
			}
			return err
		}
	}
	return nil
}
