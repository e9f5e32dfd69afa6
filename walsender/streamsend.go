// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// sendSome sends one piece of the log, and tells whether that was all there is (XLogSendPhysical in walsender.c).
func (s *stream) sendSome() (caughtUp bool, err error) {
	if s.doneSending {
		return true, nil
	}
	limit, err := s.tli.limit(s.source.Position())
	if err != nil {
		return false, err
	}
	if s.tli.historic && limit <= s.sent {
		return true, s.finishSending()
	}
	if limit <= s.sent {
		s.c.sender.sent(s.sent, limit, s.clock())
		return true, nil
	}
	end := s.pieceEnd(limit)
	if err := s.sendPiece(end, limit); err != nil {
		return false, err
	}
	s.sent = end
	s.c.sender.sent(end, limit, s.clock())
	return end == limit && !s.tli.historic, nil
}

// pieceEnd is how far the next message goes. A client relies on it that no message ends within a record, but for the end of
// a page, at which a long record is split anyway. A message does not go beyond the end of a segment.
func (s *stream) pieceEnd(limit xlog.LSN) xlog.LSN {
	size := s.source.Identity().SegmentSize
	end := s.sent.Add(s.pieceSize(limit.Sub(s.sent)))
	if limit <= end {
		end = limit
	} else {
		end -= end % s.walBlock
	}
	return min(end, size.RoundDown(s.sent).Add(int(size)))
}

const (
	defaultChunkSize = 128 << 10 // MAX_SEND_SIZE of walsender.c, with pages of 8 KiB
	// backlogChunkSize makes a message that fits into 256 KiB. That is libpq's buffer for messages of the default size too:
	// of two of them a part has no room, and each time libpq moves it to the front.
	backlogChunkSize = 248 << 10
	farBehind        = 1 << 20
)

// pieceSize is how much the next message may have, for a client that is so many bytes behind.
func (s *stream) pieceSize(behind int64) int {
	switch {
	case s.chunk != 0:
		return s.chunk
	case behind > farBehind:
		return backlogChunkSize
	}
	return defaultChunkSize
}

// sendPiece sends the log from where it stands up to end, which lies in one segment.
func (s *stream) sendPiece(end, limit xlog.LSN) error {
	size := s.source.Identity().SegmentSize
	if err := s.openSegment(size, size.Number(s.sent)); err != nil {
		return err
	}
	m := protocol.XLogData{Start: s.sent, End: limit, SendTime: time.Now()}
	offset, n := size.Offset(s.sent), int(end.Sub(s.sent))
	err := s.out.write(&m, s.segment, int64(offset), n)
	if short, ok := errors.AsType[*shortRead](err); ok {
		return s.readError(size, offset, short)
	}
	return err
}

// A shortRead says that a segment could not be read as far as it should.
type shortRead struct {
	got, want int
	err       error // nil: the file ended
}

func (e *shortRead) Error() string { return fmt.Sprintf("read %d of %d: %v", e.got, e.want, e.err) }

// readError is WALReadRaiseError of xlogutils.c.
func (s *stream) readError(size xlog.SegmentSize, offset uint32, e *shortRead) error {
	name := size.Name(s.segment.key.tli, s.segment.key.number)
	if e.err != nil {
		return errorf(codeIOError, "could not read from WAL segment %s, offset %d: %s", name, offset, e.err)
	}
	return errorf(codeDataCorrupted, "could not read from WAL segment %s, offset %d: read %d of %d",
		name, offset, e.got, e.want)
}

// openSegment makes segment n the one that is read.
func (s *stream) openSegment(size xlog.SegmentSize, n xlog.SegmentNumber) error {
	files := s.tli.files(size, n)
	if s.segment != nil && s.segment.key.number == n && (!s.tli.historic || s.segment.key.tli == files[0]) {
		return nil
	}
	s.closeSegment()
	var err error
	for _, tli := range files {
		s.segment, err = s.segments.get(segmentKey{tli, n})
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errorf(codeUndefinedFile, "requested WAL segment %s has already been removed", size.Name(files[0], n))
	case err != nil:
		return errorf(codeIOError, "could not open WAL segment %s: %s", size.Name(files[0], n), err)
	}
	return nil
}

func (s *stream) closeSegment() {
	if s.segment != nil {
		s.segments.put(s.segment)
		s.segment = nil
	}
}
