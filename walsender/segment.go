// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"os"
	"sync"
	"sync/atomic"

	"github.com/walmirror/walmirror/xlog"
)

// segmentCache keeps the segments open that are being sent: clients that read the same one share its descriptor, and
// with it what the kernel reads ahead. A segment that is not a plain file is not shared.
type segmentCache struct {
	source Source
	mu     sync.Mutex
	open   map[segmentKey]*openSegment
}

type segmentKey struct {
	tli    xlog.TimelineID
	number xlog.SegmentNumber
}

// openSegment is a segment that at least one sender uses.
type openSegment struct {
	Segment
	key   segmentKey
	file  *os.File // nil: not a plain file
	users int      // guarded by the cache's mu

	size atomic.Int64 // what the file is known to have at least
}

// has returns how many of n bytes at an offset the file has.
func (s *openSegment) has(offset int64, n int) (int, error) {
	if end := offset + int64(n); end > s.size.Load() {
		st, err := s.file.Stat()
		if err != nil {
			return 0, err
		}
		s.size.Store(st.Size())
		return int(min(max(st.Size()-offset, 0), int64(n))), nil
	}
	return n, nil
}

func newSegmentCache(source Source) *segmentCache {
	return &segmentCache{source: source, open: make(map[segmentKey]*openSegment)}
}

// get opens a segment, or takes one that is open. The caller gives it back with put.
func (c *segmentCache) get(key segmentKey) (*openSegment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.open[key]; s != nil {
		s.users++
		return s, nil
	}
	segment, err := c.source.OpenSegment(key.tli, key.number)
	if err != nil {
		return nil, err
	}
	s := &openSegment{Segment: segment, key: key, users: 1}
	if f, ok := segment.(interface{ File() *os.File }); ok {
		s.file = f.File()
		c.open[key] = s
	}
	return s, nil
}

// put gives a segment back.
func (c *segmentCache) put(s *openSegment) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	if c.open[s.key] == s {
		delete(c.open, s.key)
	}
	return s.Close()
}
