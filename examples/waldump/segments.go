// SPDX-License-Identifier: Apache-2.0

package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/walmirror/walmirror/xlog"
)

// compressedSuffixes end the names of compressed segments, as pg_receivewal and waldir write them.
var compressedSuffixes = []string{".gz", ".lz4", ".zst"}

// segmentFile is an open segment.
type segmentFile interface {
	io.ReaderAt
	io.Closer
}

// openSegment opens the segment name of a directory: the plain one, a compressed one, or what there is of one that is
// still received.
func openSegment(dir, name string) (segmentFile, error) {
	for _, stage := range []string{"", xlog.PartialSuffix} {
		for _, suffix := range append([]string{""}, compressedSuffixes...) {
			f, err := os.Open(filepath.Join(dir, name+suffix+stage))
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return nil, fmt.Errorf("could not open file \"%s\": %s", name+suffix+stage, reason(err))
			case suffix == "":
				return f, nil
			}
			return &packed{file: f, suffix: suffix}, nil
		}
	}
	return nil, fmt.Errorf("could not find file \"%s\": No such file or directory%w", name, notExist{})
}

// notExist is fs.ErrNotExist without its text.
type notExist struct{}

func (notExist) Error() string        { return "" }
func (notExist) Is(target error) bool { return target == fs.ErrNotExist }

// packed reads a compressed segment forward; going back starts again.
type packed struct {
	file   *os.File
	suffix string
	plain  io.Reader // nil: not begun
	close  func()
	offset int64 // of the next byte of plain
}

func (s *packed) ReadAt(p []byte, off int64) (int, error) {
	if s.plain == nil || off < s.offset {
		if err := s.restart(); err != nil {
			return 0, err
		}
	}
	skipped, err := io.CopyN(io.Discard, s.plain, off-s.offset)
	s.offset += skipped
	if err != nil {
		return 0, s.end(err)
	}
	n, err := io.ReadFull(s.plain, p)
	s.offset += int64(n)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, s.end(err)
}

// end takes a file that breaks off for one that is still being written, if its name says so.
func (s *packed) end(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && strings.HasSuffix(s.file.Name(), xlog.PartialSuffix) {
		return io.EOF
	}
	return err
}

func (s *packed) restart() error {
	s.stop()
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch s.suffix {
	case ".gz":
		z, err := gzip.NewReader(s.file)
		if err != nil {
			return s.end(err)
		}
		s.plain = z
	case ".lz4":
		s.plain = lz4.NewReader(s.file)
	default:
		z, err := zstd.NewReader(s.file, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return s.end(err)
		}
		s.plain, s.close = z, z.Close
	}
	s.offset = 0
	return nil
}

func (s *packed) stop() {
	if s.close != nil {
		s.close()
	}
	s.plain, s.close = nil, nil
}

func (s *packed) Close() error {
	s.stop()
	return s.file.Close()
}

// errStop is the answer of segments behind the end that the user gave.
var errStop = fmt.Errorf("given end of WAL: %w", io.EOF)

// segments is the xlog.Source for a place. It keeps one file open.
type segments struct {
	*place
	r      *xlog.Reader // nil: not begun
	file   segmentFile  // nil: none
	number xlog.SegmentNumber
}

// ReadAt implements xlog.Source.
func (s *segments) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	stop := error(nil)
	if s.to != 0 && lsn.Add(len(p)) > s.to {
		if lsn >= s.to {
			return 0, errStop
		}
		p, stop = p[:s.to.Sub(lsn)], errStop
	}
	if number := s.size.Number(lsn); s.file == nil || s.number != number {
		if err := s.open(tli, number); err != nil {
			return 0, err
		}
	}
	n, err := s.file.ReadAt(p, int64(s.size.Offset(lsn)))
	if n < len(p) {
		s.Close() // it may have become another file
		return n, err
	}
	return n, stop
}

func (s *segments) open(tli xlog.TimelineID, number xlog.SegmentNumber) error {
	s.Close()
	f, err := openSegment(s.dir, s.size.Name(tli, number))
	s.file, s.number = f, number
	if err != nil {
		s.file = nil
	}
	return err
}

// Close closes the open file; it was only read from.
func (s *segments) Close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// reader begins to read at lsn. It is the Reader of the call before, if there was one.
func (s *segments) reader(lsn xlog.LSN) *xlog.Reader {
	if s.r != nil {
		s.r.Reset(lsn)
		return s.r
	}
	s.r = xlog.NewReader(xlog.ReaderConfig{
		Dialect: s.dialect, SegmentSize: s.size, History: xlog.History{Timeline: s.tli}, Source: s, Start: lsn,
	})
	return s.r
}
