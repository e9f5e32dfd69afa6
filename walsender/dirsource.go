// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"io/fs"
	"os"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// DirSource is the log in a WAL directory: an archive as receivewal and pg_receivewal write it, compressed segments
// too, or pg_wal of a data directory. Whoever writes the directory says how far it has come, with SetFlush, Announce or
// Update; the directory itself is not watched.
type DirSource struct {
	Announcer
	id    Identity
	files *waldir.Files
}

// NewDirSource reads the directory that dir describes. Nothing can be sent before the first SetFlush.
func NewDirSource(id Identity, dir waldir.Config) (*DirSource, error) {
	if dir.SegmentSize == 0 {
		dir.SegmentSize = id.SegmentSize
	}
	files, err := waldir.View(dir)
	if err != nil {
		return nil, err
	}
	if id.SegmentSize != dir.SegmentSize {
		return nil, errors.New("walsender: the directory's segment size is not that of the identity")
	}
	return &DirSource{id: id, files: files}, nil
}

// Identity implements Source.
func (d *DirSource) Identity() Identity { return d.id }

// ReadHistory implements Source.
func (d *DirSource) ReadHistory(tli xlog.TimelineID) ([]byte, error) { return d.files.ReadHistory(tli) }

// OpenSegment implements Source.
func (d *DirSource) OpenSegment(tli xlog.TimelineID, n xlog.SegmentNumber) (Segment, error) {
	s, err := d.files.OpenSegment(tli, n)
	if err != nil {
		return nil, err
	}
	if f, ok := vfs.OSFile(s); ok {
		return fileSegment{s, f}, nil
	}
	return s, nil
}

// fileSegment is a segment that is a file of the operating system.
type fileSegment struct {
	Segment
	file *os.File
}

func (s fileSegment) File() *os.File { return s.file }

// SetFlush says that everything below flush on timeline tli is durable in the directory. On a timeline other than the
// last one it reads the history file, which must be there; that timeline is offered once it is durable from where it
// branched off, for its files then hold the end of the one before. Log that is received once more is the same as before,
// so a lower flush changes nothing.
func (d *DirSource) SetFlush(tli xlog.TimelineID, flush xlog.LSN) error {
	if pos := d.Position(); pos.Timeline == tli {
		if flush > pos.Flush {
			d.Update(func(p *Position) { p.Flush = flush })
		}
		return nil
	}
	history, err := ReadHistory(d, tli)
	if err != nil {
		return err
	}
	if n := len(history.Ancestors); n > 0 && flush < history.Ancestors[n-1].LSN {
		return nil
	}
	d.Update(func(p *Position) { p.Timeline, p.History, p.Flush = tli, history, flush })
	return nil
}

// Scan finds the end of the log in a directory that nobody writes, by reading the records of its newest segments, and
// announces it.
func (d *DirSource) Scan() error {
	tli, end, err := d.findEnd()
	if err != nil {
		return err
	}
	return d.SetFlush(tli, end)
}

// ReadHistory reads and parses a timeline's history file. Timeline 1 has none, and one that is missing is empty.
func ReadHistory(s Source, tli xlog.TimelineID) (xlog.History, error) {
	content, err := s.ReadHistory(tli)
	if errors.Is(err, fs.ErrNotExist) {
		return xlog.History{Timeline: tli}, nil
	}
	if err != nil {
		return xlog.History{}, err
	}
	return xlog.ParseHistory(tli, content)
}
