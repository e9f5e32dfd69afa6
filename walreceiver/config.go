// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// SlotCreation says whether a Receiver makes its slot.
type SlotCreation uint8

// Ways to come to a slot.
const (
	// SlotMustExist is to use Config.Slot as it is.
	SlotMustExist SlotCreation = iota
	// SlotPermanent is to create Config.Slot at the first connection of a Run, unless it exists. A slot that is dropped
	// later is not made again: log may be missing then.
	SlotPermanent
	// SlotTemporary is to create a slot at each connection that goes away with it. It needs no name.
	SlotTemporary
)

// Position is a point of the log on a timeline.
type Position struct {
	Timeline xlog.TimelineID
	LSN      xlog.LSN
}

// Config says what a Receiver does. ConnString and Sink are needed.
type Config struct {
	// ConnString is a conninfo string or a URL; see Connect.
	ConnString string
	// ApplicationName goes before the one in ConnString; see ConnectOptions.
	ApplicationName string
	// ConnectTimeout is ConnectOptions.Timeout.
	ConnectTimeout time.Duration

	// Slot is the physical replication slot to stream with; empty is none.
	Slot       string
	CreateSlot SlotCreation

	// Sink takes the log. It belongs to the Receiver until Run returns.
	Sink Sink

	// SystemID is the system identifier that the server must have; 0 takes the first server's.
	SystemID uint64
	// SegmentSize is the size of WAL segments that the server must have; 0 takes the first server's.
	SegmentSize xlog.SegmentSize
	// Start is where streaming begins, rounded down to the start of a segment. Nil asks the sink (Resume), then the
	// slot (its restart_lsn; PostgreSQL 15 and later), then takes the server's present position.
	Start *Position
	// StopAt ends Run as pg_receivewal's --endpos does: when more than the bytes before StopAt is written, so that a
	// record that begins there has come. What came in the same message is kept, up to the end of its segment. 0 is
	// never. See Receiver.SetStopAt.
	StopAt xlog.LSN

	// AllowFork follows the server to its timeline even if we hold log of the old one that the server's history left
	// out, instead of ErrDiverged. That is right for an archive, which keeps both; a standby must not.
	AllowFork bool

	// StatusInterval is the longest time between two status messages, default 10 s. It is cut to a third of the
	// server's wal_sender_timeout.
	StatusInterval time.Duration
	// ReceiveTimeout is how long the server may be silent, default 60 s. After half of it a reply is asked for, after
	// all of it the connection is given up. It limits single commands and writes too.
	ReceiveTimeout time.Duration
	// MaxUnflushed is how many bytes may be written before a sync begins although more log keeps coming, default
	// 16 MiB.
	MaxUnflushed int64

	// Backoff is how long to wait before connecting again.
	Backoff Backoff
	// NoReconnect makes Run return when the first connection cannot be made or ends, as pg_receivewal --no-loop does.
	NoReconnect bool
	// Fatal decides whether an error ends Run; nil is never. Permanent is a good choice for a tool with a person at
	// its side. ErrSink and a wrong ConnString end Run in any case.
	Fatal func(error) bool

	// Applied tells how far the log is applied, for the primary's replay_lsn; nil is unknown. It is called for each
	// status message, by several goroutines, and must not call the Receiver. See Receiver.Reply.
	Applied func() xlog.LSN
	// Feedback gives the hot standby feedback to send at each StatusInterval; nil sends none. While it returns false
	// the primary is told once to forget what it was told.
	Feedback func() (protocol.HotStandbyFeedback, bool)

	// OnEvent is called for everything worth a line in a log, one event at a time, while the receiver waits.
	OnEvent func(Event)
	// Verify checks all log before it is written and acknowledged; nil does not.
	Verify *VerifyConfig
}

// Defaults of Config.
const (
	DefaultStatusInterval = 10 * time.Second
	DefaultReceiveTimeout = 60 * time.Second
	DefaultMaxUnflushed   = 16 << 20
)

// withDefaults checks c and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Sink == nil:
		return c, errors.New("walreceiver: Config.Sink is missing")
	case c.StatusInterval < 0 || c.ReceiveTimeout < 0 || c.MaxUnflushed < 0:
		return c, errors.New("walreceiver: an interval, timeout or size is negative")
	case c.CreateSlot == SlotPermanent && c.Slot == "":
		return c, errors.New("walreceiver: a permanent slot needs a name")
	case c.Start != nil && (c.Start.Timeline == 0 || c.Start.LSN == 0):
		return c, errors.New("walreceiver: Config.Start needs a timeline and a position")
	}
	if c.SegmentSize != 0 {
		if err := c.SegmentSize.Validate(); err != nil {
			return c, err
		}
	}
	if _, err := parseConnInfo(c.ConnString); err != nil {
		return c, err
	}
	if c.StatusInterval == 0 {
		c.StatusInterval = DefaultStatusInterval
	}
	if c.ReceiveTimeout == 0 {
		c.ReceiveTimeout = DefaultReceiveTimeout
	}
	if c.MaxUnflushed == 0 {
		c.MaxUnflushed = DefaultMaxUnflushed
	}
	c.Backoff = c.Backoff.withDefaults()
	return c, nil
}
