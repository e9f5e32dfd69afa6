// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// segment is a file that is being written or waits to be finished.
type segment struct {
	tli    xlog.TimelineID
	number xlog.SegmentNumber
	name   string // without suffix
	file   vfs.File
	fresh  bool // made by this Dir: beyond end it was never written

	// Guarded by Dir.mu.
	current string   // the file's name at present
	end     xlog.LSN // bytes up to here were written
	sealed  bool     // nothing more will be written

	// Owned by Dir.syncMu.
	pending  xlog.LSN // end as the running Sync saw it
	close    bool     // sealed as the running Sync saw it
	synced   xlog.LSN // bytes up to here were fsynced
	finished bool     // full, synced, and named or marked so
}

// openSegment makes or reopens the file of the segment that holds pos and makes it current.
func (d *Dir) openSegment(tli xlog.TimelineID, pos xlog.LSN) error {
	number := d.size.Number(pos)
	seg := &segment{tli: tli, number: number, name: d.size.Name(tli, number), end: pos, synced: pos}
	if err := d.openExisting(seg); errors.Is(err, fs.ErrNotExist) {
		err = d.openPrepared(seg)
		if err != nil {
			return fmt.Errorf("could not make segment %s: %w", seg.name, err)
		}
	} else if err != nil {
		return fmt.Errorf("could not open segment %s: %w", seg.name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cur = seg
	d.unfinished = append(d.unfinished, seg)
	d.dirty, d.stuck = true, false
	return nil
}

// openExisting opens the file that an earlier run left under the name of a segment being received. Its content
// stays until it is overwritten with the same bytes, so that a crash in between loses nothing. A length that is not
// the segment's is corrected; a file that is longer belongs to something else and is moved aside.
func (d *Dir) openExisting(seg *segment) error {
	name := d.openName(seg.name)
	st, err := d.fs.Stat(d.file(name))
	if err != nil {
		return err
	}
	if st.Size() > int64(d.size) {
		return d.moveAside(name)
	}
	seg.file, err = d.openFull(name)
	seg.current = name
	return err
}

// moveAside gives the file another name and reports fs.ErrNotExist for the old one.
func (d *Dir) moveAside(name string) error {
	if err := d.fs.Rename(d.file(name), d.file(name+asideSuffix)); err != nil {
		return err
	}
	d.addProblem(fmt.Errorf("segment file %q is longer than a segment: renamed to %q", name, name+asideSuffix))
	return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// openFull opens or creates a file and sees to it that it has a segment's length.
func (d *Dir) openFull(name string) (vfs.File, error) {
	f, err := d.fs.OpenFile(d.file(name), os.O_RDWR|os.O_CREATE, vfs.FileMode)
	if err != nil {
		return nil, err
	}
	if err := f.Preallocate(int64(d.size)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openPrepared takes the prepared file. It gets the name of a segment being received at once, except in an archive
// where an older segment is still to be finished.
func (d *Dir) openPrepared(seg *segment) error {
	var err error
	seg.file, err = d.prep.take(seg.name)
	if err != nil {
		return err
	}
	seg.current, seg.fresh = d.preparedName(seg.name), true
	if d.cfg.Partial && d.anyUnfinished() {
		return nil
	}
	if err := d.rename(seg, d.openName(seg.name)); err != nil {
		return errors.Join(err, seg.file.Close())
	}
	return nil
}

func (d *Dir) anyUnfinished() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.unfinished) > 0
}

// rename gives the segment's file another name. It is durable after the directory is synced.
func (d *Dir) rename(seg *segment, name string) error {
	if err := d.fs.Rename(d.file(seg.current), d.file(name)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	seg.current = name
	d.dirty = true
	return nil
}
