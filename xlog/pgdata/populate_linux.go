// SPDX-License-Identifier: Apache-2.0

package pgdata

import "golang.org/x/sys/unix"

// populate has the kernel give memory to a part of what mapMemory gave. Without it each page would be given when it is
// first written, which takes as long as redoing a record. Where it fails (before Linux 5.14) that is so.
func populate(p []byte) { _ = unix.Madvise(p, unix.MADV_POPULATE_WRITE) }
