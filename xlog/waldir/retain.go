// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// RemoveBefore removes the segments that lie wholly before keep, of every timeline, oldest first, and returns how
// many. It never removes a history file, the segment that Resume is derived from, or, in a data directory, one that
// the server still has to archive. Like RemoveOldXlogFiles in xlog.c it does not look at timelines: what is before
// keep on one timeline is not needed on another.
func (d *Dir) RemoveBefore(keep xlog.LSN) (n int, err error) {
	d.syncMu.Lock()
	defer d.syncMu.Unlock()
	if err := d.sticky(); err != nil {
		return 0, err
	}
	old, err := d.segmentsBefore(d.size.Number(min(keep, d.lastByte())))
	if err != nil || len(old) == 0 {
		return 0, err
	}
	d.read.close()
	d.setDirty()
	for _, e := range old {
		removed, err := d.removeSegment(e)
		if err != nil {
			return n, errors.Join(err, d.syncNames())
		}
		if removed {
			n++
		}
	}
	return n, d.syncNames()
}

// lastByte is the position of the last byte that Resume knows to be there.
func (d *Dir) lastByte() xlog.LSN {
	_, lsn, _ := d.Resume()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, seg := range d.unfinished {
		lsn = min(lsn, d.size.Start(seg.number)+1)
	}
	return max(lsn, 1) - 1
}

func (d *Dir) segmentsBefore(limit xlog.SegmentNumber) ([]entry, error) {
	found, err := d.scan()
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(found.segments, func(e entry) bool { return e.number >= limit })
	slices.SortStableFunc(old, func(a, b entry) int { return cmp.Compare(a.number, b.number) })
	return old, nil
}

// removeSegment removes a segment and its mark.
func (d *Dir) removeSegment(e entry) (bool, error) {
	if d.cfg.Partial {
		return true, d.removeIfExists(d.file(e.name))
	}
	if waiting, err := vfs.Exists(d.fs, d.statusFile(e.name, readySuffix)); waiting || err != nil {
		return false, err
	}
	if err := d.removeIfExists(d.file(e.name)); err != nil {
		return false, err
	}
	return true, d.removeIfExists(d.statusFile(e.name, doneSuffix))
}

// removeAhead removes files of segments that an earlier process wrote or prepared ahead, except those that will be
// written again from segment first on timeline tli.
func (d *Dir) removeAhead(tli xlog.TimelineID, first xlog.SegmentNumber) error {
	if !d.cfg.Partial {
		return nil
	}
	found, err := d.scan()
	if err != nil {
		return err
	}
	for _, e := range found.segments {
		if e.stage == stageAhead && (e.tli != tli || e.number < first) {
			if err := d.removeIfExists(d.file(e.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Dir) removeIfExists(path string) error {
	if err := d.fs.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *Dir) setDirty() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirty = true
}
