// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/walmirror/walmirror/protocol"
)

// newWALWriter chooses the way for a connection: the kernel sends from the file by itself unless there is TLS in between.
func newWALWriter(c *session) walWriter {
	if c.conn != c.tcp {
		return copyWriter{c}
	}
	switch conn := c.tcp.(type) {
	case *net.TCPConn:
		return newFileWriter(c, conn)
	case *net.UnixConn:
		return newFileWriter(c, conn)
	}
	return copyWriter{c}
}

func newFileWriter(c *session, conn syscall.Conn) walWriter {
	raw, err := conn.SyscallConn()
	if err != nil {
		return copyWriter{c}
	}
	return &fileWriter{c: c, raw: raw}
}

// fileWriter sends the header, with the sign that more follows, and then the file's bytes out of the page cache
// (sendfile): they are not copied into this process, and a client that is slow holds no buffer.
type fileWriter struct {
	c    *session
	raw  syscall.RawConn
	head []byte
}

func (w *fileWriter) write(m *protocol.XLogData, from *openSegment, offset int64, n int) error {
	if from.file == nil || n < minSendfile {
		return copyWriter{w.c}.write(m, from, offset, n)
	}
	if have, err := from.has(offset, n); have < n {
		return &shortRead{have, n, err}
	}
	if w.c.broken != nil {
		return w.c.broken
	}
	w.head = appendWALHeader(w.head[:0], m, n)
	if err := w.send(int(from.file.Fd()), offset, n); err != nil {
		w.c.broken = &connError{err}
	}
	return w.c.broken
}

// minSendfile is from how many bytes on it pays to let the kernel send.
const minSendfile = 16 << 10

var errFileShrunk = errors.New("the segment has shrunk while it was sent")

// send writes the header and n bytes of the file. It waits for the client as often as needed. This is one function because
// it is one state: what is left of both, kept from one call of the closure to the next.
func (w *fileWriter) send(file int, offset int64, n int) error {
	head := w.head
	var failed error
	err := w.raw.Write(func(fd uintptr) (done bool) {
		for failed == nil && (len(head) > 0 || n > 0) {
			var sent int
			if len(head) > 0 {
				sent, failed = unix.SendmsgN(int(fd), head, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
				head = head[max(sent, 0):]
			} else {
				sent, failed = unix.Sendfile(int(fd), file, &offset, n)
				n -= max(sent, 0)
				if failed == nil && sent == 0 {
					failed = errFileShrunk
				}
			}
			switch failed {
			case unix.EAGAIN:
				failed = nil
				return false
			case unix.EINTR:
				failed = nil
			}
		}
		return true
	})
	return errors.Join(failed, err)
}
