// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// What Run and the commands of a Conn report, beside the *protocol.Error that the server sent and errors of the
// network.
var (
	// ErrServerVersion: the server is older than PostgreSQL 12.
	ErrServerVersion = errors.New("server version is not supported")
	// ErrSystemIdentifier: the server belongs to another cluster. See SystemIdentifierError.
	ErrSystemIdentifier = errors.New("system identifier differs")
	// ErrDiverged: the log that we have is not in the server's history. See DivergedError.
	ErrDiverged = errors.New("our log is not in the server's history")
	// ErrServerBehind: the server does not have the log that we have, on its timeline or up to our position. A standby
	// as server may catch up.
	ErrServerBehind = errors.New("server is behind us")
	// ErrWALRemoved: the server does not have the segment any more where streaming should go on.
	ErrWALRemoved = errors.New("requested WAL segment has already been removed")
	// ErrSlotNotFound: the replication slot does not exist.
	ErrSlotNotFound = errors.New("replication slot does not exist")
	// ErrSlotExists: the replication slot to be created exists.
	ErrSlotExists = errors.New("replication slot already exists")
	// ErrSlotUnusable: the slot is logical, or the server has invalidated it.
	ErrSlotUnusable = errors.New("replication slot cannot be used")
	// ErrAuth: the server refuses the user, the password, or replication for it.
	ErrAuth = errors.New("server refuses the login")
	// ErrCorrupt: what the server sent is not valid log. See CorruptError.
	ErrCorrupt = errors.New("received log is corrupt")
	// ErrTimeout: nothing was heard from the server for Config.ReceiveTimeout.
	ErrTimeout = errors.New("receive timeout")
	// ErrSegmentSize: the server's segments have another size than configured.
	ErrSegmentSize = errors.New("WAL segment size differs")
	// ErrSink: the sink failed. Run always ends with it. See SinkError.
	ErrSink = errors.New("sink failed")
)

// SystemIdentifierError is an ErrSystemIdentifier.
type SystemIdentifierError struct {
	Ours, Server uint64
}

func (e *SystemIdentifierError) Error() string {
	return fmt.Sprintf("%v: ours is %d, the server's is %d", ErrSystemIdentifier, e.Ours, e.Server)
}

func (e *SystemIdentifierError) Unwrap() error { return ErrSystemIdentifier }

// DivergedError is an ErrDiverged: the server's history left our timeline before the end of what we have, or never was
// on it.
type DivergedError struct {
	Timeline       xlog.TimelineID // ours
	Position       xlog.LSN        // how far we have it
	SwitchPoint    xlog.LSN        // where the server's history left it; 0 when it never was on it
	ServerTimeline xlog.TimelineID
}

func (e *DivergedError) Error() string {
	if e.SwitchPoint == 0 {
		return fmt.Sprintf("%v: timeline %s, which we have up to %s, is no ancestor of the server's timeline %s",
			ErrDiverged, e.Timeline, e.Position, e.ServerTimeline)
	}
	return fmt.Sprintf("%v: the server, on timeline %s, left timeline %s at %s, and we have it up to %s",
		ErrDiverged, e.ServerTimeline, e.Timeline, e.SwitchPoint, e.Position)
}

func (e *DivergedError) Unwrap() error { return ErrDiverged }

// CorruptError is an ErrCorrupt. No record from Good on was acknowledged; the log is received again from the start of
// Good's segment.
type CorruptError struct {
	Timeline xlog.TimelineID
	Good     xlog.LSN // end of the last good record
	At       xlog.LSN // of the record or page that is wrong
	Err      error    // an *xlog.EndError
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: timeline %s at %s: %v", ErrCorrupt, e.Timeline, e.At, e.Err)
}

func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Err} }

// SinkError is an ErrSink: a method of the sink failed.
type SinkError struct {
	Op  string   // "write", "sync", ...
	LSN xlog.LSN // where
	Err error
}

func (e *SinkError) Error() string { return fmt.Sprintf("sink: %s at %s: %v", e.Op, e.LSN, e.Err) }

func (e *SinkError) Unwrap() []error { return []error{ErrSink, e.Err} }

// Permanent tells whether an error of a connection will come again until somebody changes something: another cluster,
// a diverged history, removed log, a missing slot, a refused login, a wrong connection string. Run tries again all the
// same, unless Config.Fatal says otherwise: a slot can be made and a password set while it waits.
func Permanent(err error) bool {
	for _, target := range []error{
		ErrServerVersion, ErrSystemIdentifier, ErrDiverged, ErrWALRemoved, ErrSlotNotFound, ErrSlotUnusable, ErrAuth,
		ErrConnInfo, ErrSegmentSize, ErrSink,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// SQLSTATEs (src/backend/utils/errcodes.txt) that say what to do next.
const (
	codeUndefinedFile       = "58P01"
	codeUndefinedObject     = "42704"
	codeDuplicateObject     = "42710"
	codeNotInState          = "55000"
	codeNoPrivilege         = "42501"
	codeNoDatabase          = "3D000"
	codeFeatureNotSupported = "0A000"
	classAuthorization      = "28"
	hasBeenRemovedPhrase    = "has already been removed"
)

// classifyConnect adds ErrAuth to the refusal of a login.
func classifyConnect(err error) error {
	e, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		return err
	}
	if strings.HasPrefix(e.Code, classAuthorization) || e.Code == codeNoPrivilege || e.Code == codeNoDatabase {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return err
}

// classifySlot adds what the server's answer to a command about a slot means.
func classifySlot(err error) error {
	e, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		return err
	}
	switch e.Code {
	case codeUndefinedObject:
		return fmt.Errorf("%w: %w", ErrSlotNotFound, err)
	case codeDuplicateObject:
		return fmt.Errorf("%w: %w", ErrSlotExists, err)
	case codeNotInState:
		return fmt.Errorf("%w: %w", ErrSlotUnusable, err)
	}
	return err
}

// classifyStream does so for START_REPLICATION and the stream itself. The server's text may be in any language, the
// file that is missing is the segment.
func classifyStream(err error, withSlot bool) error {
	e, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		return err
	}
	if e.Code == codeUndefinedFile || strings.Contains(e.Message, hasBeenRemovedPhrase) {
		return fmt.Errorf("%w: %w", ErrWALRemoved, err)
	}
	if withSlot {
		return classifySlot(err)
	}
	return err
}

// isTimeout tells a deadline from a broken connection.
func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
