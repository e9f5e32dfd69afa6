// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// Sync makes everything durable that was written before the call, content and names, and returns the end of it. It
// runs beside Write, in a goroutine of its own: what is written meanwhile is the next call's. Right after Begin it
// returns Begin's position, which on a new timeline is less than what it returned on the old one.
//
// What it returns is where a piece that Write got ends, or a segment: never the middle of a piece, of which those who send
// the log on could make a message that ends within a record. PostgreSQL's recovery takes it that a page which a record
// leaves is complete (XLogPageRead in xlogrecovery.c), so such a message can make it skip bytes for good. While the disk
// has no room for the segment after a full one of a data directory, the piece that filled the full one is not acknowledged.
func (d *Dir) Sync() (xlog.LSN, error) {
	d.syncMu.Lock()
	defer d.syncMu.Unlock()
	return d.sync()
}

// sync is Sync for a caller that holds syncMu.
func (d *Dir) sync() (xlog.LSN, error) {
	end, err := d.collect()
	if err != nil {
		return 0, err
	}
	for i, seg := range d.batch {
		if err := d.syncSegment(seg, d.batch[:i]); err != nil {
			return 0, err
		}
	}
	if err := d.syncNames(); err != nil {
		return 0, err
	}
	setNamed(d.batch)
	d.dropFinished()
	return d.acknowledge(end), nil
}

// collect notes what there is to sync, and its end.
func (d *Dir) collect() (xlog.LSN, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, d.err
	}
	d.batch = append(d.batch[:0], d.unfinished...)
	for _, seg := range d.batch {
		seg.pending, seg.close = seg.end, seg.sealed
	}
	return d.whole, nil
}

// syncSegment syncs one segment, and gives it the name or the mark that is due; the older ones have theirs.
func (d *Dir) syncSegment(seg *segment, older []*segment) error {
	if seg.pending > seg.synced {
		if err := d.syncFile(seg); err != nil {
			return err
		}
	}
	full := d.size.Number(seg.pending) != seg.number
	switch {
	case seg.finished:
		return nil
	case full:
		return d.finish(seg, older)
	case seg.current != d.openName(seg.name):
		return d.rename(seg, d.openName(seg.name), older)
	}
	return nil
}

// finish gives a full and synced segment its last name in an archive, its mark in a data directory.
func (d *Dir) finish(seg *segment, older []*segment) error {
	var err error
	if d.cfg.Partial {
		err = d.rename(seg, seg.name, older)
	} else {
		err = d.mark(seg.name)
	}
	seg.finished = err == nil
	return err
}

// rename gives a segment of an archive its next name, durable after syncNames. Before that the one it follows must
// have a durable name: were a segment found and the one before it not, nothing would tell that it is missing.
func (d *Dir) rename(seg *segment, name string, older []*segment) error {
	if n := len(older); n > 0 && !older[n-1].named {
		if err := d.syncNames(); err != nil {
			return err
		}
		setNamed(older)
	}
	if err := d.fs.Rename(d.file(seg.current), d.file(name)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	seg.current = name
	d.dirty = true
	return nil
}

func setNamed(segments []*segment) {
	for _, seg := range segments {
		seg.named = true
	}
}

func (d *Dir) syncFile(seg *segment) error {
	if !d.cfg.NoSync {
		if err := seg.sync(d.blocks); err != nil {
			return d.failed(fmt.Errorf("could not fsync segment %s: %w", seg.name, err))
		}
	}
	seg.synced = seg.pending
	return nil
}

// syncNames makes the changed names durable: those of the segments, and the marks that say which are complete.
func (d *Dir) syncNames() error {
	d.mu.Lock()
	dirty, marks := d.dirty, d.dirtyMarks
	d.dirty, d.dirtyMarks = false, false
	d.mu.Unlock()
	if dirty {
		if err := d.syncDir(d.cfg.Path); err != nil {
			return d.failed(fmt.Errorf("could not fsync directory %s: %w", d.cfg.Path, err))
		}
	}
	if marks {
		if err := d.syncDir(d.file(statusDirName)); err != nil {
			return d.failed(fmt.Errorf("could not fsync directory %s: %w", d.file(statusDirName), err))
		}
	}
	return nil
}

// failed makes the error of an fsync final.
func (d *Dir) failed(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail(err)
	return err
}

// dropFinished closes the segments of the batch that need nothing more.
func (d *Dir) dropFinished() {
	n := 0
	for n < len(d.batch) && d.batch[n].close {
		seg := d.batch[n]
		if err := seg.closeFiles(); err != nil {
			d.addProblem(fmt.Errorf("could not close segment %s: %w", seg.name, err))
		}
		if d.comp != nil && seg.finished {
			d.comp.add(seg.name)
		}
		n++
	}
	if n == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unfinished = append(d.unfinished[:0], d.unfinished[n:]...)
}

func (d *Dir) acknowledge(end xlog.LSN) xlog.LSN {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable = end
	return end
}
