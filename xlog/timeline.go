// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TimelineID numbers a history of the log; every promotion begins a new one. It is never 0.
type TimelineID uint32

// String is the decimal form, as in START_REPLICATION ... TIMELINE n.
func (t TimelineID) String() string { return strconv.FormatUint(uint64(t), 10) }

// HistoryName is the name of the timeline's history file (TLHistoryFileName). Timeline 1 has none.
func (t TimelineID) HistoryName() string { return fmt.Sprintf("%08X", uint32(t)) + historySuffix }

// ParseHistoryName reads the timeline out of a history file's name.
func ParseHistoryName(name string) (TimelineID, error) {
	t, _ := parseHex32(name)
	if !IsHistoryName(name) || t == 0 {
		return 0, fmt.Errorf("not a timeline history file name: %q", name)
	}
	return TimelineID(t), nil
}

// ErrHistory says that a timeline history file cannot be understood.
var ErrHistory = errors.New("invalid timeline history file")

// A Switch is one line of a history file: the log left Timeline at LSN.
type Switch struct {
	Timeline TimelineID // the ancestor that was left
	LSN      LSN        // first position that does not belong to it any more
	Reason   string     // what the promoted server wrote; for people only
}

// History is what a timeline history file says: the ancestors of Timeline, oldest first.
// The file's format is that of src/backend/access/transam/timeline.c.
type History struct {
	Timeline  TimelineID
	Ancestors []Switch
}

// ParseHistory reads the content of the history file of timeline t. Like PostgreSQL it skips blank lines and
// comments, and insists that timelines grow from line to line and end below t.
func ParseHistory(t TimelineID, content []byte) (History, error) {
	h := History{Timeline: t}
	last := TimelineID(0)
	for i, line := range strings.Split(string(content), "\n") {
		line = strings.TrimLeft(line, " \t\r\v\f")
		if line == "" || line[0] == '#' {
			continue
		}
		sw, err := parseSwitch(line)
		if err != nil {
			return History{}, fmt.Errorf("%w %s: line %d: %w", ErrHistory, t.HistoryName(), i+1, err)
		}
		if sw.Timeline <= last {
			return History{}, fmt.Errorf("%w %s: line %d: timeline IDs must be in increasing sequence", ErrHistory,
				t.HistoryName(), i+1)
		}
		last = sw.Timeline
		h.Ancestors = append(h.Ancestors, sw)
	}
	if last >= t {
		return History{}, fmt.Errorf("%w %s: timeline IDs must be less than the child timeline's ID", ErrHistory,
			t.HistoryName())
	}
	return h, nil
}

func parseSwitch(line string) (Switch, error) {
	id, rest := cutField(line)
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || n == 0 {
		return Switch{}, fmt.Errorf("expected a numeric timeline ID, got %q", id)
	}
	pos, reason := cutField(rest)
	lsn, err := ParseLSN(pos)
	if err != nil {
		return Switch{}, fmt.Errorf("expected a switchpoint location: %w", err)
	}
	return Switch{Timeline: TimelineID(n), LSN: lsn, Reason: strings.TrimRight(reason, " \t\r")}, nil
}

func cutField(s string) (field, rest string) {
	const space = " \t\r\v\f"
	i := strings.IndexAny(s, space)
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], space)
}

// Format writes the file that ParseHistory reads, in the layout of writeTimeLineHistory: a tab between the fields
// and a line for each ancestor.
func (h History) Format() []byte {
	var b bytes.Buffer
	for _, a := range h.Ancestors {
		fmt.Fprintf(&b, "%d\t%s\t%s\n", uint32(a.Timeline), a.LSN, a.Reason)
	}
	return b.Bytes()
}

// TimelineAt is the timeline that the byte at l belongs to (tliOfPointInHistory).
func (h History) TimelineAt(l LSN) TimelineID {
	for _, a := range h.Ancestors {
		if l < a.LSN {
			return a.Timeline
		}
	}
	return h.Timeline
}

// SwitchPoint is where the log left timeline t for the next one, and which that is. It is false for the newest
// timeline and for one that is not an ancestor.
func (h History) SwitchPoint(t TimelineID) (at LSN, next TimelineID, ok bool) {
	for i, a := range h.Ancestors {
		if a.Timeline != t {
			continue
		}
		if i+1 < len(h.Ancestors) {
			return a.LSN, h.Ancestors[i+1].Timeline, true
		}
		return a.LSN, h.Timeline, true
	}
	return 0, 0, false
}

// Contains tells whether t is the history's own timeline or one of its ancestors.
func (h History) Contains(t TimelineID) bool {
	if t == h.Timeline {
		return true
	}
	_, _, ok := h.SwitchPoint(t)
	return ok
}
