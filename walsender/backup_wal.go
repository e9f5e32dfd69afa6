// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// backupWAL is the log from start to end, which is sent with a backup (perform_base_backup in basebackup.c). Of each segment
// every timeline's file is sent that has something of the history.
type backupWAL struct {
	source Source
	pos    Position
	start  protocol.Position
	end    xlog.LSN
	size   xlog.SegmentSize
}

func (w *backupWAL) send(a *archive) error {
	for n := w.size.Number(w.start.LSN); n <= w.size.Number(w.end-1); n++ {
		if err := w.segment(a, n); err != nil {
			return err
		}
	}
	return w.histories(a)
}

// segment sends the files of a segment, the oldest timeline's first. That in which a timeline ended may be missing: the next
// one's has a copy of it.
func (w *backupWAL) segment(a *archive, n xlog.SegmentNumber) error {
	sent := 0
	from := w.size.Start(n)
	for _, span := range timelineSpans(w.pos) {
		if span.tli < w.start.Timeline || span.end <= from || span.begin >= w.size.Start(n+1) {
			continue
		}
		err := w.file(a, span, n)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		sent++
	}
	if sent == 0 {
		name := w.size.Name(w.pos.History.TimelineAt(from), n)
		return errorf(codeUndefinedFile, "requested WAL segment %s has already been removed", name)
	}
	return nil
}

// timelineSpan is where the history is on a timeline.
type timelineSpan struct {
	tli        xlog.TimelineID
	begin, end xlog.LSN
}

func timelineSpans(pos Position) []timelineSpan {
	var spans []timelineSpan
	begin := xlog.LSN(0)
	for _, s := range pos.History.Ancestors {
		spans = append(spans, timelineSpan{s.Timeline, begin, s.LSN})
		begin = s.LSN
	}
	return append(spans, timelineSpan{pos.Timeline, begin, pos.Flush})
}

// file sends one file. Behind the end of the timeline, and behind what is durable, it has zeros.
func (w *backupWAL) file(a *archive, span timelineSpan, n xlog.SegmentNumber) error {
	f, err := w.source.OpenSegment(span.tli, n)
	if err != nil {
		return err
	}
	defer f.Close()
	name := w.size.Name(span.tli, n)
	m := tarMember{name: pgdata.WALDir + "/" + name, mode: 0o600, size: int64(w.size), mtime: time.Now()}
	if err := a.begin(m); err != nil {
		return err
	}
	valid := min(m.size, span.end.Sub(w.size.Start(n)))
	if err := a.copyFrom(io.NewSectionReader(f, 0, valid), valid); err != nil {
		return err
	}
	if err := a.pad(m.size - valid); err != nil {
		return err
	}
	return a.done(name)
}

// copyFrom sends exactly size bytes.
func (a *archive) copyFrom(r io.Reader, size int64) error {
	for size > 0 {
		p := a.buf[:min(size, int64(len(a.buf)))]
		if _, err := io.ReadFull(r, p); err != nil {
			return err
		}
		if _, err := a.Write(p); err != nil {
			return err
		}
		size -= int64(len(p))
	}
	return nil
}

// done says that a file of pg_wal is archived, so that the new server does not do it again.
func (a *archive) done(name string) error {
	return a.content(pgdata.WALDir+"/"+archiveStatus+"/"+name+".done", nil)
}

const archiveStatus = "archive_status"

// histories sends the history files of all timelines.
func (w *backupWAL) histories(a *archive) error {
	for _, span := range timelineSpans(w.pos) {
		content, err := w.source.ReadHistory(span.tli)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		name := span.tli.HistoryName()
		if err := a.content(pgdata.WALDir+"/"+name, content); err != nil {
			return err
		}
		if err := a.done(name); err != nil {
			return err
		}
	}
	return nil
}
