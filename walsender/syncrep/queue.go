// SPDX-License-Identifier: Apache-2.0

package syncrep

import (
	"slices"

	"github.com/walmirror/walmirror/xlog"
)

// waiter is a commit that waits.
type waiter struct {
	lsn  xlog.LSN
	done chan struct{} // closed when it may go on
}

// queue has the waiters of one mode in the order of their positions (SyncRepQueue).
type queue struct{ waiters []*waiter }

// add puts a waiter where it belongs, which is mostly the end.
func (q *queue) add(lsn xlog.LSN) *waiter {
	w := &waiter{lsn, make(chan struct{})}
	at := len(q.waiters)
	for at > 0 && q.waiters[at-1].lsn > lsn {
		at--
	}
	q.waiters = slices.Insert(q.waiters, at, w)
	return w
}

// remove takes a waiter out; false when it is not there any more.
func (q *queue) remove(w *waiter) bool {
	at := slices.Index(q.waiters, w)
	if at < 0 {
		return false
	}
	q.waiters = slices.Delete(q.waiters, at, at+1)
	return true
}

// release lets those go that wait for lsn or less (SyncRepWakeQueue).
func (q *queue) release(lsn xlog.LSN) {
	n := 0
	for n < len(q.waiters) && q.waiters[n].lsn <= lsn {
		close(q.waiters[n].done)
		n++
	}
	q.waiters = slices.Delete(q.waiters, 0, n)
}

func (q *queue) releaseAll() {
	for _, w := range q.waiters {
		close(w.done)
	}
	q.waiters = nil
}
