// SPDX-License-Identifier: Apache-2.0

package pgdata

import "golang.org/x/sys/unix"

// sharedMemoryInUse tells whether processes are attached to a server's System V shared memory, which outlives its
// postmaster (PGSharedMemoryIsInUse in src/backend/port/sysv_shmem.c). A segment that we may not look at is another
// user's. In place of the header that PostgreSQL reads inside the segment, the key tells whose it is: it is made
// from the data directory's inode.
func sharedMemoryInUse(key uint64, id int) bool {
	var desc unix.SysvShmDesc
	_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &desc)
	switch err {
	case nil:
		return desc.Nattch > 0 && uint32(desc.Perm.Key) == uint32(key)
	case unix.EINVAL, unix.EIDRM, unix.EACCES:
		return false
	}
	return true
}
