// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package pgdata

import "unsafe"

// prefetch has the processor get so many lines of memory, and waits for them: a byte of each is read.
func prefetch(p unsafe.Pointer, lines int) {
	for i := range lines {
		_ = *(*byte)(unsafe.Add(p, i*cacheLine))
	}
}
