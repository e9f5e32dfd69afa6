// SPDX-License-Identifier: Apache-2.0

package pagecompare

import (
	"fmt"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// clocks are the lines of a control file that tell the time of writing: they may differ.
var clocks = []string{"pg_control last modified:"}

// CompareControl compares the control file of a data directory with what pg_controldata printed in UTC (A is the text,
// B the directory), and adds what it finds to a report.
func (r *Report) CompareControl(text, dir string) error {
	control, err := pgdata.ReadControl(vfs.OS, dir)
	if err != nil {
		return err
	}
	return r.control(lines(text), lines(control.Describe(time.UTC)))
}

// controlFiles compares two control files.
func (r *Report) controlFiles(a, b []byte) error {
	controlA, err := pgdata.DecodeControl(a)
	if err != nil {
		return err
	}
	controlB, err := pgdata.DecodeControl(b)
	if err != nil {
		return err
	}
	return r.control(lines(controlA.Describe(time.UTC)), lines(controlB.Describe(time.UTC)))
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

// control compares two control files field by field.
func (r *Report) control(a, b []string) error {
	r.count(pgdata.ControlFileName, pgdata.ControlFileSize, pgdata.ControlFileSize)
	if len(a) != len(b) {
		return fmt.Errorf("%s: %d fields in A, %d in B", pgdata.ControlFileName, len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] && !isClock(a[i]) {
			r.differ(Difference{File: pgdata.ControlFileName, Block: -1, Text: fmt.Sprintf("A %q, B %q", a[i], b[i])})
		}
	}
	return nil
}

func isClock(line string) bool {
	for _, name := range clocks {
		if strings.HasPrefix(line, name) {
			return true
		}
	}
	return false
}
