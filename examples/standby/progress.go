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

// progress shows how far a long work is, in bytes: a bar with rate and time left on a terminal, a line now and then
// otherwise.
type progress struct {
	w     io.Writer
	what  string
	quiet bool
	bar   *progressbar.ProgressBar // nil when w is no terminal
	last  time.Time
}

const progressLine = 5 * time.Second // between lines where there is no bar

func newProgress(w io.Writer, what string, quiet bool) *progress {
	p := &progress{w: w, what: what, quiet: quiet, last: time.Now()}
	if f, ok := w.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) update(done, total int64) {
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, 1))
		_ = p.bar.Set64(min(done, max(total, 1)))
		return
	}
	if p.quiet || time.Since(p.last) < progressLine {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "%s: %s of %s (%d%%)\n", p.what, byteCount(done), byteCount(total), 100*done/max(total, 1))
}

// poll updates until stop is called, which waits for the last update.
func (p *progress) poll(measure func() (done, total int64)) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				p.finish()
				return
			case <-tick.C:
				p.update(measure())
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
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
	fmt.Fprintln(p.w, p.what+":", e)
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
