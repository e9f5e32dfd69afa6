// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
)

// Position is a place in the log.
type Position struct {
	LSN      xlog.LSN
	Timeline xlog.TimelineID
}

// Tablespace is one of the tablespaces in a base backup.
type Tablespace struct {
	OID      uint32 // 0: the main data directory
	Location string // on the server; empty for the main data directory
	Size     int64  // KiB, about; -1 when it was not asked for
}

// BackupKind says what a BackupEvent is.
type BackupKind uint8

// Kinds of BackupEvent.
const (
	BackupArchive  BackupKind = iota + 1 // an archive begins: Name and Location
	BackupManifest                       // the manifest begins
	BackupData                           // Data of the archive or the manifest that began last
	BackupProgress                       // Done bytes of all archives have been read by the server
)

// BackupEvent is one step of a BackupStream.
type BackupEvent struct {
	Kind     BackupKind
	Name     string // of the archive: base.tar, or OID.tar; with the suffix of its compression from version 15 on
	Location string // of the tablespace on the server; empty for the main data directory
	Data     []byte // valid until the next call
	Done     int64  // bytes
}

// BackupStream is a base backup that is being received.
//
//	stream, err := client.BaseBackup(cmd)
//	for {
//		ev, err := stream.Next()
//		if err == io.EOF {
//			break
//		}
//		...
//	}
//	end, err := stream.End()
//
// Up to version 14 each archive is a COPY of its own, with the manifest, if one was asked for, as the last. From 15 on
// there is one COPY, and the first byte of each CopyData tells what it carries:
//
//	'n'  archive name, NUL, location of the tablespace, NUL     an archive begins
//	'm'                                                         the manifest begins
//	'd'  bytes                                                  of what began last
//	'p'  bytes done (8)                                         progress
//
// Both give the same events. Memory does not grow with the backup.
type BackupStream struct {
	Start       Position
	Tablespaces []Tablespace // the main data directory is among them

	client *Client
	framed bool // version 15 and later
	state  backupState
	copies int // COPYs that began
	end    Position
	err    error // what Next ended with
}

type backupState uint8

const (
	backupBetween  backupState = iota // no COPY is open
	backupNothing                     // in a framed COPY before anything began
	backupArchive                     // data belongs to an archive
	backupManifest                    // data belongs to the manifest
)

// BaseBackup starts a backup and returns when the server has reached the checkpoint and begins to send.
func (c *Client) BaseBackup(cmd BaseBackup) (*BackupStream, error) {
	if err := c.begin(cmd); err != nil {
		return nil, err
	}
	s := &BackupStream{client: c, framed: c.server.optionLists()}
	if err := s.header(); err != nil {
		return nil, c.finish(err)
	}
	c.state = stateBackup
	c.framer.SetMaxMessage(PhaseCopy.MaxMessage())
	return s, nil
}

// header reads the two results before the archives.
func (s *BackupStream) header() error {
	r := resultReader{client: s.client}
	start, err := r.readOne()
	if err != nil {
		return err
	}
	if s.Start, err = decodePosition(&start); err != nil {
		return err
	}
	r.result = Result{}
	spaces, err := r.readOne()
	if err != nil {
		return err
	}
	for i := range spaces.Rows {
		t, err := decodeTablespace(&spaces, i)
		if err != nil {
			return err
		}
		s.Tablespaces = append(s.Tablespaces, t)
	}
	return nil
}

// Next returns the next event. io.EOF says that everything has come and End is next. After any other error the backup
// is lost; after an *Error that is not fatal the Client is ready for the next command.
func (s *BackupStream) Next() (BackupEvent, error) {
	if s.err != nil {
		return BackupEvent{}, s.err
	}
	ev, err := s.next()
	if err != nil {
		s.err = err
		if err != io.EOF {
			s.client.finish(err)
		}
	}
	return ev, err
}

func (s *BackupStream) next() (BackupEvent, error) {
	for {
		typ, body, err := s.client.next()
		if err != nil {
			return BackupEvent{}, err
		}
		var ev BackupEvent
		switch {
		case typ == typeCopyOut && s.state == backupBetween:
			ev, err = s.begin(body)
		case typ == typeCopyData && s.state != backupBetween:
			ev, err = s.data(body)
		case typ == typeCopyDone && s.state != backupBetween:
			s.state = backupBetween
		case typ == typeRowDescription && s.state == backupBetween && s.complete():
			return BackupEvent{}, s.result(typ, body)
		default:
			err = unexpected(typ)
		}
		if err != nil || ev.Kind != 0 {
			return ev, err
		}
	}
}

// complete tells whether every archive has come.
func (s *BackupStream) complete() bool {
	if s.framed {
		return s.copies == 1
	}
	return s.copies >= len(s.Tablespaces)
}

