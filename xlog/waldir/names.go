// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// Suffixes and prefixes of files that only this package makes. PostgreSQL removes xlogtemp.* when it starts
// (RemoveTempXlogFiles in xlog.c); pg_receivewal looks at none of them.
const (
	aheadSuffix  = ".ahead"    // archive: a segment prepared, or written before its predecessor was finished
	tempSuffix   = ".tmp"      // archive: a file that gets its name when it is whole
	tempPrefix   = "xlogtemp." // data directory: the same, and prepared segments
	asideSuffix  = ".aside"    // a file that was in the way
	readySuffix  = ".ready"
	doneSuffix   = ".done"
	segmentChars = 24
)

// stage is how far a file of the directory is in becoming a segment.
type stage uint8

const (
	stageAhead stage = iota
	stagePartial
	stageComplete
)

// entry is a file of the directory that holds a segment.
type entry struct {
	name   string
	tli    xlog.TimelineID
	number xlog.SegmentNumber
	stage  stage
	method Method
}

// parseEntry understands the names of both layouts: NAME, NAME.partial, NAME.ahead, and the compressed NAME.gz and
// NAME.gz.partial (is_xlogfilename in pg_receivewal.c; .zst is ours).
func parseEntry(size xlog.SegmentSize, name string) (entry, bool) {
	if len(name) < segmentChars {
		return entry{}, false
	}
	tli, number, err := size.ParseName(name[:segmentChars])
	if err != nil {
		return entry{}, false
	}
	e := entry{name: name, tli: tli, number: number, stage: stageComplete}
	suffix := name[segmentChars:]
	if suffix == aheadSuffix {
		e.stage = stageAhead
		return e, true
	}
	if rest, ok := strings.CutSuffix(suffix, xlog.PartialSuffix); ok {
		e.stage, suffix = stagePartial, rest
	}
	e.method, err = methodOfSuffix(suffix)
	return e, err == nil
}

// temp is the name under which the file name is made.
func (d *Dir) temp(name string) string {
	if d.cfg.Partial {
		return name + tempSuffix
	}
	return tempPrefix + name
}

// openName is what a segment is called while it is received.
func (d *Dir) openName(segment string) string {
	if d.cfg.Partial {
		return segment + xlog.PartialSuffix
	}
	return segment
}
