// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// dumped is what pg_waldump prints of a record but for its description.
type dumped struct {
	prefix string // up to "desc: "
	suffix string // ", blkref #0: ..." or ""
}

func dump(rec *xlog.Record, body *xlog.Body) dumped {
	images := 0
	var blocks strings.Builder
	for i := range body.Blocks {
		blk := &body.Blocks[i]
		images += len(blk.Image.Data)
		blocks.WriteString(", " + blockTag(blk, blk.Fork != xlog.MainFork))
		switch {
		case blk.HasImage() && blk.Image.Apply:
			blocks.WriteString(" FPW")
		case blk.HasImage():
			blocks.WriteString(" FPW for WAL verification")
		}
	}
	return dumped{
		prefix: fmt.Sprintf("rmgr: %-11s len (rec/tot): %6d/%6d, tx: %10d, lsn: %s, prev %s, desc: ",
			rec.Dialect().RmgrName(rec.Rmgr), int(rec.TotalLen)-images, rec.TotalLen, rec.XID,
			paddedLSN(rec.LSN), paddedLSN(rec.Prev)),
		suffix: blocks.String(),
	}
}

// paddedLSN is the form in which pg_waldump prints positions of records.
func paddedLSN(l xlog.LSN) string { return fmt.Sprintf("%X/%08X", uint32(l>>32), uint32(l)) }

func blockTag(blk *xlog.BlockRef, fork bool) string {
	if fork {
		return fmt.Sprintf("blkref #%d: rel %s fork %s blk %d", blk.ID, blk.Rel, blk.Fork, blk.Block)
	}
	return fmt.Sprintf("blkref #%d: rel %s blk %d", blk.ID, blk.Rel, blk.Block)
}

// blockDetails is the long form of --bkp-details. Up to 14 it does not name the method of compression.
func blockDetails(d *xlog.Dialect, blk *xlog.BlockRef) string {
	s, img := blockTag(blk, true), &blk.Image
	if !blk.HasImage() {
		return s
	}
	kind := ""
	if !img.Apply {
		kind = " for WAL verification"
	}
	s += fmt.Sprintf(" (FPW%s); hole: offset: %d, length: %d", kind, img.HoleOffset, img.HoleLength)
	if img.Compression != xlog.NotCompressed {
		s += fmt.Sprintf(", compression saved: %d", d.BlockSize()-int(img.HoleLength)-len(img.Data))
		if d.Base() >= 15 {
			s += ", method: " + img.Compression.String()
		}
	}
	return s
}

// matches compares a record with its line.
func (d dumped) matches(line string) bool {
	if !strings.HasPrefix(line, d.prefix) || !strings.HasSuffix(line, d.suffix) {
		return false
	}
	return !strings.Contains(line[:len(line)-len(d.suffix)], ", blkref #")
}

// tally counts what was compared, as pg_waldump --stats does.
type tally struct {
	records, bytes, images, blocks int
	last                           xlog.LSN // end of the last record
}

func (c *tally) add(rec *xlog.Record, body *xlog.Body) {
	c.records++
	c.bytes += int(rec.TotalLen)
	c.last = rec.End
	for i := range body.Blocks {
		c.blocks++
		c.images += len(body.Blocks[i].Image.Data)
		c.bytes -= len(body.Blocks[i].Image.Data)
	}
}

// compareWaldump reads the log to its end, compares every record with its line, and returns the answer. Records for
// which omitted says so have no line.
func compareWaldump(t testing.TB, r *xlog.Reader, text io.Reader, omitted func(*xlog.Record) bool) (tally, error) {
	t.Helper()
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 64<<20)
	var sum tally
	var body xlog.Body
	for {
		rec, err := r.Next()
		if err != nil {
			require.False(t, lines.Scan(), "no record for the line %s", lines.Text())
			require.NoError(t, lines.Err())
			return sum, err
		}
		require.NoError(t, rec.Decode(&body))
		sum.add(rec, &body)
		if omitted(rec) {
			continue
		}
		require.True(t, lines.Scan(), "no line for the record at %s", rec.LSN)
		if want := dump(rec, &body); !want.matches(lines.Text()) {
			t.Fatalf("record at %s:\nhave %s...%s\nwant %s", rec.LSN, want.prefix, want.suffix, lines.Text())
		}
	}
}

// compareDetails is compareWaldump for the output of --bkp-details, where each block reference has a line.
func compareDetails(t testing.TB, r *xlog.Reader, text io.Reader) tally {
	t.Helper()
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 64<<20)
	next := func() string {
		for lines.Scan() {
			if s := lines.Text(); strings.HasPrefix(s, "rmgr: ") || strings.HasPrefix(s, "\tblkref #") {
				return s
			}
		}
		require.NoError(t, lines.Err())
		return ""
	}
	var sum tally
	var body xlog.Body
	for line := next(); line != ""; {
		rec, err := r.Next()
		require.NoError(t, err)
		require.NoError(t, rec.Decode(&body))
		sum.add(rec, &body)
		require.True(t, strings.HasPrefix(line, dump(rec, &body).prefix), "%s: %s", rec.LSN, line)
		for i := range body.Blocks {
			require.Equal(t, "\t"+blockDetails(rec.Dialect(), &body.Blocks[i]), next(), "record at %s", rec.LSN)
		}
		line = next()
	}
	return sum
}
