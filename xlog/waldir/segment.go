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

	tail  tail
	zeros xlog.LSN // up to here were written ahead; owner: Write

	// Guarded by Dir.mu.
	current string   // the file's name at present
	end     xlog.LSN // bytes up to here were written
	sealed  bool     // nothing more will be written

	// Owned by Dir.syncMu.
	pending  xlog.LSN // end as the running Sync saw it
	close    bool     // sealed as the running Sync saw it
	synced   xlog.LSN // bytes up to here were fsynced
	named    bool     // a crash leaves it NAME.partial or better
	finished bool     // full, synced, and named or marked so
}

// openSegment makes the file of the segment that starts or goes on at pos the current one.
func (d *Dir) openSegment(tli xlog.TimelineID, pos xlog.LSN) error {
	number := d.size.Number(pos)
	name := d.size.Name(tli, number)
	f, err := d.prep.take(name)
	if err != nil {
		return fmt.Errorf("could not open segment %s: %w", name, err)
	}
	seg := &segment{
		tli: tli, number: number, name: name,
		file: f.File, fresh: f.fresh, current: f.name,
		end: pos, synced: pos, named: f.name == d.openName(name) && !d.cfg.Partial,
	}
	if err = d.openDirect(seg); err == nil {
		err = d.publishFirst(seg)
	}
	if err != nil {
		return errors.Join(err, seg.closeFiles())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cur, d.whole = seg, pos
	d.unfinished = append(d.unfinished, seg)
	return nil
}

// publishFirst gives a segment its name at once when no older one has to be finished before.
func (d *Dir) publishFirst(seg *segment) error {
	name := d.openName(seg.name)
	if seg.current == name || d.countUnfinished() > 0 {
		return nil
	}
	return d.rename(seg, name, nil)
}

// segmentFile is the open file of a segment that is going to be written.
type segmentFile struct {
	vfs.File
	name  string // in the directory
	fresh bool   // it was made just now
}

// openSegmentFile opens what an earlier run left of a segment, or makes its file.
func (d *Dir) openSegmentFile(segment string) (segmentFile, error) {
	f, err := d.openExisting(d.openName(segment))
	if d.cfg.Partial && errors.Is(err, fs.ErrNotExist) {
		f, err = d.openExisting(segment + aheadSuffix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return d.create(segment)
	}
	return f, err
}

// openExisting opens a file that an earlier run left. Its content stays until it is overwritten with the same bytes,
// so that a crash in between loses nothing. A length that is not a segment's is corrected; a file that is longer
// belongs to something else and is moved aside.
func (d *Dir) openExisting(name string) (segmentFile, error) {
	st, err := d.fs.Stat(d.file(name))
	if err != nil {
		return segmentFile{}, err
	}
	if st.Size() > int64(d.size) {
		return segmentFile{}, d.moveAside(name)
	}
	f, err := d.openFull(name)
	return segmentFile{File: f, name: name}, err
}

// moveAside gives the file another name and reports fs.ErrNotExist for the old one.
func (d *Dir) moveAside(name string) error {
	if err := d.fs.Rename(d.file(name), d.file(name+asideSuffix)); err != nil {
		return err
	}
	d.addProblem(fmt.Errorf("segment file %q is longer than a segment: renamed to %q", name, name+asideSuffix))
	return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// create makes the file of a segment. In a data directory it has its final name when this returns, durably and with
// its full length, so that names of later segments are never found without it.
func (d *Dir) create(segment string) (segmentFile, error) {
	if d.cfg.Partial {
		name := segment + aheadSuffix
		f, err := d.openFull(name)
		if err != nil {
			return segmentFile{}, errors.Join(err, d.removeIfExists(d.file(name)))
		}
		return segmentFile{f, name, true}, nil
	}
	temp := d.temp(segment)
	f, err := d.openFull(temp)
	if err == nil && !d.cfg.NoSync {
		err = f.Sync()
	}
	if err == nil {
		err = d.fs.Rename(d.file(temp), d.file(segment))
	}
	if err != nil {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
		return segmentFile{}, errors.Join(err, d.removeIfExists(d.file(temp)))
	}
	if err := d.syncDir(d.cfg.Path); err != nil {
		return segmentFile{}, errors.Join(d.failed(err), f.Close())
	}
	return segmentFile{f, segment, true}, nil
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
