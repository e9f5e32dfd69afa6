// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"math"
	"sync"

	"github.com/walmirror/walmirror/xlog"
)

// logHolds are positions from which on the log is kept, because backups will send it.
type logHolds struct {
	mu   sync.Mutex
	last int
	held map[int]xlog.LSN
}

// hold keeps the log from lsn on until release is called.
func (h *logHolds) hold(lsn xlog.LSN) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held = map[int]xlog.LSN{}
	}
	h.last++
	id := h.last
	h.held[id] = lsn
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.held, id)
	}
}

// oldest is the first position that is held, a very high one when there is none.
func (h *logHolds) oldest() xlog.LSN {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := xlog.LSN(math.MaxUint64)
	for _, lsn := range h.held {
		oldest = min(oldest, lsn)
	}
	return oldest
}
