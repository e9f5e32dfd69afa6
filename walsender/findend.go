// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// errNoSegments says that a directory holds no log.
var errNoSegments = errors.New("no WAL segments there")

// findEnd finds the newest timeline and the end of its last record. It reads the records of the newest segment, and of
// earlier ones only while none begins in it.
func (d *DirSource) findEnd() (xlog.TimelineID, xlog.LSN, error) {
	all, err := d.files.Extents()
	if err != nil {
		return 0, 0, err
	}
	if len(all) == 0 {
		return 0, 0, errNoSegments
	}
	newest := all[len(all)-1]
	history, err := ReadHistory(d, newest.Timeline)
	if err != nil {
		return 0, 0, err
	}
	for n := newest.Last + 1; n > newest.First; n-- {
		end, err := d.lastRecord(history, n-1)
		if err != nil {
			return 0, 0, err
		}
		if end != 0 {
			return newest.Timeline, end, nil
		}
	}
	return 0, 0, fmt.Errorf("no end of the log found on timeline %d: %w", newest.Timeline, errNoSegments)
}

// lastRecord is the end of the last record from segment n on, 0 when there is none: the segment was made for the future,
// or holds the middle of a long record.
func (d *DirSource) lastRecord(history xlog.History, n xlog.SegmentNumber) (end xlog.LSN, err error) {
	source := &segmentReader{source: d, size: d.id.SegmentSize}
	defer source.Close()
	r := xlog.NewReader(xlog.ReaderConfig{
		Dialect: d.id.Dialect, SegmentSize: d.id.SegmentSize, SystemID: d.id.SystemID, History: history,
		Source: source, Start: d.id.SegmentSize.Start(n),
	})
	for {
		_, err := r.Next()
		switch {
		case err == nil:
			end = r.End()
		case errors.Is(err, xlog.ErrIO):
			return 0, err
		default:
			return end, nil
		}
	}
}

// segmentReader reads a Source's segments as an xlog.Source, one after the other.
type segmentReader struct {
	source  Source
	size    xlog.SegmentSize
	open    Segment
	tli     xlog.TimelineID
	segment xlog.SegmentNumber
}

// ReadAt implements xlog.Source.
func (r *segmentReader) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	n := r.size.Number(lsn)
	if r.open == nil || r.tli != tli || r.segment != n {
		if err := r.Close(); err != nil {
			return 0, err
		}
		open, err := r.source.OpenSegment(tli, n)
		if err != nil {
			return 0, err
		}
		r.open, r.tli, r.segment = open, tli, n
	}
	return r.open.ReadAt(p, int64(r.size.Offset(lsn)))
}

// Close closes the segment that is open.
func (r *segmentReader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}
