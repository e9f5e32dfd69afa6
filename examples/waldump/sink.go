// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// sink takes records and makes of them what was asked for. Each goroutine has one.
type sink struct {
	*options
	all   bool // every record is wanted
	dec   *rmgr.Decoder
	text  []byte // not yet written
	stats rmgr.Stats
	page  []byte
}

func newSink(o *options, p *place) *sink {
	return &sink{options: o, all: o.filter.All(), dec: rmgr.NewDecoder(p.dialect), page: make([]byte, p.dialect.BlockSize())}
}

// reset forgets what was taken.
func (s *sink) reset() {
	s.text = s.text[:0]
	s.stats.Reset()
}

// add takes a record, and tells whether it is one of those that were asked for.
func (s *sink) add(rec *xlog.Record) (bool, error) {
	if !s.all {
		wanted, err := s.filter.Match(rec, s.dec.Body())
		if err != nil {
			return false, recordError(rec, err)
		}
		if !wanted {
			return false, nil
		}
	}
	var err error
	switch {
	case s.quiet:
		err = rec.Decode(s.dec.Body())
	case s.options.stats != "":
		err = s.stats.Add(rec, s.dec.Body())
	case s.json:
		s.text, err = s.appendJSON(s.text, rec)
	default:
		s.text, err = s.dec.AppendLine(s.text, rec, s.details)
	}
	if err == nil && s.saveFullpage != "" {
		if err = rec.Decode(s.dec.Body()); err == nil {
			err = s.savePages(rec)
		}
	}
	if err != nil {
		return false, recordError(rec, err)
	}
	return true, nil
}

func recordError(rec *xlog.Record, err error) error {
	if _, fatal := errors.AsType[fatalError](err); fatal {
		return err
	}
	if end, ok := errors.AsType[*xlog.EndError](err); ok {
		err = end.Err
	}
	return fmt.Errorf("error in WAL record at %s: %w", rec.LSN, err)
}

// savePages writes the full-page images of a record, which the Decoder has decoded, to files.
func (s *sink) savePages(rec *xlog.Record) error {
	for i := range s.dec.Body().Blocks {
		b := &s.dec.Body().Blocks[i]
		if !b.HasImage() {
			continue
		}
		if err := bufpage.RestoreImage(s.page, &b.Image); err != nil {
			return err
		}
		name := fmt.Sprintf("%08X-%08X.%d.%d.%d.%d_%s", uint32(rec.LSN>>32), uint32(rec.LSN),
			b.Rel.Tablespace, b.Rel.Database, b.Rel.RelNumber, b.Block, b.Fork)
		if err := os.WriteFile(filepath.Join(s.saveFullpage, name), s.page, 0o666); err != nil {
			return fatalf("could not write file \"%s\": %s", filepath.Join(s.saveFullpage, name), reason(err))
		}
	}
	return nil
}

// fatalError ends the program on the spot.
type fatalError struct{ error }

func fatalf(format string, args ...any) error { return fatalError{fmt.Errorf(format, args...)} }
