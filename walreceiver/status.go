// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// State is what a Receiver is doing.
type State string

// States of a Receiver.
const (
	StateStartup      State = "startup"      // connecting for the first time
	StateCatchup      State = "catchup"      // streaming, behind the server
	StateStreaming    State = "streaming"    // streaming, and had everything the server had
	StateReconnecting State = "reconnecting" // the connection is lost or refused; LastError says why
	StateStopped      State = "stopped"      // Run has not begun, or has returned
)

// Status is a snapshot of a Receiver. The fields of the middle part are the columns of pg_stat_wal_receiver.
type Status struct {
	State      State
	StateSince time.Time

	ReceiveStart       Position // where the present stream began
	ReceivedTimeline   xlog.TimelineID
	WrittenLSN         xlog.LSN  // what the sink has
	FlushedLSN         xlog.LSN  // what is durable
	LastMsgSendTime    time.Time // of the last message, by the server's clock
	LastMsgReceiptTime time.Time // by ours
	LatestEndLSN       xlog.LSN  // end of the server's log, as last heard
	LatestEndTime      time.Time // when that was heard first, by the server's clock
	Slot               string
	SenderHost         string
	SenderPort         int
	ConnInfo           string // without secrets

	AppliedLSN    xlog.LSN // what Config.Applied said last
	LagBytes      int64    // from FlushedLSN to LatestEndLSN
	SystemID      uint64
	ServerVersion string
	// ServerVersionNum is server_version_num.
	ServerVersionNum int
	Flavour          xlog.Flavour
	Received         uint64 // bytes of log since Run began
	Syncs            uint64
	Replies          uint64
	Connections      int // made since Run began
	Restarts         int // connections lost or refused since Run began
	LastError        error
	LastErrorTime    time.Time
	NextAttempt      time.Time // while reconnecting
}

// tracker keeps the Status and the positions that are reported. Its methods are safe for concurrent use.
type tracker struct {
	mu sync.Mutex
	s  Status
	// floor is a position that is durable although the present segment is being received again from an earlier one.
	floor xlog.LSN
}

// change edits the status.
func (t *tracker) change(f func(s *Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

func (t *tracker) snapshot() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	if s.FlushedLSN != 0 && s.LatestEndLSN > s.FlushedLSN {
		s.LagBytes = s.LatestEndLSN.Sub(s.FlushedLSN)
	}
	return s
}

// setState returns the state before.
func (t *tracker) setState(to State) (from State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from = t.s.State; from != to {
		t.s.State, t.s.StateSince = to, time.Now()
	}
	return from
}

// started notes the start of a stream from a server whose log ends at end.
func (t *tracker) started(at Position, end xlog.LSN, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.ReceiveStart = at
	t.s.LatestEndLSN, t.s.LatestEndTime = end, now
}

// heard notes a message of the server, received at the time now, and returns the end of the server's log. What a
// keepalive says may be before that: how far the server has sent (WalSndKeepalive in walsender.c).
func (t *tracker) heard(end xlog.LSN, sent, now time.Time) xlog.LSN {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.s.LatestEndLSN < end {
		t.s.LatestEndLSN, t.s.LatestEndTime = end, sent
	}
	t.s.LastMsgSendTime, t.s.LastMsgReceiptTime = sent, now
	return t.s.LatestEndLSN
}

// begin notes that writing goes on at lsn. Everything below floor is durable, though perhaps on an older timeline.
func (t *tracker) begin(at Position, floor xlog.LSN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.floor = floor
	t.s.ReceivedTimeline = at.Timeline
	t.s.WrittenLSN = max(at.LSN, floor)
	t.s.FlushedLSN = floor
}

func (t *tracker) wrote(lsn xlog.LSN, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.WrittenLSN = max(lsn, t.floor)
	t.s.Received += uint64(n)
}

func (t *tracker) flushed(lsn xlog.LSN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.FlushedLSN = max(lsn, t.s.FlushedLSN)
	t.s.Syncs++
}

// positions are what a reply says of writing and flushing. A sync may return before the write that it covered is
// noted.
func (t *tracker) positions() (write, flush xlog.LSN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.s.WrittenLSN, t.s.FlushedLSN), t.s.FlushedLSN
}

// applied notes how far the log is applied and returns what a reply says of it: never 0 once it is known.
func (t *tracker) applied(lsn xlog.LSN) xlog.LSN {
	t.mu.Lock()
	defer t.mu.Unlock()
	if lsn != 0 {
		t.s.AppliedLSN = lsn
	}
	t.s.Replies++
	return t.s.AppliedLSN
}
