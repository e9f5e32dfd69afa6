// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is how much splice moves at once; the kernel's limit without privileges (fs.pipe-max-size).
const pipeSize = 1 << 20

// canSplice tells whether splice works for a connection.
func canSplice(conn net.Conn) bool {
	_, ok := conn.(*socket)
	return ok
}

// splice moves up to n bytes from the connection to a file, at offset, within the kernel (splice(2)): it copies them once,
// and not out to us and back. It waits as Read does. moved bytes are in the file whatever the error, which is an errFile
// when it is the file's.
func splice(conn net.Conn, file *os.File, offset int64, n int) (moved int, err error) {
	s := conn.(*socket)
	s.in.call.Lock()
	defer s.in.call.Unlock()
	if err := s.makePipe(); err != nil {
		return 0, s.fail("splice", err)
	}
	filled, err := s.fillPipe(n)
	if err != nil {
		return 0, s.fail("splice", err)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, errFile{err}
	}
	controlErr := raw.Control(func(fd uintptr) { moved, err = s.drainPipe(int(fd), offset, filled) })
	if err = errors.Join(err, controlErr); err != nil {
		s.dropPipe() // with what is in it
		return moved, errFile{&os.PathError{Op: "write", Path: file.Name(), Err: err}}
	}
	return moved, nil
}

func (s *socket) makePipe() error {
	if s.pipe != nil {
		return nil
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	_, _ = unix.FcntlInt(uintptr(pipe[1]), unix.F_SETPIPE_SZ, pipeSize) // else it stays smaller
	s.pipe = &pipe
	return nil
}

func (s *socket) dropPipe() {
	if s.pipe != nil {
		_ = unix.Close(s.pipe[0])
		_ = unix.Close(s.pipe[1])
		s.pipe = nil
	}
}

// fillPipe moves what has arrived, at least a byte, into the empty pipe.
func (s *socket) fillPipe(n int) (int, error) {
	for {
		if err := s.ready(&s.in); err != nil {
			return 0, err
		}
		s.in.yield()
		m, err := unix.Splice(s.fd, nil, s.pipe[1], nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch {
		case m > 0:
			return int(m), nil
		case err == nil:
			return 0, io.ErrUnexpectedEOF
		case err == unix.EAGAIN:
			if err := s.wait(&s.in, unix.POLLIN); err != nil {
				return 0, err
			}
		case err != unix.EINTR:
			return 0, os.NewSyscallError("splice", err)
		}
	}
}

// drainPipe moves n bytes, all that is in the pipe, to the file.
func (s *socket) drainPipe(fd int, offset int64, n int) (moved int, err error) {
	for moved < n {
		m, err := unix.Splice(s.pipe[0], nil, fd, &offset, n-moved, unix.SPLICE_F_MOVE)
		switch {
		case m > 0:
			moved += int(m)
		case err == nil:
			return moved, io.ErrShortWrite
		case err != unix.EINTR:
			return moved, err
		}
	}
	return moved, nil
}
