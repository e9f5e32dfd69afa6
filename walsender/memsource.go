// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/walmirror/walmirror/xlog"
)

// MemSource is a log in memory: for tests, and for programs that make a log themselves. It keeps what Append gets until
// RemoveBefore.
type MemSource struct {
	Announcer
	id Identity

	memory    sync.Mutex
	segments  map[segmentKey]*memSegment
	histories map[xlog.TimelineID][]byte
}

// memSegment is the bytes of a segment. They are only ever added to.
type memSegment struct {
	mu   sync.Mutex
	data []byte
}

// NewMemSource is an empty log that begins at start on timeline tli.
func NewMemSource(id Identity, tli xlog.TimelineID, start xlog.LSN) *MemSource {
	m := &MemSource{id: id, segments: make(map[segmentKey]*memSegment), histories: make(map[xlog.TimelineID][]byte)}
	m.Announce(Position{Timeline: tli, Flush: start, History: xlog.History{Timeline: tli}})
	return m
}

// Identity implements Source.
func (m *MemSource) Identity() Identity { return m.id }

// Append adds to the log. p ends with a record or at the end of a page.
func (m *MemSource) Append(p []byte) {
	pos := m.Position()
	size, at := m.id.SegmentSize, pos.Flush
	for len(p) > 0 {
		n := min(len(p), int(uint32(size)-size.Offset(at)))
		m.segment(segmentKey{pos.Timeline, size.Number(at)}).add(int(size.Offset(at)), p[:n], int(size))
		p, at = p[n:], at.Add(n)
	}
	m.Update(func(pos *Position) { pos.Flush = at })
}

func (m *MemSource) segment(key segmentKey) *memSegment {
	m.memory.Lock()
	defer m.memory.Unlock()
	if m.segments[key] == nil {
		m.segments[key] = new(memSegment)
	}
	return m.segments[key]
}

// add writes p at an offset; what is missing before it is zero.
func (s *memSegment) add(offset int, p []byte, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		s.data = make([]byte, 0, size)
	}
	s.data = s.data[:max(len(s.data), offset+len(p))]
	copy(s.data[offset:], p)
}

// Switch begins timeline tli where the log ends: its first segment begins with a copy of the old one.
func (m *MemSource) Switch(tli xlog.TimelineID, reason string) {
	pos := m.Position()
	history := xlog.History{Timeline: tli, Ancestors: append(slices.Clip(pos.History.Ancestors),
		xlog.Switch{Timeline: pos.Timeline, LSN: pos.Flush, Reason: reason})}
	n := m.id.SegmentSize.Number(pos.Flush)
	old := m.segment(segmentKey{pos.Timeline, n})
	old.mu.Lock()
	m.segment(segmentKey{tli, n}).add(0, old.data, int(m.id.SegmentSize))
	old.mu.Unlock()
	m.memory.Lock()
	m.histories[tli] = history.Format()
	m.memory.Unlock()
	m.Update(func(pos *Position) { pos.Timeline, pos.History = tli, history })
}

// RemoveBefore forgets the segments that lie wholly before keep.
func (m *MemSource) RemoveBefore(keep xlog.LSN) {
	m.memory.Lock()
	defer m.memory.Unlock()
	for key := range m.segments {
		if key.number < m.id.SegmentSize.Number(keep) {
			delete(m.segments, key)
		}
	}
}

// ReadHistory implements Source.
func (m *MemSource) ReadHistory(tli xlog.TimelineID) ([]byte, error) {
	m.memory.Lock()
	defer m.memory.Unlock()
	content, ok := m.histories[tli]
	if !ok {
		return nil, fmt.Errorf("%s: %w", tli.HistoryName(), fs.ErrNotExist)
	}
	return content, nil
}

// OpenSegment implements Source.
func (m *MemSource) OpenSegment(tli xlog.TimelineID, n xlog.SegmentNumber) (Segment, error) {
	m.memory.Lock()
	defer m.memory.Unlock()
	s := m.segments[segmentKey{tli, n}]
	if s == nil {
		return nil, fmt.Errorf("segment %s: %w", m.id.SegmentSize.Name(tli, n), fs.ErrNotExist)
	}
	return s, nil
}

// ReadAt implements Segment.
func (s *memSegment) ReadAt(p []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if offset >= int64(len(s.data)) {
		return 0, io.EOF
	}
	n := copy(p, s.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements Segment.
func (s *memSegment) Close() error { return nil }
