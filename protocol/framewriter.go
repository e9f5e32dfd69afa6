// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
)

// directWrite is the body length from which a body is handed to the connection as it is instead of being copied
// behind its header.
const directWrite = 8 << 10

// FrameWriter writes messages. Each call is one write to the connection (one writev for long bodies), without an
// allocation. It may be used by several goroutines. After an error the connection is in an unknown state.
type FrameWriter struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
	vec net.Buffers
	arr [2][]byte
}

// NewFrameWriter writes messages to w.
func NewFrameWriter(w io.Writer) *FrameWriter { return &FrameWriter{w: w} }

// Write writes one message whose body is head followed by tail. It keeps neither.
func (fw *FrameWriter) Write(typ byte, head, tail []byte) error {
	n := len(head) + len(tail) + 4
	if n > math.MaxInt32 {
		return fmt.Errorf("%w: %q with %d bytes", ErrTooLarge, typ, n-4)
	}
	fw.mu.Lock()
	defer fw.mu.Unlock()
	fw.buf = append(fw.buf[:0], typ)
	fw.buf = binary.BigEndian.AppendUint32(fw.buf, uint32(n))
	fw.buf = append(fw.buf, head...)
	if len(tail) < directWrite {
		fw.buf = append(fw.buf, tail...)
		_, err := fw.w.Write(fw.buf)
		return err
	}
	fw.arr = [2][]byte{fw.buf, tail}
	fw.vec = fw.arr[:]
	_, err := fw.vec.WriteTo(fw.w)
	fw.arr = [2][]byte{}
	return err
}

// CopyData writes a CopyData message.
func (fw *FrameWriter) CopyData(payload []byte) error {
	return fw.Write(typeCopyData, nil, payload)
}

// CopyDone writes a CopyDone message.
func (fw *FrameWriter) CopyDone() error { return fw.Write(typeCopyDone, nil, nil) }
