// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/walmirror/walmirror/protocol"
)

// A walWriter sends a piece of a segment as a message. What is wrong with the segment is a *shortRead, before anything of
// the message is sent; what is wrong with the connection, a *connError.
type walWriter interface {
	write(m *protocol.XLogData, from *openSegment, offset int64, n int) error
}

// walHeaderLen is what stands before the log in a message: type, length, and the header of XLogData.
const walHeaderLen = 5 + protocol.XLogDataHeaderLen

// appendWALHeader appends the beginning of a message with n bytes of log.
func appendWALHeader(dst []byte, m *protocol.XLogData, n int) []byte {
	dst = append(dst, 'd')
	dst = binary.BigEndian.AppendUint32(dst, uint32(4+protocol.XLogDataHeaderLen+n))
	return m.AppendHeader(dst)
}

// copyWriter reads the log into a buffer behind the header and writes both at once: one system call each. The buffer is
// taken for a message, and kept only for as long as that is being written.
type copyWriter struct{ c *session }

// walBuffers are the buffers of all copyWriters.
var walBuffers = sync.Pool{New: func() any { return new([]byte) }}

func (w copyWriter) write(m *protocol.XLogData, from *openSegment, offset int64, n int) error {
	pooled := walBuffers.Get().(*[]byte)
	defer walBuffers.Put(pooled)
	if cap(*pooled) < walHeaderLen+n {
		*pooled = make([]byte, 0, walHeaderLen+n)
	}
	buf := appendWALHeader((*pooled)[:0], m, n)[:walHeaderLen+n]
	got, err := from.ReadAt(buf[walHeaderLen:], offset)
	if got < n {
		if err == io.EOF {
			err = nil
		}
		return &shortRead{got, n, err}
	}
	return w.c.writeStream(buf)
}

// writeStream sends bytes of a stream. It has no limit in time of its own: a client that reads slowly but replies is
// served, and one that does not reply is ended by the goroutine of replies.
func (c *session) writeStream(p []byte) error {
	if c.broken != nil {
		return c.broken
	}
	if _, err := c.conn.Write(p); err != nil {
		c.broken = &connError{err}
	}
	return c.broken
}
