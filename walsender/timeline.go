// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"errors"
	"io/fs"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// sentTimeline is the timeline that a stream sends. A historic one ends where the log left it for the next.
type sentTimeline struct {
	id       xlog.TimelineID
	historic bool
	end      xlog.LSN        // of a historic one
	next     xlog.TimelineID // of a historic one
}

// chooseTimeline finds the timeline that a client asks for, 0 for the newest, and checks that start lies on it
// (StartReplication in walsender.c). That is loose on purpose: start may be before the timeline's begin, in the segment in
// which it begins.
func chooseTimeline(want xlog.TimelineID, start xlog.LSN, pos Position) (sentTimeline, error) {
	t := sentTimeline{id: want}
	if want == 0 {
		t.id = pos.Timeline
	}
	if t.id == pos.Timeline {
		return t, nil
	}
	if err := t.becomeHistoric(pos.History); err != nil {
		return t, err
	}
	if t.end < start {
		e := errorf(codeInternalError, "requested starting point %s on timeline %s is not in this server's history",
			start, t.id)
		e.Detail = "This server's history forked from timeline " + t.id.String() + " at " + t.end.String() + "."
		return t, e
	}
	return t, nil
}

// becomeHistoric finds in the newest timeline's history where this one ends.
func (t *sentTimeline) becomeHistoric(h xlog.History) error {
	end, next, ok := h.SwitchPoint(t.id)
	if !ok {
		return errorf(codeInternalError, "requested timeline %s is not in this server's history", t.id)
	}
	t.historic, t.end, t.next = true, end, next
	return nil
}

// limit is how far the timeline can be sent now. It becomes historic when the source has gone on to another.
func (t *sentTimeline) limit(pos Position) (xlog.LSN, error) {
	if !t.historic && pos.Timeline != t.id {
		if err := t.becomeHistoric(pos.History); err != nil {
			return 0, err
		}
	}
	if t.historic {
		return t.end, nil
	}
	return pos.Flush, nil
}

// files are the timelines in whose files segment n is looked for. The segment in which a historic timeline ends is read from
// the next timeline's file, which begins with a copy (WalSndSegmentOpen): the old one may never have been complete.
func (t *sentTimeline) files(size xlog.SegmentSize, n xlog.SegmentNumber) []xlog.TimelineID {
	if t.historic && size.Number(t.end) == n {
		return []xlog.TimelineID{t.next, t.id}
	}
	return []xlog.TimelineID{t.id}
}

// sendNextTimeline is the row at the end of a historic timeline.
func (c *session) sendNextTimeline(t sentTimeline) error {
	columns := []protocol.Column{{Name: "next_tli", TypeOID: oidInt8}, {Name: "next_tli_startpos", TypeOID: oidText}}
	row := [][]byte{[]byte(t.next.String()), []byte(t.end.String())}
	return c.sendRows(columns, [][][]byte{row}, "")
}

// timelineHistory answers TIMELINE_HISTORY with a history file as it is (SendTimeLineHistory).
func (c *session) timelineHistory(_ context.Context, cmd protocol.TimelineHistory) error {
	name := cmd.Timeline.HistoryName()
	content, err := c.server.cfg.Source.ReadHistory(cmd.Timeline)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errorf(codeUndefinedFile, "could not open file \"pg_wal/%s\": No such file or directory", name)
	case err != nil:
		return errorf(codeInternalError, "could not read file \"pg_wal/%s\": %s", name, err)
	}
	contentType := uint32(oidText)
	if v := c.server.dialect.Major(); v != 0 && v < 14 {
		contentType = oidBytea
	}
	columns := []protocol.Column{{Name: "filename", TypeOID: oidText}, {Name: "content", TypeOID: contentType}}
	return c.sendRows(columns, [][][]byte{{[]byte(name), content}}, "")
}
