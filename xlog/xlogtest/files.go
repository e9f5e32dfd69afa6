// SPDX-License-Identifier: Apache-2.0

package xlogtest

import (
	"fmt"
	"io"
	"io/fs"

	"github.com/walmirror/walmirror/xlog"
)

// Files are segments in memory, by name. A segment may be shorter than it should.
type Files map[string][]byte

// Source reads the segments, which have the given size.
func (f Files) Source(size xlog.SegmentSize) xlog.Source { return fileSource{f, size} }

type fileSource struct {
	files Files
	size  xlog.SegmentSize
}

func (s fileSource) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	name := s.size.Name(tli, s.size.Number(lsn))
	data, ok := s.files[name]
	if !ok {
		return 0, fmt.Errorf("segment %s: %w", name, fs.ErrNotExist)
	}
	off := int(s.size.Offset(lsn))
	if off >= len(data) {
		return 0, io.EOF
	}
	n := copy(p, data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
