// SPDX-License-Identifier: Apache-2.0

package pagecompare

import (
	"context"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// History lists the records that refer to a block, as pg_waldump prints them, the last n of them: what may have left
// the bytes that differ. A map of free space or of visibility has few references of its own, so that all records of
// its relation are listed for it. Reading ends, without an error, where the log does.
func History(cfg xlog.ReaderConfig, d Difference, n int) string {
	if d.Rel == nil || d.Block < 0 {
		return ""
	}
	f := rmgr.Filter{Relation: d.Rel}
	if d.Fork == xlog.MainFork {
		block := uint32(d.Block)
		f.Fork, f.Block = &d.Fork, &block
	}
	decoder := rmgr.NewDecoder(cfg.Dialect)
	var lines []string
	for rec, err := range decoder.Records(context.Background(), xlog.NewReader(cfg), f) {
		if err != nil {
			break
		}
		line, err := decoder.AppendLine(nil, rec, false)
		if err != nil {
			line = []byte(err.Error())
		}
		if lines = append(lines, strings.TrimRight(string(line), "\n")); len(lines) > n {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "\n")
}
