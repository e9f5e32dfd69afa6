// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// ErrTimeline says that the log goes where the data directory cannot follow.
var ErrTimeline = errors.New("the timeline does not fit")

// newestHistory finds the newest timeline from tli on, and reads its history (findNewestTimeLine and readTimeLineHistory
// in src/backend/access/transam/timeline.c).
func (r *Redo) newestHistory(tli xlog.TimelineID) (xlog.History, error) {
	newest, err := r.readHistory(tli)
	for err == nil {
		var h xlog.History
		h, err = r.readHistory(newest.Timeline + 1)
		if errors.Is(err, fs.ErrNotExist) {
			return newest, nil
		}
		newest = h
	}
	if errors.Is(err, fs.ErrNotExist) {
		return r.nextHistory(tli)
	}
	return xlog.History{}, err
}

// nextHistory is for a timeline without a history file.
func (r *Redo) nextHistory(tli xlog.TimelineID) (xlog.History, error) {
	if _, err := r.wal.ReadHistory(tli + 1); errors.Is(err, fs.ErrNotExist) {
		return xlog.History{Timeline: tli}, nil
	}
	return r.newestHistory(tli + 1)
}

func (r *Redo) readHistory(tli xlog.TimelineID) (xlog.History, error) {
	content, err := r.wal.ReadHistory(tli)
	if err != nil {
		return xlog.History{}, err
	}
	return xlog.ParseHistory(tli, content)
}

// Rescan looks for a timeline that is newer than the one that is followed and can be followed from where replay is
// (rescanLatestTimeLine). When it returns true, the log must be read anew from Position, with the new History.
func (r *Redo) Rescan() (bool, error) {
	h, err := r.newestHistory(r.history.Timeline)
	if err != nil || h.Timeline == r.history.Timeline {
		return false, err
	}
	at, _, ok := h.SwitchPoint(r.history.Timeline)
	if !ok || at < r.end {
		return false, nil
	}
	r.history = h
	return true, nil
}

// checkHistory looks whether the checkpoint and minRecoveryPoint belong to the timeline that is followed.
func (r *Redo) checkHistory(b *beginning) error {
	if tli := r.history.TimelineAt(b.location); tli != b.tli {
		return fmt.Errorf("%w: timeline %s is no child of this directory's: the checkpoint at %s is on timeline %s, not %s",
			ErrTimeline, r.history.Timeline, b.location, b.tli, tli)
	}
	m, tli := r.control.MinRecoveryPoint, r.control.MinRecoveryPointTLI
	if m.Valid() && r.history.TimelineAt(m-1) != tli {
		return fmt.Errorf("%w: timeline %s does not have the minimum recovery point %s on timeline %s",
			ErrTimeline, r.history.Timeline, m, tli)
	}
	return nil
}

// switchTimeline is called before a record is applied: two kinds begin a new timeline, to which they belong already.
func (r *Redo) switchTimeline(p rmgr.Payload) error {
	var next, prev xlog.TimelineID
	switch p := p.(type) {
	case *rmgr.CheckPoint:
		if !p.Shutdown {
			return nil
		}
		next, prev = p.ThisTimeLineID, p.PrevTimeLineID
	case *rmgr.EndOfRecovery:
		next, prev = p.ThisTimeLineID, p.PrevTimeLineID
	default:
		return nil
	}
	if next == r.tli {
		return nil
	}
	if err := r.checkSwitch(next, prev); err != nil {
		return err
	}
	r.tli = next
	r.shared.timeline.Store(uint32(next))
	return nil
}

// checkSwitch is checkTimeLineSwitch in src/backend/access/transam/xlogrecovery.c.
func (r *Redo) checkSwitch(next, prev xlog.TimelineID) error {
	c := &r.consistency
	switch {
	case prev != r.tli:
		return fmt.Errorf("%w: the record comes after timeline %s, replay is on %s", ErrTimeline, prev, r.tli)
	case next < r.tli || !r.history.Contains(next):
		return fmt.Errorf("%w: timeline %s after %s", ErrTimeline, next, r.tli)
	case c.minRecovery.Valid() && r.lsn < c.minRecovery && next > c.minRecoveryTLI:
		return fmt.Errorf("%w: timeline %s begins before the minimum recovery point %s on timeline %s",
			ErrTimeline, next, c.minRecovery, c.minRecoveryTLI)
	}
	return nil
}
