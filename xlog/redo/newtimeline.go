// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// newTimeline is a timeline that begins where recovery ends, and its log.
type newTimeline struct {
	r        *Redo
	tli      xlog.TimelineID
	old      xlog.TimelineID // in whose segment the log so far ends
	at       xlog.LSN        // where it begins
	archives bool            // archive_mode is not off
	writer   *xlog.Writer
	segments newSegments
}

// beginTimeline begins the next timeline where replay is (XLogInitNewTimeline, writeTimeLineHistory and
// CreateEndOfRecoveryRecord): its first segment, with the log so far and the record of recovery's end, gets its name when it
// is complete, and then its history file does, which makes the timeline one.
func (r *Redo) beginTimeline(reason string) (_ *newTimeline, err error) {
	t := &newTimeline{r: r, at: r.end}
	if t.tli, err = r.freeTimeline(); err != nil {
		return nil, err
	}
	if t.archives, err = r.archives(); err != nil {
		return nil, err
	}
	history, content, err := r.branch(t.tli, reason)
	if err != nil {
		return nil, err
	}
	if err := t.begin(history, content); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *newTimeline) begin(history xlog.History, content []byte) error {
	r := t.r
	if err := t.open(); err != nil {
		return err
	}
	rec := t.endOfRecovery()
	if _, _, err := t.writer.Insert(&rec); err != nil {
		return err
	}
	if err := t.segments.publish(); err != nil {
		return err
	}
	if err := t.writeHistory(content); err != nil {
		return err
	}
	r.history = history
	return r.Apply(t.writer.Last())
}

// open begins the first segment with the log so far.
func (t *newTimeline) open() error {
	r := t.r
	err := t.segments.init(r.fs, r.dir, t.tli)
	if err != nil {
		return err
	}
	if t.old, err = t.copyLog(); err != nil {
		return err
	}
	t.writer, err = xlog.NewWriter(xlog.WriterConfig{
		Dialect: r.dialect, SegmentSize: r.dir.SegmentSize, SystemID: r.dir.SystemID, Timeline: t.tli,
		Start: r.end, Prev: r.prev, Out: &t.segments,
	})
	return err
}

// copyLog copies the segment that the log ends in, up to there, and says on which timeline it is.
func (t *newTimeline) copyLog() (xlog.TimelineID, error) {
	size := t.r.dir.SegmentSize
	from := size.RoundDown(t.at)
	if from == t.at {
		return t.r.tli, nil
	}
	p := make([]byte, t.at.Sub(from))
	for _, tli := range t.candidates() {
		n, err := t.r.wal.ReadAt(tli, p, from)
		switch {
		case n == len(p):
			return tli, t.segments.Write(from, p)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.EOF):
		default:
			return 0, fmt.Errorf("the log from %s to %s: %w", from, t.at, err)
		}
	}
	return 0, fmt.Errorf("the log from %s to %s is not there any more", from, t.at)
}

// candidates are the timelines in whose segments the end of the log may be: the one of the last record, else a newer one
// whose first segment has it too.
func (t *newTimeline) candidates() []xlog.TimelineID {
	list := []xlog.TimelineID{t.r.tli}
	for _, a := range t.r.history.Ancestors {
		if a.Timeline > t.r.tli {
			list = append(list, a.Timeline)
		}
	}
	if t.r.history.Timeline > t.r.tli {
		list = append(list, t.r.history.Timeline)
	}
	return list
}

func (t *newTimeline) endOfRecovery() xlog.RecordBuilder {
	p := rmgr.EndOfRecovery{
		Time: xlog.Micros(time.Now()), ThisTimeLineID: t.tli, PrevTimeLineID: t.r.tli,
		WALLevel: int32(t.r.control.WalLevel),
	}
	var rec xlog.RecordBuilder
	rec.Begin(rmgr.XLOG, rmgr.InfoEndOfRecovery, 0)
	rec.Data(p.Append(t.r.dialect, nil))
	return rec
}

// insert is the Insert of a timeline that has begun.
func (t *newTimeline) insert(rec *xlog.RecordBuilder) (begin, end xlog.LSN, err error) {
	if begin, end, err = t.writer.Insert(rec); err != nil {
		return 0, 0, err
	}
	if err := t.segments.sync(); err != nil {
		return 0, 0, err
	}
	return begin, end, t.r.Apply(t.writer.Last())
}

func (t *newTimeline) close() error { return t.segments.close() }

// freeTimeline is the first timeline behind the one that is followed that nobody has begun (findNewestTimeLine).
func (r *Redo) freeTimeline() (xlog.TimelineID, error) {
	for tli := r.history.Timeline + 1; ; tli++ {
		_, err := r.wal.ReadHistory(tli)
		if errors.Is(err, fs.ErrNotExist) {
			return tli, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// branch is the history of a timeline that leaves the present one where replay is, and the content of its file: that of the
// parent's and one more line (writeTimeLineHistory in src/backend/access/transam/timeline.c).
func (r *Redo) branch(tli xlog.TimelineID, reason string) (xlog.History, []byte, error) {
	if reason = strings.Join(strings.Fields(reason), " "); reason == "" {
		reason = "no recovery target specified"
	}
	parent := r.history.Timeline
	if at, _, left := r.history.SwitchPoint(r.tli); left && r.end < at {
		parent = r.tli // a target before the end of an ancestor
	}
	content, err := r.wal.ReadHistory(parent)
	if err == nil {
		content = append(content, '\n')
	} else if !errors.Is(err, fs.ErrNotExist) {
		return xlog.History{}, nil, err
	}
	content = fmt.Appendf(content, "%d\t%s\t%s\n", uint32(parent), r.end, reason)
	history, err := xlog.ParseHistory(tli, content)
	return history, content, err
}

// writeHistory gives the history file its name, durably.
func (t *newTimeline) writeHistory(content []byte) error {
	if err := t.segments.writeFile(t.tli.HistoryName(), content); err != nil {
		return err
	}
	if !t.archives {
		return nil
	}
	return t.ready(t.tli.HistoryName())
}

// ready tells the archiver about a file (XLogArchiveNotify).
func (t *newTimeline) ready(name string) error {
	return t.segments.writeFile(filepath.Join("archive_status", name+".ready"), nil)
}

// archives tells whether the server archives its log (XLogArchivingActive).
func (r *Redo) archives() (bool, error) {
	mode, ok, err := r.dir.Conf("archive_mode")
	if err != nil || !ok {
		return false, err
	}
	switch strings.ToLower(mode) {
	case "off", "false", "no", "0":
		return false, nil
	}
	return true, nil
}
