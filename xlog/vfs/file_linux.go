// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"os"
	"syscall"
)

func datasync(f *os.File) error {
	return retryInterrupted(func() error { return syscall.Fdatasync(int(f.Fd())) })
}

// allocate reserves size bytes from the start of f. It returns errors.ErrUnsupported where the filesystem cannot.
func allocate(f *os.File, size int64) error {
	err := retryInterrupted(func() error { return syscall.Fallocate(int(f.Fd()), 0, 0, size) })
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return errors.ErrUnsupported
	}
	return err
}

func retryInterrupted(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

// OpenDirect is O_DIRECT and O_DSYNC of open(2).
func (osFS) OpenDirect(name string) (DirectFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|syscall.O_DIRECT|syscall.O_DSYNC, 0)
	if err != nil {
		return nil, unsupported(err)
	}
	return directFile{f}, nil
}

type directFile struct{ *os.File }

func (f directFile) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(p, offset)
	return n, unsupported(err)
}

// unsupported is errors.ErrUnsupported for what open(2) and write(2) say where O_DIRECT does not work.
func unsupported(err error) error {
	if errors.Is(err, syscall.EINVAL) {
		return errors.ErrUnsupported
	}
	return err
}
