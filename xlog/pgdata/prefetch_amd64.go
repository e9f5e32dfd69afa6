// SPDX-License-Identifier: Apache-2.0

package pgdata

import "unsafe"

// prefetch has the processor get so many lines of memory, one at least, and does not wait for them.
//
//go:noescape
func prefetch(p unsafe.Pointer, lines int)
