// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/walmirror/walmirror/walreceiver"
)

// progress shows how far a snapshot is: a bar on a terminal, a line now and then otherwise.
type progress struct {
	w     io.Writer
	quiet bool
	bar   *progressbar.ProgressBar // nil when w is no terminal
	last  time.Time
}

const progressLine = 5 * time.Second // between lines where there is no bar

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{w: w, quiet: quiet, last: time.Now()}
	if f, ok := w.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("snapshot"), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) update(b walreceiver.BackupProgress) {
	if p.bar != nil {
		p.bar.ChangeMax64(b.Total)
		_ = p.bar.Set64(b.Done)
		return
	}
	if p.quiet || time.Since(p.last) < progressLine {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "snapshot: %s of %s (%d%%)\n", byteCount(b.Done), byteCount(b.Total), 100*b.Done/max(b.Total, 1))
}

func (p *progress) event(e walreceiver.Event) {
	switch e.(type) {
	case walreceiver.ServerNotice, walreceiver.BackupMappingUnused, walreceiver.BackupLinkSkipped:
	default:
		if p.quiet {
			return
		}
	}
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.w, "snapshot:", e)
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// byteCount writes a size as people read it.
func byteCount(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 4 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}
