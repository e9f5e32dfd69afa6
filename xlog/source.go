// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Source gives a Reader the bytes of the log.
type Source interface {
	// ReadAt reads bytes of timeline tli from position lsn on into p, as io.ReaderAt does: n < len(p) comes with an
	// error. p never reaches over the end of a segment. io.EOF means that the source has no bytes there, or none
	// yet; fs.ErrNotExist, that it has not got the segment on that timeline. Any other error is an I/O error.
	ReadAt(tli TimelineID, p []byte, lsn LSN) (n int, err error)
}

// DirSource is the Source for a directory of complete segments such as pg_wal. It keeps the last segment's file
// open. It is not safe for concurrent use.
type DirSource struct {
	dir  string
	size SegmentSize

	file *os.File // segment seg of timeline tli, or nil
	tli  TimelineID
	seg  SegmentNumber
}

// NewDirSource reads the segments in dir.
func NewDirSource(dir string, size SegmentSize) *DirSource { return &DirSource{dir: dir, size: size} }

// ReadAt implements Source.
func (s *DirSource) ReadAt(tli TimelineID, p []byte, lsn LSN) (int, error) {
	if seg := s.size.Number(lsn); s.file == nil || s.tli != tli || s.seg != seg {
		if err := s.open(tli, seg); err != nil {
			return 0, err
		}
	}
	return s.file.ReadAt(p, int64(s.size.Offset(lsn)))
}

func (s *DirSource) open(tli TimelineID, seg SegmentNumber) error {
	f, err := os.Open(filepath.Join(s.dir, s.size.Name(tli, seg)))
	if err != nil {
		return err
	}
	_ = s.Close() // it was only read from
	s.file, s.tli, s.seg = f, tli, seg
	return nil
}

// Close closes the open file. The source may be used again.
func (s *DirSource) Close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}

// historySource reads a log that runs over several timelines. As a server does, it looks for a segment under the
// name of the newest timeline that has any part of it (its file begins with a copy of the ancestor's bytes), and
// only then under older ones, of which it uses nothing from their end on.
type historySource struct {
	src  Source
	size SegmentSize
	hist History

	seg SegmentNumber // segment that was read last
	tli TimelineID    // and the timeline it was found on; 0 for none
}

// readAt fills p, which lies in one segment, from lsn on.
func (s *historySource) readAt(p []byte, lsn LSN) (int, error) {
	seg := s.size.Number(lsn)
	if s.tli != 0 && s.seg == seg {
		if n, err := s.readTimeline(s.tli, p, lsn); n > 0 || !noBytes(err) {
			return n, err
		}
	}
	var first error
	for _, tli := range s.candidates(seg) {
		n, err := s.readTimeline(tli, p, lsn)
		if n > 0 || !noBytes(err) {
			s.seg, s.tli = seg, tli
			return n, err
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = io.EOF
	}
	return 0, first
}

// readTimeline reads from one timeline, up to where the log left it.
func (s *historySource) readTimeline(tli TimelineID, p []byte, lsn LSN) (int, error) {
	if end, _, ok := s.hist.SwitchPoint(tli); ok && end.Sub(lsn) < int64(len(p)) {
		if end <= lsn {
			return 0, io.EOF
		}
		n, err := s.src.ReadAt(tli, p[:end.Sub(lsn)], lsn)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return s.src.ReadAt(tli, p, lsn)
}

// candidates are the timelines that have a part of segment seg, newest first.
func (s *historySource) candidates(seg SegmentNumber) []TimelineID {
	start, end := s.size.Start(seg), s.size.Start(seg+1)
	newest := s.hist.TimelineAt(end - 1)
	list := []TimelineID{newest}
	for i := len(s.hist.Ancestors) - 1; i >= 0; i-- {
		if a := s.hist.Ancestors[i]; a.Timeline < newest && a.LSN > start {
			list = append(list, a.Timeline)
		}
	}
	return list
}

// noBytes tells whether err says that there is nothing to read, rather than that reading failed.
func noBytes(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) }
