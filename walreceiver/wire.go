// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"net"
	"os"
	"sync/atomic"
	"time"
)

// wire is a net.Conn whose reads and writes each have a time limit, and that can be interrupted. A read that timed
// out or was interrupted lost nothing: it may be repeated.
type wire struct {
	net.Conn
	readTimeout  atomic.Int64 // nanoseconds for each Read; 0 is no limit
	writeTimeout atomic.Int64
	readsOff     atomic.Bool // reads fail with a timeout
	writesOff    atomic.Bool

	received int64 // bytes read; belongs to the goroutine that reads
}

func (w *wire) Read(p []byte) (int, error) {
	if err := w.mayRead(); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(p)
	w.received += int64(n)
	return n, err
}

// splice moves up to n bytes to a file, as splice of the connection does.
func (w *wire) splice(file *os.File, offset int64, n int) (int, error) {
	if err := w.mayRead(); err != nil {
		return 0, err
	}
	moved, err := splice(w.Conn, file, offset, n)
	w.received += int64(moved)
	return moved, err
}

// mayRead begins a read's time, unless reads are interrupted.
func (w *wire) mayRead() error {
	_ = w.Conn.SetReadDeadline(after(&w.readTimeout))
	if w.readsOff.Load() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (w *wire) Write(p []byte) (int, error) {
	_ = w.Conn.SetWriteDeadline(after(&w.writeTimeout))
	if w.writesOff.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	return w.Conn.Write(p)
}

func after(timeout *atomic.Int64) time.Time {
	if d := time.Duration(timeout.Load()); d > 0 {
		return time.Now().Add(d)
	}
	return time.Time{}
}

// setTimeouts applies to the calls of Read and Write that follow.
func (w *wire) setTimeouts(read, write time.Duration) {
	w.readTimeout.Store(int64(read))
	w.writeTimeout.Store(int64(write))
}

var longAgo = time.Unix(1, 0)

// interruptReads makes the present Read fail with a timeout, and every later one until resume. Writes go on.
func (w *wire) interruptReads() {
	w.readsOff.Store(true)
	_ = w.Conn.SetReadDeadline(longAgo)
}

// interrupt does so for reads and writes.
func (w *wire) interrupt() {
	w.writesOff.Store(true)
	_ = w.Conn.SetWriteDeadline(longAgo)
	w.interruptReads()
}

// resume undoes interruptReads and interrupt.
func (w *wire) resume() {
	w.readsOff.Store(false)
	w.writesOff.Store(false)
}
