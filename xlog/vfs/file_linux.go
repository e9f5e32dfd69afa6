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
