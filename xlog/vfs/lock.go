// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"fmt"
	"io"
)

// ErrLocked says that somebody else holds a lock file.
var ErrLocked = errors.New("locked by another process")

// Locker is what a filesystem implements that can keep other processes away from a directory.
type Locker interface {
	// Lock takes an exclusive lock on the file called name, which it creates when missing and leaves behind
	// afterwards. The lock belongs to the returned value: it ends with Close, or with the process however that
	// ends. When the lock is taken the error is a *LockedError.
	Lock(name string) (io.Closer, error)
}

// LockedError names the holder of a lock. errors.Is finds ErrLocked in it.
type LockedError struct {
	Name string // the lock file
	PID  int    // process that holds it, 0 when unknown
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s: %v", e.Name, ErrLocked)
	}
	return fmt.Sprintf("%s: %v (PID %d)", e.Name, ErrLocked, e.PID)
}

func (e *LockedError) Unwrap() error { return ErrLocked }
