// SPDX-License-Identifier: Apache-2.0

// Package pagecompare compares data directories at rest byte for byte: what one replay of a log left with what another
// did, or with a manifest of what it should leave.
//
//	report, err := pagecompare.Compare(standby, ours)
//	fmt.Print(report)       // what was compared, and each difference with relation, fork, block and offset
//	err = report.Err()      // not nil when something differs, or when nothing was compared
//
// Every file below the two directories counts, tablespaces included, but for those that ignored in files.go lists:
// what a server writes that no log says. Nothing is masked. Of the control file the fields are compared.
//
// Two servers leave the same bytes for the same log only when neither lost what needs not be written: a change of a
// free space map that does not make its page dirty is gone when the page leaves the cache, and stays when something
// else has the page written. So both need a cache that holds everything, no background writer, and their restartpoints
// at the same records.
package pagecompare

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Compare compares two data directories. The error is about reading them, not about differences.
func Compare(a, b string) (*Report, error) {
	control, err := pgdata.ReadControl(vfs.OS, a)
	if err != nil {
		return nil, err
	}
	filesA, err := list(a)
	if err != nil {
		return nil, err
	}
	filesB, err := list(b)
	if err != nil {
		return nil, err
	}
	c := &comparison{report: newReport(), blcksz: int(control.Blcksz), relsegSize: control.RelsegSize}
	for _, name := range merge(filesA, filesB) {
		pathA, inA := filesA[name]
		pathB, inB := filesB[name]
		switch {
		case !inB:
			c.missing(name, pathA, "A")
		case !inA:
			c.missing(name, pathB, "B")
		case strings.HasSuffix(name, "/"):
		default:
			if err := c.files(name, pathA, pathB); err != nil {
				return nil, err
			}
		}
	}
	return c.report, nil
}

// comparison is a Compare on its way.
type comparison struct {
	report     *Report
	blcksz     int
	relsegSize uint32 // blocks of a segment file
}

// missing reports a file that only one side has.
func (c *comparison) missing(name, path, side string) {
	size := int64(-1)
	if st, err := os.Stat(path); err == nil {
		size = st.Size()
	}
	c.report.differ(Difference{File: name, Block: -1, Text: fmt.Sprintf("only in %s, %d bytes", side, size)})
}

// files compares a file that both sides have.
func (c *comparison) files(name, pathA, pathB string) error {
	a, err := os.ReadFile(pathA)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(pathB)
	if err != nil {
		return err
	}
	if filepath.ToSlash(name) == pgdata.ControlFileName {
		return c.report.controlFiles(a, b)
	}
	c.report.count(name, len(a), c.blcksz)
	if bytes.Equal(a, b) {
		return nil
	}
	if len(a) != len(b) {
		c.report.differ(Difference{File: name, Block: -1, Text: fmt.Sprintf("%d bytes in A, %d in B", len(a), len(b))})
	}
	c.pages(name, a, b)
	return nil
}

// pages reports the pages that differ of what both files have.
func (c *comparison) pages(name string, a, b []byte) {
	n := min(len(a), len(b))
	for at := 0; at < n; at += c.blcksz {
		end := min(at+c.blcksz, n)
		if !bytes.Equal(a[at:end], b[at:end]) {
			c.report.differ(c.page(name, at/c.blcksz, a[at:end], b[at:end]))
		}
	}
}
