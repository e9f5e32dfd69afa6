// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// place is the log that was found: which part of what directory, and how it is written.
type place struct {
	dir      string
	tli      xlog.TimelineID
	from, to xlog.LSN // to is 0 without an end
	dialect  *xlog.Dialect
	size     xlog.SegmentSize
}

// locate finds the log that the command line means, in pg_waldump's order: in the directory itself, then in its pg_wal.
func (o *options) locate(positional []string) (*place, error) {
	if o.path != "" {
		if err := checkDirectory(o.path); err != nil {
			return nil, usageError{error: err}
		}
	}
	p := &place{tli: o.startTLI, from: o.startLSN, to: o.endLSN}
	first := ""
	if len(positional) > 0 {
		dir, name := filepath.Split(positional[0])
		if first = segmentName(name); o.path == "" && dir != "" {
			o.path = filepath.Clean(dir)
			if err := checkDirectory(o.path); err != nil {
				return nil, err
			}
		}
	}
	head, err := p.findDirectory(o.path, first)
	if err != nil {
		return nil, err
	}
	if err := p.learn(o.asked, head); err != nil {
		return nil, err
	}
	if len(positional) > 0 {
		if err := p.bounds(positional, first); err != nil {
			return nil, err
		}
	}
	if p.from == 0 {
		return nil, usagef("no start WAL location given")
	}
	return p, nil
}

func checkDirectory(dir string) error {
	d, err := os.Open(dir)
	if err == nil {
		_, err = d.Readdirnames(1)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		d.Close()
	}
	if err != nil {
		return fmt.Errorf("could not open directory \"%s\": %s", dir, reason(err))
	}
	return nil
}

// reason is the text of a system's error as C has it.
func reason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		text := errno.Error()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return err.Error()
}

// segmentName is a file's name without what compression and pg_receivewal append.
func segmentName(name string) string {
	for cut := true; cut; {
		cut = false
		for _, suffix := range append([]string{xlog.PartialSuffix}, compressedSuffixes...) {
			if rest, ok := strings.CutSuffix(name, suffix); ok {
				name, cut = rest, true
			}
		}
	}
	return name
}

// findDirectory looks for the segment name, or without one for any, and returns the first page's header.
func (p *place) findDirectory(dir, name string) (*xlog.PageHeader, error) {
	var places []string
	if dir != "" {
		places = []string{dir, filepath.Join(dir, "pg_wal")}
	} else if places = []string{".", "pg_wal"}; os.Getenv("PGDATA") != "" {
		places = append(places, filepath.Join(os.Getenv("PGDATA"), "pg_wal"))
	}
	for _, p.dir = range places {
		found := name
		if found == "" {
			found = anySegment(p.dir)
		}
		head, err := readHead(p.dir, found)
		if !errors.Is(err, fs.ErrNotExist) {
			return head, err
		}
	}
	if name != "" {
		return nil, fmt.Errorf("could not locate WAL file \"%s\"", name)
	}
	return nil, errors.New("could not find any WAL file")
}

// anySegment is the first segment of a directory, "" when there is none.
func anySegment(dir string) string {
	entries, _ := os.ReadDir(dir) // sorted; what cannot be read has none
	i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return xlog.IsSegmentName(segmentName(e.Name())) })
	if i < 0 {
		return ""
	}
	return segmentName(entries[i].Name())
}

// readHead reads the long page header at a segment's begin.
func readHead(dir, name string) (*xlog.PageHeader, error) {
	if name == "" {
		return nil, fs.ErrNotExist
	}
	f, err := openSegment(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, xlog.LongPageHeaderSize)
	if n, err := f.ReadAt(head, 0); n < len(head) {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, fmt.Errorf("could not read file \"%s\": read %d of %d", name, n, len(head))
		}
		return nil, fmt.Errorf("could not read file \"%s\": %s", name, reason(err))
	}
	head[2] |= byte(xlog.XLPLongHeader) // the fields are read whatever the bits say, as pg_waldump does
	var h xlog.PageHeader
	if err := h.Decode(head); err != nil {
		return nil, err
	}
	if h.SegmentSize.Validate() != nil {
		return nil, fmt.Errorf("WAL segment size must be a power of two between 1 MB and 1 GB, but the WAL file \"%s\" "+
			"header specifies %d bytes", name, uint32(h.SegmentSize))
	}
	return &h, nil
}

// learn finds the dialect: the one asked for, that of the control file, or what the page looks like.
func (p *place) learn(d *xlog.Dialect, head *xlog.PageHeader) error {
	p.size = head.SegmentSize
	block := 0
	control, controlled := controlBeside(p.dir)
	if controlled != nil && controlled.PageMagic() == head.Magic {
		block = int(control.Blcksz)
		if d == nil {
			d = controlled
		}
	}
	if d == nil {
		d = dialectOfPage(head)
	}
	if d == nil {
		return fmt.Errorf("could not tell what wrote pages with magic number %04X; try --dialect", head.Magic)
	}
	if block == 0 {
		block = d.BlockSize()
	}
	var err error
	p.dialect, err = d.WithBlockSizes(uint32(block), head.BlockSize)
	return err
}

// controlBeside reads the control file of the data directory whose pg_wal dir is, if it is, and finds its dialect.
func controlBeside(dir string) (*pgdata.ControlFile, *xlog.Dialect) {
	control, err := pgdata.ReadControl(vfs.OS, filepath.Dir(absolute(dir)))
	if err != nil {
		return nil, nil
	}
	d, err := xlog.DialectForControl(control.PgControlVersion, control.CatalogVersionNo)
	if err != nil {
		return nil, nil
	}
	return control, d
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// dialectOfPage is the dialect that has the page's magic number; where there are several, Greenplum and Cloudberry are
// the ones with larger pages.
func dialectOfPage(head *xlog.PageHeader) (found *xlog.Dialect) {
	for _, d := range xlog.Dialects() {
		if d.PageMagic() != head.Magic {
			continue
		}
		if found == nil || int(head.BlockSize) == d.WALBlockSize() && found.WALBlockSize() != d.WALBlockSize() {
			found = d
		}
	}
	return found
}

// bounds reads the part of the log from the names of segments.
func (p *place) bounds(positional []string, first string) error {
	tli, segment, err := p.size.ParseName(first)
	if err != nil {
		return fmt.Errorf("could not open file \"%s\"", first)
	}
	p.tli = tli
	if p.from == 0 {
		p.from = p.size.Start(segment)
	} else if p.size.Number(p.from) != segment {
		return usagef("start WAL location %s is not inside file \"%s\"", p.from, first)
	}
	last := segment
	if len(positional) > 1 {
		name := segmentName(filepath.Base(positional[1]))
		f, err := openSegment(p.dir, name)
		if err != nil {
			return fmt.Errorf("could not open file \"%s\"", name)
		}
		f.Close()
		if p.tli, last, err = p.size.ParseName(name); err != nil {
			return fmt.Errorf("could not open file \"%s\"", name)
		}
		if last < segment {
			return fmt.Errorf("ENDSEG %s is before STARTSEG %s", positional[1], positional[0])
		}
	}
	if p.to == 0 {
		p.to = p.size.Start(last + 1)
	} else if p.size.Number(p.to) != last && p.to != p.size.Start(last+1) {
		return usagef("end WAL location %s is not inside file \"%s\"", p.to, positional[len(positional)-1])
	}
	return nil
}
