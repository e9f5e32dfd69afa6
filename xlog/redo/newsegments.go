// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// newSegments are the segments that a new timeline begins with, the sink of its Writer. Until publish they have names that
// nobody looks at and every server removes.
type newSegments struct {
	fs     vfs.FS
	dir    string // pg_wal
	perm   fs.FileMode
	size   xlog.SegmentSize
	tli    xlog.TimelineID
	open   []newSegment
	public bool
}

type newSegment struct {
	name  string
	file  vfs.File
	dirty bool
}

// tempPrefix is that of files in pg_wal that have not got their name yet (RemoveTempXlogFiles).
const tempPrefix = "xlogtemp."

// init removes what a promotion that did not come to its history file left of the timeline.
func (s *newSegments) init(fsys vfs.FS, dir *pgdata.DataDir, tli xlog.TimelineID) error {
	perm, err := pgdata.FileMode(fsys, dir.Path)
	if err != nil {
		return err
	}
	*s = newSegments{fs: fsys, dir: dir.WALPath(), perm: perm, size: dir.SegmentSize, tli: tli}
	return removeSegments(fsys, s.dir, func(name string) bool {
		t, _, err := s.size.ParseName(name)
		return err == nil && t == tli
	})
}

// removeSegments removes segments, durably.
func removeSegments(fsys vfs.FS, dir string, which func(name string) bool) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	removed := false
	for _, e := range entries {
		if !xlog.IsSegmentName(e.Name()) || !which(e.Name()) {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return fsys.SyncDir(dir)
}

// Write implements xlog.LogSink.
func (s *newSegments) Write(lsn xlog.LSN, p []byte) error {
	for len(p) > 0 {
		seg, err := s.segment(s.size.Number(lsn))
		if err != nil {
			return err
		}
		off := s.size.Offset(lsn)
		n := min(len(p), int(uint32(s.size)-off))
		if _, err := seg.file.WriteAt(p[:n], int64(off)); err != nil {
			return err
		}
		seg.dirty = true
		lsn, p = lsn.Add(n), p[n:]
	}
	return nil
}

// segment finds a segment, or makes one of zeros.
func (s *newSegments) segment(n xlog.SegmentNumber) (*newSegment, error) {
	name := s.size.Name(s.tli, n)
	for i := range s.open {
		if s.open[i].name == name {
			return &s.open[i], nil
		}
	}
	f, err := s.fs.OpenFile(filepath.Join(s.dir, tempPrefix+name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, s.perm)
	if err != nil {
		return nil, err
	}
	s.open = append(s.open, newSegment{name: name, file: f, dirty: true})
	seg := &s.open[len(s.open)-1]
	if err := f.Preallocate(int64(s.size)); err != nil {
		return nil, err
	}
	if s.public {
		err = errors.Join(s.sync(), s.rename(name), s.fs.SyncDir(s.dir))
	}
	return seg, err
}

// publish makes the segments durable, gives them their names, and those durable too.
func (s *newSegments) publish() error {
	if err := s.sync(); err != nil {
		return err
	}
	for i := range s.open {
		if err := s.rename(s.open[i].name); err != nil {
			return err
		}
	}
	s.public = true
	return s.fs.SyncDir(s.dir)
}

func (s *newSegments) rename(name string) error {
	return s.fs.Rename(filepath.Join(s.dir, tempPrefix+name), filepath.Join(s.dir, name))
}

// sync makes what was written durable.
func (s *newSegments) sync() error {
	for i := range s.open {
		if !s.open[i].dirty {
			continue
		}
		if err := s.open[i].file.Sync(); err != nil {
			return err
		}
		s.open[i].dirty = false
	}
	return nil
}

func (s *newSegments) close() error {
	var err error
	for i := range s.open {
		err = errors.Join(err, s.open[i].file.Close())
	}
	return err
}

// writeFile makes a small file of pg_wal in one step.
func (s *newSegments) writeFile(name string, content []byte) error {
	temp := filepath.Join(s.dir, tempPrefix+filepath.Base(name))
	f, err := s.fs.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, s.perm)
	if err != nil {
		return err
	}
	if len(content) > 0 {
		_, err = f.WriteAt(content, 0)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	to := filepath.Join(s.dir, name)
	if err := s.fs.Rename(temp, to); err != nil {
		return err
	}
	return errors.Join(s.fs.SyncDir(filepath.Dir(to)), s.fs.SyncDir(s.dir))
}
