// SPDX-License-Identifier: Apache-2.0

//go:build unix

package pgdata

import (
	"os"
	"syscall"
)

// mayHold tells whether the process of a lock file may be at work, by the rules of CreateLockFile. Our own process
// and our parent cannot have made the file: it is from before a reboot, or from an earlier life of our container.
// Neither can a process that we may not signal, for it is another user's, who does not own the data directory.
func mayHold(pid int) bool {
	if pid == os.Getpid() || pid == os.Getppid() {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || (err != syscall.ESRCH && err != syscall.EPERM)
}

// Running tells whether a process with the file's id exists, whoever's it is.
func (p *PIDFile) Running() bool {
	err := syscall.Kill(p.PID, 0)
	return err == nil || err == syscall.EPERM
}
