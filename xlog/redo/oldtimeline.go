// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// retireOld puts what is left of older timelines in order (CleanupAfterArchiveRecovery): segments behind the switch go, and
// the one that is left in the middle is called .partial when the server archives its log. Its log is in the new one's file.
func (t *newTimeline) retireOld() error {
	if err := t.removeBehind(); err != nil {
		return err
	}
	if t.r.dir.SegmentSize.Offset(t.at) == 0 || !t.archives {
		return nil
	}
	return t.retirePartial()
}

// removeBehind removes segments of older timelines that are no part of the new one's past (RemoveNonParentXlogFiles), but
// for those that wait to be archived.
func (t *newTimeline) removeBehind() error {
	size, last := t.r.dir.SegmentSize, t.r.dir.SegmentSize.Number(t.at-1)
	var failed error
	err := removeSegments(t.r.fs, t.segments.dir, func(name string) bool {
		tli, n, err := size.ParseName(name)
		if err != nil || tli >= t.tli || n <= last {
			return false
		}
		ready, err := t.marked(name, ".ready")
		failed = errors.Join(failed, err)
		return !ready && err == nil
	})
	return errors.Join(err, failed)
}

// retirePartial renames the old timeline's last segment, unless it was archived or waits for it.
func (t *newTimeline) retirePartial() error {
	size := t.r.dir.SegmentSize
	name := size.Name(t.old, size.Number(t.at-1))
	for _, mark := range []string{".ready", ".done"} {
		if marked, err := t.marked(name, mark); err != nil || marked {
			return err
		}
	}
	dir := t.segments.dir
	err := t.r.fs.Rename(filepath.Join(dir, name), filepath.Join(dir, name+xlog.PartialSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an attempt before did it
	}
	if err := errors.Join(err, t.r.fs.SyncDir(dir)); err != nil {
		return err
	}
	return t.ready(name + xlog.PartialSuffix)
}

// marked tells whether the archiver's mark for a segment is there.
func (t *newTimeline) marked(name, mark string) (bool, error) {
	return vfs.Exists(t.r.fs, filepath.Join(t.segments.dir, "archive_status", name+mark))
}
