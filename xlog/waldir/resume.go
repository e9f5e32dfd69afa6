// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// listing is what Open found.
type listing struct {
	segments  []entry
	leftovers []string // files of this package that an earlier process did not get to name
	marked    map[string]bool
}

func (d *Dir) scan() (listing, error) {
	list, err := d.fs.ReadDir(d.cfg.Path)
	if err != nil {
		return listing{}, err
	}
	var found listing
	for _, e := range list {
		name := e.Name()
		if seg, ok := parseEntry(d.size, name); ok {
			found.segments = append(found.segments, seg)
		} else if d.isLeftover(name) {
			found.leftovers = append(found.leftovers, name)
		}
	}
	found.marked, err = d.marks()
	return found, err
}

func (d *Dir) isLeftover(name string) bool {
	if base, ok := strings.CutSuffix(name, tempSuffix); ok && d.cfg.Partial {
		_, segment := parseEntry(d.size, base)
		return segment || xlog.IsHistoryName(base)
	}
	base, ok := strings.CutPrefix(name, tempPrefix)
	return ok && !d.cfg.Partial && (xlog.IsSegmentName(base) || xlog.IsHistoryName(base))
}

func (d *Dir) removeLeftovers(found listing) error {
	for _, name := range found.leftovers {
		if err := d.removeIfExists(d.file(name)); err != nil {
			return err
		}
	}
	return nil
}

// findResume finds where streaming should go on.
//
// In an archive that is what FindStreamingStart in pg_receivewal.c does: the highest segment wins, then the newest
// timeline, then a complete file over a partial one; a complete file of the wrong size does not count. In a data
// directory the newest timeline wins, because PostgreSQL's recovery follows it.
//
// In both it then goes back over segments of the same timeline that were not finished. pg_receivewal never leaves
// such a thing, and this package only when power failed between the renames of several segments; nothing beyond the
// oldest of them was acknowledged.
func (d *Dir) findResume(found listing) error {
	if d.cfg.Partial {
		return d.findArchiveResume(found.segments)
	}
	return d.findDataResume(found)
}

func (d *Dir) findArchiveResume(segments []entry) error {
	candidates := slices.DeleteFunc(slices.Clone(segments), func(e entry) bool {
		return e.stage == stageAhead || e.number == 0
	})
	slices.SortStableFunc(candidates, func(a, b entry) int {
		return -cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.tli, b.tli), cmp.Compare(a.stage, b.stage))
	})
	var best entry
	for _, e := range candidates {
		follows := best.tli == e.tli && best.number == e.number+1 // best comes right behind e
		if best.tli != 0 && !follows {
			continue
		}
		if ok, err := d.countsAsSegment(e); err != nil {
			return err
		} else if !ok {
			continue
		}
		if follows && e.stage == stageComplete {
			break
		}
		best = e
	}
	if best.tli != 0 {
		d.resumeTLI, d.resumeLSN = best.tli, best.next(d.size)
	}
	return nil
}

// next is where streaming goes on when e is the newest segment.
func (e entry) next(size xlog.SegmentSize) xlog.LSN {
	if e.stage == stageComplete {
		return size.Start(e.number + 1)
	}
	return size.Start(e.number)
}

// countsAsSegment tells whether a complete file has a segment's length. One that has not is reported and passed
// over: it will be received again and replaced.
func (d *Dir) countsAsSegment(e entry) (bool, error) {
	if e.stage != stageComplete {
		return true, nil
	}
	n, err := d.contentSize(e)
	if err != nil {
		return false, err
	}
	if n == int64(d.size) {
		return true, nil
	}
	d.addProblem(fmt.Errorf("segment file %q has %d bytes of WAL instead of %d: it does not count as complete; "+
		"if the stream began behind it, restore or remove it", e.name, n, uint32(d.size)))
	return false, nil
}

// contentSize is the length of the WAL in a file.
func (d *Dir) contentSize(e entry) (int64, error) {
	if e.method != NoCompression {
		return d.uncompressedSize(e)
	}
	st, err := d.fs.Stat(d.file(e.name))
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// findDataResume looks at the first page of each segment file, because pg_wal of a server also holds files that it
// made or recycled for the future.
func (d *Dir) findDataResume(found listing) error {
	content := make(map[position]segmentContent)
	var best position
	for _, e := range found.segments {
		if e.stage != stageComplete || e.method != NoCompression {
			continue
		}
		c, err := d.inspect(e)
		if err != nil {
			return err
		}
		at := position{e.tli, e.number}
		content[at] = c
		if c == received && at.after(best) {
			best = at
		}
	}
	if best.tli == 0 {
		return nil
	}
	d.resumeTLI, d.resumeLSN = best.tli, d.size.Start(d.unfinishedFrom(best, content, found.marked))
	return nil
}

// unfinishedFrom goes from the newest received segment to the one to begin with.
func (d *Dir) unfinishedFrom(best position, content map[position]segmentContent,
	marked map[string]bool) xlog.SegmentNumber {
	n := best.number
	complete := func(n xlog.SegmentNumber) bool { return marked[d.size.Name(best.tli, n)] }
	if next, exists := content[position{best.tli, n + 1}]; complete(n) && exists && next == empty {
		return n + 1
	}
	for range maxUnfinished {
		if _, exists := content[position{best.tli, n - 1}]; !exists || complete(n-1) {
			break
		}
		n--
	}
	return n
}

type position struct {
	tli    xlog.TimelineID
	number xlog.SegmentNumber
}

func (p position) after(o position) bool {
	return p.tli > o.tli || p.tli == o.tli && p.number > o.number
}

// segmentContent is what the first page of a segment file in a data directory says.
type segmentContent uint8

const (
	foreign  segmentContent = iota // recycled and not yet overwritten, or of a wrong length
	empty                          // nothing but zeros was written
	received                       // begins with the segment's own address
)

// pageAddressOffset is where XLogPageHeaderData.xlp_pageaddr stands in every supported version (xlog_internal.h).
const pageAddressOffset = 8

func (d *Dir) inspect(e entry) (segmentContent, error) {
	if ok, err := d.countsAsSegment(e); !ok {
		return foreign, err
	}
	f, err := d.fs.OpenFile(d.file(e.name), os.O_RDONLY, 0)
	if err != nil {
		return foreign, err
	}
	var header [pageAddressOffset + 8]byte
	_, err = f.ReadAt(header[:], 0)
	if err := errors.Join(notEOF(err), f.Close()); err != nil {
		return foreign, err
	}
	switch {
	case header == [len(header)]byte{}:
		return empty, nil
	case xlog.LSN(binary.NativeEndian.Uint64(header[pageAddressOffset:])) == d.size.Start(e.number):
		return received, nil
	}
	return foreign, nil
}

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
