// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
)

// demoView shows both sides side by side: on a terminal a line that is always of now, and one that stays every half
// second; elsewhere only those that stay.
type demoView struct {
	out      io.Writer
	terminal bool
	began    time.Time
	primary  *demoPrimary
	standby  *standby.Standby
	headed   bool
}

const (
	demoLine    = 500 * time.Millisecond // between lines that stay
	demoRefresh = 100 * time.Millisecond // of the one that does not
)

func newDemoView(out io.Writer, began time.Time, p *demoPrimary, s *standby.Standby) *demoView {
	v := &demoView{out: out, began: began, primary: p, standby: s}
	if f, ok := out.(*os.File); ok {
		v.terminal = term.IsTerminal(int(f.Fd()))
	}
	return v
}

// show shows for so long, and at least until the standby streams.
func (v *demoView) show(ctx context.Context, d time.Duration) error {
	if !v.headed {
		fmt.Fprintf(v.out, "%8s  %-11s %10s %6s   %-12s %10s %10s %7s %6s\n", "", "COORDINATOR", "log", "rows", "STANDBY",
			"on disk", "replayed", "lag", "rows")
		v.headed = true
	}
	tick := time.NewTicker(demoRefresh)
	defer tick.Stop()
	for began, line := time.Now(), time.Now(); ; {
		stays := time.Since(line) >= demoLine
		if stays {
			line = time.Now()
		}
		streams, err := v.line(ctx, stays)
		if err != nil || streams && stays && time.Since(began) >= d {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// line prints how it is now.
func (v *demoView) line(ctx context.Context, stays bool) (streams bool, err error) {
	if !stays && !v.terminal {
		return false, nil
	}
	if err := v.primary.alive(); err != nil {
		return false, err
	}
	rows, replayed, lag := "-", "-", "-"
	err = v.standby.Catalog(ctx, func(c *catalog.Catalog) error {
		there, err := demoRows(c)
		rows = fmt.Sprint(len(there))
		return err
	})
	if err != nil && !errors.Is(err, redo.ErrNotConsistent) {
		return false, err
	}
	st, end := v.standby.Status(), v.primary.position()
	if at := st.Replay.LSN; at.Valid() {
		replayed, lag = at.String(), byteCount(max(0, end.Sub(at)))
	}
	return st.State == "streaming", v.print(fmt.Sprintf("%6.2f s  %-11s %10s %6d   %-12s %10s %10s %7s %6s",
		time.Since(v.began).Seconds(), v.primary.state(), end, v.primary.committed(), st.State, st.FlushedLSN, replayed, lag,
		rows), stays)
}

func (v *demoView) print(text string, stays bool) error {
	end := "\n"
	if v.terminal {
		text = "\r\x1b[K" + text // and no colour
		if !stays {
			end = ""
		}
	}
	_, err := fmt.Fprint(v.out, text+end)
	return err
}
