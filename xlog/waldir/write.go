// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"fmt"
	"os"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Begin says that the next Write starts at lsn on timeline tli: the start of a segment, or exactly where writing
// stands. On a change of position everything written before is made durable first; the unfinished segment of the
// old timeline stays under the name it has, NAME.partial in an archive.
func (d *Dir) Begin(tli xlog.TimelineID, lsn xlog.LSN) error {
	if tli == 0 || !lsn.Valid() {
		return fmt.Errorf("%w: cannot begin at %s on timeline %s", ErrPosition, lsn, tli)
	}
	if err := d.leave(tli, lsn); err != nil {
		return err
	}
	if d.cfg.Partial || d.cur != nil {
		return nil
	}
	return d.openSegment(tli, lsn)
}

// leave ends the present position unless lsn on tli continues it, and sets the new one.
func (d *Dir) leave(tli xlog.TimelineID, lsn xlog.LSN) error {
	d.mu.Lock()
	same := d.started && tli == d.tli && lsn == d.pos
	from, err := d.pos, d.err
	if same && d.cur != nil {
		d.whole = lsn // the caller goes on within a piece that failed
	}
	d.mu.Unlock()
	if err != nil || same {
		return err
	}
	if d.size.Offset(lsn) != 0 {
		return fmt.Errorf("%w: cannot begin at %s, which is neither a segment's start nor the end of what was written, %s",
			ErrPosition, lsn, from)
	}
	d.seal()
	d.syncMu.Lock()
	defer d.syncMu.Unlock()
	if _, err := d.sync(); err != nil {
		return err
	}
	if err := d.prep.drop(); err != nil {
		return err
	}
	if err := d.removeAhead(tli, d.size.Number(lsn)); err != nil {
		return err
	}
	if err := d.read.close(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started, d.tli, d.pos, d.whole, d.durable = true, tli, lsn, lsn, lsn
	return nil
}

// seal ends writing to the current segment.
func (d *Dir) seal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cur != nil {
		d.cur.sealed = true
		d.cur = nil
	}
}

// Write stores p, which starts at lsn and must follow what was written before. It does not keep p. After an error
// Resume says how far it came.
func (d *Dir) Write(lsn xlog.LSN, p []byte) error {
	if err := d.checkWrite(lsn); err != nil {
		return err
	}
	for len(p) > 0 {
		if d.cur == nil {
			if err := d.openSegment(d.tli, lsn); err != nil {
				return err
			}
		}
		n, err := d.writeChunk(lsn, p)
		if err != nil {
			return err
		}
		lsn, p = lsn.Add(n), p[n:]
	}
	return nil
}

func (d *Dir) checkWrite(lsn xlog.LSN) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	if !d.started || lsn != d.pos {
		return fmt.Errorf("%w: got data for %s, expected %s", ErrPosition, lsn, d.pos)
	}
	return nil
}

// WriteFile is Write of n bytes within one segment that fill writes to the segment's file itself, at offset and no others.
// done tells whether it did so; without an error it is false where a file is not the operating system's, and nothing was
// written. After an error of fill the same position may be written again.
func (d *Dir) WriteFile(lsn xlog.LSN, n int, fill func(f *os.File, offset int64) error) (done bool, err error) {
	if err := d.checkWrite(lsn); err != nil {
		return false, err
	}
	offset := d.size.Offset(lsn)
	if n <= 0 || n > int(uint32(d.size)-offset) {
		return false, fmt.Errorf("%w: %d bytes at %s are not within a segment", ErrPosition, n, lsn)
	}
	if d.cur == nil {
		if err := d.openSegment(d.tli, lsn); err != nil {
			return false, err
		}
	}
	f, ok := vfs.OSFile(d.cur.file)
	if !ok {
		return false, nil
	}
	err = d.cur.leave()
	if err == nil {
		err = fill(f, int64(offset))
		d.cur.tail.cached.Store(true)
	}
	if err != nil {
		return false, fmt.Errorf("could not write to segment %s at offset %d: %w", d.cur.name, offset, err)
	}
	return true, d.wrote(d.cur, lsn, n)
}

// writeChunk writes the part of p that belongs to the current segment, and leaves the segment when it is full.
func (d *Dir) writeChunk(lsn xlog.LSN, p []byte) (int, error) {
	seg, offset := d.cur, d.size.Offset(lsn)
	p = p[:min(len(p), int(uint32(d.size)-offset))]
	n, err := seg.write(p, int64(offset))
	if err != nil {
		d.advance(seg, lsn.Add(n), false)
		return n, fmt.Errorf("could not write to segment %s at offset %d: %w", seg.name, int(offset)+n, err)
	}
	return n, d.wrote(seg, lsn, n)
}

// prepareAt is the part of a segment, one of so many, behind which the file of the next one is prepared.
const prepareAt = 8

// wrote follows n bytes that were written to a segment at lsn.
func (d *Dir) wrote(seg *segment, lsn xlog.LSN, n int) error {
	end := lsn.Add(n)
	if d.advance(seg, end, true) {
		return d.nextSegment(end)
	}
	d.writeZeros(seg, end, n)
	if at := uint32(d.size / prepareAt); d.size.Offset(lsn) < at && d.size.Offset(end) >= at {
		d.prep.ask(d.size.Name(seg.tli, seg.number+1))
	}
	return nil
}

// advance takes note that everything up to end was written, and whether the segment is full now. Behind a full one of a
// data directory whole stays until the next file is there: without it Resume would go back to the start of the full one,
// which the server may have removed once it heard of the segment's end.
func (d *Dir) advance(seg *segment, end xlog.LSN, whole bool) (full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pos, seg.end = end, end
	full = d.size.Number(end) != seg.number
	if whole && (!full || d.cfg.Partial) {
		d.whole = end
	}
	if !full {
		return false
	}
	seg.sealed = true
	d.cur = nil
	return true
}

// nextSegment follows a full segment. In a data directory the next file is made at once: it is what tells Resume
// that the full one needs not be received again.
func (d *Dir) nextSegment(pos xlog.LSN) error {
	if d.countUnfinished() >= maxUnfinished {
		if _, err := d.Sync(); err != nil {
			return err
		}
	}
	if d.cfg.Partial {
		return nil
	}
	return d.openSegment(d.tli, pos)
}

func (d *Dir) countUnfinished() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.unfinished)
}
