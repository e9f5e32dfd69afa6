// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
)

// WAL is where a Redo reads the log. A *waldir.Dir is one.
type WAL interface {
	xlog.Source
	// ReadHistory gives the content of a timeline's history file; fs.ErrNotExist when it is not there.
	ReadHistory(tli xlog.TimelineID) ([]byte, error)
}

// DirWAL is the WAL in one directory or more, each with complete segments such as pg_wal. What is in several is taken from
// the first. It is not safe for concurrent use.
type DirWAL struct {
	dirs    []string
	sources []*xlog.DirSource
}

// NewDirWAL reads one directory of segments.
func NewDirWAL(dir string, size xlog.SegmentSize, more ...string) *DirWAL {
	w := &DirWAL{dirs: append([]string{dir}, more...)}
	for _, d := range w.dirs {
		w.sources = append(w.sources, xlog.NewDirSource(d, size))
	}
	return w
}

// ReadAt implements xlog.Source.
func (w *DirWAL) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	var first error
	for _, s := range w.sources {
		n, err := s.ReadAt(tli, p, lsn)
		if n > 0 || err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrNotExist) {
			return n, err
		}
		if first == nil {
			first = err
		}
	}
	return 0, first
}

// ReadHistory implements WAL.
func (w *DirWAL) ReadHistory(tli xlog.TimelineID) ([]byte, error) {
	for _, dir := range w.dirs {
		content, err := os.ReadFile(filepath.Join(dir, tli.HistoryName()))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: tli.HistoryName(), Err: fs.ErrNotExist}
}

// Close closes the open files.
func (w *DirWAL) Close() error {
	var err error
	for _, s := range w.sources {
		err = errors.Join(err, s.Close())
	}
	return err
}
