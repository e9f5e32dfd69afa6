// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// reader keeps the file open that was read last.
type reader struct {
	mu     sync.Mutex
	at     position
	source source // nil: none
}

// source is the WAL in one file.
type source interface {
	io.ReaderAt
	io.Closer
}

// ReadAt reads WAL of timeline tli from lsn on, across segments, whatever name or compression they have. Beyond
// what was written to the present segment it returns io.EOF; an older unfinished segment reads to its full length,
// with what is in it, zeros at first. When nothing of lsn's segment is there the error is fs.ErrNotExist. As with
// io.ReaderAt, fewer bytes than asked for come with an error, which is io.EOF at the end of what is stored.
//
// The caller picks the timeline: a segment in which timelines change exists once for each of them.
func (d *Dir) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	d.read.mu.Lock()
	defer d.read.mu.Unlock()
	if d.isClosed() {
		return 0, ErrClosed
	}
	total := 0
	for len(p) > 0 {
		n := min(len(p), int(uint32(d.size)-d.size.Offset(lsn)))
		n, err := d.readSegment(tli, p[:n], lsn)
		total, p, lsn = total+n, p[n:], lsn.Add(n)
		if errors.Is(err, fs.ErrNotExist) && total > 0 {
			return total, io.EOF
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (d *Dir) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// readSegment fills p, which lies in one segment, or returns an error.
func (d *Dir) readSegment(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	at := position{tli, d.size.Number(lsn)}
	end, current, tail := d.writing(at)
	if end <= lsn {
		return 0, io.EOF
	}
	if err := d.openSource(at, current); err != nil {
		return 0, err
	}
	want := min(len(p), int(end-lsn))
	stored := want
	if tail != nil {
		stored = tail.read(p[:want], int64(d.size.Offset(lsn)))
	}
	n, err := d.read.source.ReadAt(p[:stored], int64(d.size.Offset(lsn)))
	if n == stored {
		n = want
	}
	if n < want && err != nil && err != io.EOF {
		return n, fmt.Errorf("could not read segment %s at offset %d: %w",
			d.size.Name(tli, at.number), d.size.Offset(lsn), err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// writing returns how far a segment may be read, and its file's name and its tail if it is being written.
func (d *Dir) writing(at position) (end xlog.LSN, current string, t *tail) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, seg := range d.unfinished {
		if seg.tli == at.tli && seg.number == at.number {
			if seg.fresh {
				return seg.end, seg.current, &seg.tail
			}
			return d.size.Start(at.number + 1), seg.current, nil
		}
	}
	return d.size.Start(at.number + 1), "", nil
}

// openSource makes the segment's file the open one.
func (d *Dir) openSource(at position, current string) error {
	if d.read.source != nil && d.read.at == at {
		return nil
	}
	if err := d.read.reset(); err != nil {
		return err
	}
	s, err := d.findSource(at, current)
	if errors.Is(err, fs.ErrNotExist) {
		// It may have got its next name between two looks.
		s, err = d.findSource(at, "")
	}
	if err != nil {
		return err
	}
	d.read.source, d.read.at = s, at
	return nil
}

// findSource opens the best file there is: the one being written, a complete one, one received in part.
func (d *Dir) findSource(at position, current string) (source, error) {
	name := d.size.Name(at.tli, at.number)
	if current != "" {
		return d.openPlain(current)
	}
	if f, err := d.openComplete(name); !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if d.cfg.Partial {
		return d.openArchived(name)
	}
	return nil, fmt.Errorf("segment %s: %w", name, fs.ErrNotExist)
}

// openArchived opens what there is of a segment that is not complete and uncompressed.
func (d *Dir) openArchived(name string) (source, error) {
	for _, stage := range []string{"", xlog.PartialSuffix} {
		for m := NoCompression; int(m) < len(methods); m++ {
			if m == NoCompression && stage == "" {
				continue
			}
			s, err := d.openFile(name+m.suffix()+stage, m)
			if !errors.Is(err, fs.ErrNotExist) {
				return s, err
			}
		}
	}
	return d.openFile(name+aheadSuffix, NoCompression)
}

// openComplete opens an uncompressed complete segment. One of the wrong size is none.
func (d *Dir) openComplete(name string) (source, error) {
	f, err := d.openPlain(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() != int64(d.size) {
		err = fmt.Errorf("segment file %s has %d bytes: %w", name, st.Size(), fs.ErrNotExist)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d *Dir) openPlain(name string) (vfs.File, error) {
	return d.fs.OpenFile(d.file(name), os.O_RDONLY, 0)
}

func (d *Dir) openFile(name string, m Method) (source, error) {
	f, err := d.openPlain(name)
	if err != nil {
		return nil, err
	}
	if m == NoCompression {
		return f, nil
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &compressedSource{
		file: f, length: st.Size(), method: m, partial: strings.HasSuffix(name, xlog.PartialSuffix),
	}, nil
}

// reset closes the open file. The caller holds mu.
func (r *reader) reset() error {
	if r.source == nil {
		return nil
	}
	err := r.source.Close()
	r.source = nil
	return err
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reset()
}

// compressedSource reads a compressed segment forward; going back starts again.
type compressedSource struct {
	file    vfs.File
	length  int64
	method  Method
	partial bool          // it was still being written
	plain   io.ReadCloser // nil: not begun
	offset  int64         // of the next byte of plain
}

func (s *compressedSource) ReadAt(p []byte, off int64) (int, error) {
	if s.plain == nil || off < s.offset {
		if err := s.restart(); err != nil {
			return 0, s.end(err)
		}
	}
	skipped, err := io.CopyN(io.Discard, s.plain, off-s.offset)
	s.offset += skipped
	if err != nil {
		return 0, s.end(err)
	}
	n, err := readFull(s.plain, p)
	s.offset += int64(n)
	return n, s.end(err)
}

// end tells a file that was still being written, which may stop anywhere, from a damaged one.
func (s *compressedSource) end(err error) error {
	if s.partial && errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// readFull is io.ReadFull that leaves the reader's error as it is.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

func (s *compressedSource) restart() error {
	if s.plain != nil {
		if err := s.plain.Close(); err != nil {
			return err
		}
	}
	var err error
	s.offset = 0
	s.plain, err = s.method.newReader(io.NewSectionReader(s.file, 0, s.length))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (s *compressedSource) Close() error {
	if s.plain != nil {
		s.plain.Close()
	}
	return s.file.Close()
}
