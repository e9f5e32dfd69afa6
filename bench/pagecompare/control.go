// SPDX-License-Identifier: Apache-2.0

package pagecompare

import (
	"fmt"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog/pgdata"
)

// clocks are the lines of a control file that tell the time of writing: they may differ.
var clocks = []string{"pg_control last modified:"}

// control compares two control files field by field.
func (c *comparison) control(a, b []byte) error {
	fieldsA, err := controlFields(a)
	if err != nil {
		return err
	}
	fieldsB, err := controlFields(b)
	if err != nil {
		return err
	}
	c.report.count(pgdata.ControlFileName, len(a), c.blcksz)
	if len(fieldsA) != len(fieldsB) {
		return fmt.Errorf("%s: %d fields in A, %d in B", pgdata.ControlFileName, len(fieldsA), len(fieldsB))
	}
	for i := range fieldsA {
		if fieldsA[i] != fieldsB[i] && !isClock(fieldsA[i]) {
			c.report.differ(Difference{
				File: pgdata.ControlFileName, Block: -1, Text: fmt.Sprintf("A %q, B %q", fieldsA[i], fieldsB[i]),
			})
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

// controlFields is a control file as pg_controldata prints it.
func controlFields(raw []byte) ([]string, error) {
	control, err := pgdata.DecodeControl(raw)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(control.Describe(time.UTC)), "\n"), nil
}