// begin handles the beginning of a COPY.
func (s *BackupStream) begin(body []byte) (BackupEvent, error) {
	if err := decodeCopyResponse(body); err != nil {
		return BackupEvent{}, err
	}
	s.copies++
	switch {
	case s.framed && s.copies == 1:
		s.state = backupNothing
		return BackupEvent{}, nil
	case s.framed || s.copies > len(s.Tablespaces)+1:
		return BackupEvent{}, fmt.Errorf("%w: too many archives", ErrProtocol)
	case s.copies == len(s.Tablespaces)+1:
		s.state = backupManifest
		return BackupEvent{Kind: BackupManifest}, nil
	}
	s.state = backupArchive
	t := s.Tablespaces[s.copies-1]
	return BackupEvent{Kind: BackupArchive, Name: t.archive(), Location: t.Location}, nil
}

func (t *Tablespace) archive() string {
	if t.OID == 0 {
		return "base.tar"
	}
	return strconv.FormatUint(uint64(t.OID), 10) + ".tar"
}

// data handles a CopyData.
func (s *BackupStream) data(body []byte) (BackupEvent, error) {
	if !s.framed {
		return BackupEvent{Kind: BackupData, Data: body}, nil
	}
	if len(body) == 0 {
		return BackupEvent{}, fmt.Errorf("%w: empty CopyData in a backup", ErrProtocol)
	}
	kind, body := body[0], body[1:]
	switch {
	case kind == 'd' && s.state != backupNothing:
		return BackupEvent{Kind: BackupData, Data: body}, nil
	case kind == 'n' && s.state != backupManifest:
		s.state = backupArchive
		return decodeArchive(body)
	case kind == 'm' && s.state != backupManifest && len(body) == 0:
		s.state = backupManifest
		return BackupEvent{Kind: BackupManifest}, nil
	case kind == 'p' && len(body) == 8:
		return BackupEvent{Kind: BackupProgress, Done: int64(binary.BigEndian.Uint64(body))}, nil
	}
	return BackupEvent{}, fmt.Errorf("%w: unexpected %q with %d bytes in a backup", ErrProtocol, kind, len(body))
}

func decodeArchive(body []byte) (BackupEvent, error) {
	name, rest, ok := bytes.Cut(body, []byte{0})
	location, rest, ok2 := bytes.Cut(rest, []byte{0})
	if !ok || !ok2 || len(rest) != 0 || len(name) == 0 {
		return BackupEvent{}, fmt.Errorf("%w: malformed archive name", ErrProtocol)
	}
	return BackupEvent{Kind: BackupArchive, Name: string(name), Location: string(location)}, nil
}

// result reads the result with the end position, the first message of which is given. Then it returns io.EOF: nothing
// more comes in the stream.
func (s *BackupStream) result(typ byte, body []byte) error {
	s.client.framer.SetMaxMessage(PhaseCommand.MaxMessage())
	r := resultReader{client: s.client}
	if _, err := r.message(typ, body); err != nil {
		return err
	}
	end, err := r.readOne()
	if err != nil {
		return err
	}
	s.end, err = decodePosition(&end)
	if err != nil {
		return err
	}
	return io.EOF
}

// End returns the position up to which WAL is needed to make the backup consistent, after Next has returned io.EOF. The
// Client is then ready for the next command.
func (s *BackupStream) End() (Position, error) {
	if s.err != io.EOF || s.client.state != stateBackup {
		return Position{}, errState
	}
	r := resultReader{client: s.client}
	_, err := r.readAll()
	return s.end, s.client.finish(err)
}

func decodePosition(r *Result) (Position, error) {
	recptr, _ := r.Value(0, "recptr")
	tli, _ := r.Value(0, "tli")
	lsn, err := parseLSN(recptr)
	if err != nil {
		return Position{}, err
	}
	timeline, err := parseTimeline(tli)
	if err != nil {
		return Position{}, err
	}
	return Position{LSN: lsn, Timeline: timeline}, nil
}

func decodeTablespace(r *Result, row int) (Tablespace, error) {
	t := Tablespace{Size: -1}
	oid, ok := r.Value(row, "spcoid")
	if !ok {
		return t, fmt.Errorf("%w: list of tablespaces without spcoid", ErrProtocol)
	}
	location, _ := r.Value(row, "spclocation")
	t.Location = string(location)
	if oid != nil {
		n, err := strconv.ParseUint(string(oid), 10, 32)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%w: tablespace %q", ErrProtocol, oid)
		}
		t.OID = uint32(n)
	}
	if size, _ := r.Value(row, "size"); size != nil {
		n, err := strconv.ParseInt(string(size), 10, 64)
		if err != nil || n < 0 {
			return t, fmt.Errorf("%w: size %q of tablespace %d", ErrProtocol, size, t.OID)
		}
		t.Size = n
	}
	return t, nil
}
