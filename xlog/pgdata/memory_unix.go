// SPDX-License-Identifier: Apache-2.0

//go:build unix

package pgdata

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapMemory gives memory that the garbage collector has nothing to do with.
func mapMemory(n int) ([]byte, error) {
	p, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	return p, os.NewSyscallError("mmap", err)
}

func unmapMemory(p []byte) error {
	if p == nil {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(p))
}
