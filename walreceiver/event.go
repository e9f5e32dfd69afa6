// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"fmt"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// Event is something that happened to a Receiver: one of the types below. Its String is a line for a log.
type Event interface {
	fmt.Stringer
	event()
}

// StateChanged tells of a new Status.State.
type StateChanged struct{ From, To State }

// Connected tells that a server was reached and identified.
type Connected struct {
	Server ServerInfo
	System SystemIdentity
}

// SlotCreated tells that a replication slot was made.
type SlotCreated struct {
	Slot      string
	Temporary bool
}

// StreamStarted tells that START_REPLICATION succeeded.
type StreamStarted struct{ Start Position }

// SegmentFinished tells that the last byte of a segment was written; it is not yet durable.
type SegmentFinished struct{ End Position }

// HistoryStored tells that a timeline history file was fetched and stored.
type HistoryStored struct{ Timeline xlog.TimelineID }

// TimelineSwitched tells that the log goes on on another timeline.
type TimelineSwitched struct {
	From, To xlog.TimelineID
	At       xlog.LSN
}

// Disconnected tells that a connection failed or ended and when the next attempt follows.
type Disconnected struct {
	Err       error
	Permanent bool // by Permanent: somebody has to do something
	Failures  int  // in a row
	RetryIn   time.Duration
}

// ServerNotice is a notice or warning from the server.
type ServerNotice struct{ Notice *protocol.Error }

func (StateChanged) event()     {}
func (Connected) event()        {}
func (SlotCreated) event()      {}
func (StreamStarted) event()    {}
func (SegmentFinished) event()  {}
func (HistoryStored) event()    {}
func (TimelineSwitched) event() {}
func (Disconnected) event()     {}
func (ServerNotice) event()     {}

func (e StateChanged) String() string { return fmt.Sprintf("state %s, was %s", e.To, e.From) }

func (e Connected) String() string {
	return fmt.Sprintf("connected to %s %s at %s port %d, system %d, timeline %s, position %s", e.Server.Flavour,
		e.Server.VersionText, e.Server.Host, e.Server.Port, e.System.SystemID, e.System.Timeline, e.System.XLogPos)
}

func (e SlotCreated) String() string {
	if e.Temporary {
		return "created temporary replication slot " + e.Slot
	}
	return "created replication slot " + e.Slot
}

func (e StreamStarted) String() string {
	return fmt.Sprintf("started streaming at %s on timeline %s", e.Start.LSN, e.Start.Timeline)
}

func (e SegmentFinished) String() string {
	return fmt.Sprintf("finished segment at %s on timeline %s", e.End.LSN, e.End.Timeline)
}

func (e HistoryStored) String() string { return "stored " + e.Timeline.HistoryName() }

func (e TimelineSwitched) String() string {
	return fmt.Sprintf("switched from timeline %s to timeline %s at %s", e.From, e.To, e.At)
}

func (e Disconnected) String() string {
	return fmt.Sprintf("disconnected: %v; next attempt in %s", e.Err, e.RetryIn.Round(time.Millisecond))
}

func (e ServerNotice) String() string { return "server: " + e.Notice.Error() }
