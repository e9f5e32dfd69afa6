// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/walmirror/walmirror/xlog"
)

// Files reads a WAL directory of either layout that somebody else writes, or nobody. It takes no lock and changes
// nothing. It is safe for concurrent use.
type Files struct{ dir Dir }

// View reads the directory that cfg describes. Nothing is opened before it is asked for.
func View(cfg Config) (*Files, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Files{Dir{cfg: cfg, fs: cfg.FS, size: cfg.SegmentSize}}, nil
}

// A Segment is the WAL in one segment's file, uncompressed. Behind what is there ReadAt returns io.EOF.
type Segment interface {
	io.ReaderAt
	io.Closer
}

// OpenSegment opens a segment whatever name and compression it has; fs.ErrNotExist says that it is not there. What it
// returns stays readable when the file is renamed, compressed or removed. That of a compressed segment reads forward
// and belongs to one goroutine; any other is safe for concurrent use. How much of it is WAL, the caller must know.
func (f *Files) OpenSegment(tli xlog.TimelineID, n xlog.SegmentNumber) (Segment, error) {
	s, err := f.dir.findSource(position{tli, n}, "")
	if errors.Is(err, fs.ErrNotExist) { // it may have got its next name between two looks
		s, err = f.dir.findSource(position{tli, n}, "")
	}
	return s, err
}

// ReadHistory is Dir.ReadHistory.
func (f *Files) ReadHistory(tli xlog.TimelineID) ([]byte, error) { return f.dir.ReadHistory(tli) }

// Extent is what a directory holds of one timeline: from the first to the last segment, complete or not.
type Extent struct {
	Timeline    xlog.TimelineID
	First, Last xlog.SegmentNumber
}

// Extents lists the timelines of which segments are there, oldest first. There may be gaps in between.
func (f *Files) Extents() ([]Extent, error) {
	list, err := f.dir.fs.ReadDir(f.dir.cfg.Path)
	if err != nil {
		return nil, err
	}
	var segments []entry
	for _, e := range list {
		if segment, ok := parseEntry(f.dir.size, e.Name()); ok {
			segments = append(segments, segment)
		}
	}
	return extents(segments), nil
}

func extents(segments []entry) []Extent {
	byTimeline := make(map[xlog.TimelineID]*Extent)
	for _, e := range segments {
		if e.stage == stageAhead {
			continue
		}
		x := byTimeline[e.tli]
		if x == nil {
			x = &Extent{Timeline: e.tli, First: e.number, Last: e.number}
			byTimeline[e.tli] = x
		}
		x.First, x.Last = min(x.First, e.number), max(x.Last, e.number)
	}
	var all []Extent
	for _, tli := range slices.Sorted(maps.Keys(byTimeline)) {
		all = append(all, *byTimeline[tli])
	}
	return all
}
