// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"io"
	"io/fs"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Source is where the log comes from. Its methods are safe for concurrent use, and fast but for reading files.
type Source interface {
	// Identity says whose log it is. It never changes.
	Identity() Identity
	// Position says what may be sent now.
	Position() Position
	// Changed returns a channel that is closed as soon as Position is another than at the time of this call. Whoever
	// waits calls Changed, then Position, and then waits.
	Changed() <-chan struct{}
	// ReadHistory returns the content of a timeline's history file; fs.ErrNotExist says that there is none.
	ReadHistory(tli xlog.TimelineID) ([]byte, error)
	// OpenSegment opens a segment; fs.ErrNotExist says that it was removed, or never there.
	OpenSegment(tli xlog.TimelineID, n xlog.SegmentNumber) (Segment, error)
}

// A Segment is the bytes of one segment of the log, from its start. ReadAt returns every byte below Position.Flush.
// Several senders share a Segment that has a method File() *os.File; from such a file the kernel sends by itself. A
// Segment without it is used by one goroutine.
type Segment interface {
	io.ReaderAt
	io.Closer
}

// Identity says which server's log a Source has. The sender presents itself as that server.
type Identity struct {
	SystemID          uint64 // Database system identifier of the control file
	SegmentSize       xlog.SegmentSize
	Dialect           *xlog.Dialect
	Flavour           xlog.Flavour
	ServerVersion     int    // server_version_num, such as 150018
	ServerVersionText string // server_version, such as "15.18"
	FlavourVersion    string // gp_server_version and the like; empty for PostgreSQL
	DataDirectoryMode fs.FileMode
	Settings          map[string]string // further settings that SHOW knows, by their names
}

// Position is how far a Source has come. All of it belongs together.
type Position struct {
	Timeline xlog.TimelineID // the newest
	Flush    xlog.LSN        // everything below is durable here and may be sent. It is the end of a record or of a page
	History  xlog.History    // of Timeline

	// InRecovery tells whether another server writes the log: the sender cascades.
	InRecovery bool
	Replay     xlog.LSN // how far it is applied here; 0 where nothing is
	// LastXact is when the transaction ended, by its server's clock, whose end was applied last; zero when there was none.
	LastXact time.Time
	// Redo is where the redo of the last checkpoint or restartpoint begins: what a new slot reserves. 0: Flush.
	Redo xlog.LSN
	// NextXID is the next transaction ID with its epoch, by which hot standby feedback is checked; 0: not known.
	NextXID uint64
}

// reserve is the position from which a new slot keeps the log (ReplicationSlotReserveWal in slot.c).
func (p Position) reserve() xlog.LSN {
	if p.Redo != 0 {
		return min(p.Redo, p.Flush)
	}
	return p.Flush
}
