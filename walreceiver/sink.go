// SPDX-License-Identifier: Apache-2.0

package walreceiver

import "github.com/walmirror/walmirror/xlog"

// Sink is where the received log goes. *waldir.Dir is one (which may get long pieces by WriteFile instead of Write); an
// embedder may stream to a storage of its own under the same promise: what Sync returned is told to the primary as
// flushed, a commit that waits for a synchronous standby goes on, and the primary may remove that log.
//
// Methods are called by several goroutines. Sync may run at the same time as Write and the history methods, but never at
// the same time as Begin or another Sync; the others run one at a time. Any error ends Run.
type Sink interface {
	// Resume says where streaming should begin by what the sink holds already: the start of a segment. ok is false
	// when it holds nothing.
	Resume() (tli xlog.TimelineID, lsn xlog.LSN, ok bool)
	// Begin announces that the next Write starts at lsn, the start of a segment, on timeline tli. Everything written
	// before has been synced. The same log may come again, and on a new timeline the log of the segment in which the
	// old one was left comes once more.
	Begin(tli xlog.TimelineID, lsn xlog.LSN) error
	// Write takes the next bytes of the log; p is valid during the call only. Positions have no gaps, but one call
	// may cross segments. It may block: replies to the primary go out meanwhile.
	Write(lsn xlog.LSN, p []byte) error
	// Sync makes at least everything durable that was written before the call, with whatever is needed to find it
	// again after a power cut, and returns the end of what is durable. Right after Begin that is Begin's position.
	Sync() (xlog.LSN, error)
	// WriteHistory stores a timeline's history file durably.
	WriteHistory(tli xlog.TimelineID, content []byte) error
	// ReadHistory returns a stored history file, and an error that wraps fs.ErrNotExist when there is none.
	ReadHistory(tli xlog.TimelineID) ([]byte, error)
}

// WALReader is what a Sink may offer besides, as *waldir.Dir does. With it a receiver that comes to a server on a new
// timeline can tell log that is lost in the server's history (ErrDiverged) from the torn record at the end that a
// promotion leaves behind; and it begins the new timeline's first segment with the log it has, so that what was
// confirmed is found there too from the first moment on.
type WALReader interface {
	// ReadAt reads log that was written on tli. It reads less only with an error.
	ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error)
}
