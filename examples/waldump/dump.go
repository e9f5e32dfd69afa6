// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

const (
	// flushAt is how much text is gathered before it is written.
	flushAt = 64 << 10
	// followInterval is how long --follow waits before it looks again.
	followInterval = 100 * time.Millisecond
)

// dump is the program behind the command line.
func dump(ctx context.Context, o *options, positional []string, out io.Writer) error {
	p, err := o.locate(positional)
	if err != nil {
		return err
	}
	if err := o.rmgrFilter(p.dialect); err != nil {
		return err
	}
	if o.saveFullpage != "" {
		if err := makeEmptyDirectory(o.saveFullpage); err != nil {
			return err
		}
	}
	d := &dumper{options: o, place: p, out: out, total: newSink(o, p)}
	if err := d.findFirst(); err != nil {
		return err
	}
	if o.limit > 0 || o.follow || runtime.GOMAXPROCS(0) == 1 {
		err = d.sequential(ctx)
	} else {
		err = d.parallel(ctx)
	}
	if ctx.Err() != nil {
		err = nil
	}
	return d.finish(err)
}

// dumper is one run over the log.
type dumper struct {
	*options
	*place
	out   io.Writer
	total *sink

	first xlog.LSN // first record
	last  xlog.LSN // newest record that was read, for the message about the one after it
	next  xlog.LSN // where that ends; used when reading in parallel
}

// findFirst finds the first record and says so when it is not where it was looked for.
func (d *dumper) findFirst() error {
	src := &segments{place: d.place}
	defer src.Close()
	rec, err := src.reader(d.from).Next()
	if err != nil {
		if end, ok := errors.AsType[*xlog.EndError](err); ok && errors.Is(err, xlog.ErrIO) || missing(end) {
			return d.explain(src, end)
		}
		return fmt.Errorf("could not find a valid record after %s", d.from)
	}
	d.first, d.last = rec.LSN, rec.LSN
	if skipped := rec.LSN.Sub(d.from); skipped != 0 && d.size.Offset(d.from) != 0 && !d.json {
		plural := "s"
		if skipped == 1 {
			plural = ""
		}
		_, err = fmt.Fprintf(d.out, "first record is after %s, at %s, skipping over %d byte%s\n",
			d.from, rec.LSN, skipped, plural)
	}
	return err
}

// interruption is set at the end of ctx. It is cheaper to ask for each record.
func interruption(ctx context.Context) (set *atomic.Bool, stop func() bool) {
	set = new(atomic.Bool)
	return set, context.AfterFunc(ctx, func() { set.Store(true) })
}

// sequential reads record by record, in follow mode without end.
func (d *dumper) sequential(ctx context.Context) error {
	src := &segments{place: d.place}
	defer src.Close()
	r := src.reader(d.first)
	interrupted, stop := interruption(ctx)
	defer stop()
	for n := 0; !interrupted.Load(); {
		rec, err := r.Next()
		if err != nil {
			if d.follow && !errors.Is(err, errStop) {
				if err := d.wait(ctx); err != nil {
					return err
				}
				continue
			}
			return d.endOf(src, err)
		}
		if d.past(rec) {
			return nil
		}
		d.last = rec.LSN
		shown, err := d.total.add(rec)
		if err != nil {
			return err
		}
		if len(d.total.text) >= flushAt {
			if err := d.flush(); err != nil {
				return err
			}
		}
		if shown {
			n++
		}
		if d.limit > 0 && n >= d.limit {
			return nil
		}
	}
	return nil
}

// past tells whether a record reaches over the given end; with a switch that is not counted, the rest of its segment.
func (d *dumper) past(rec *xlog.Record) bool {
	end := rec.End - xlog.LSN(-rec.TotalLen&7)
	if rec.IsSwitch() {
		end = rec.LSN.Add(int(rec.TotalLen))
	}
	return d.to != 0 && end > d.to
}

// wait writes out what there is and waits until it is time to look again.
func (d *dumper) wait(ctx context.Context) error {
	if err := d.flush(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(followInterval):
	}
	return nil
}

// endOf is what there is to say about the end of the log: nothing about one that was asked for.
func (d *dumper) endOf(src *segments, err error) error {
	end, ok := errors.AsType[*xlog.EndError](err)
	if !ok || errors.Is(err, errStop) {
		return nil
	}
	return d.explain(src, end)
}

func (d *dumper) flush() error {
	_, err := d.out.Write(d.total.text)
	d.total.text = d.total.text[:0]
	return err
}

// finish prints the statistics, but after a missing file, where pg_waldump stops at once.
func (d *dumper) finish(err error) error {
	if _, fatal := errors.AsType[fatalError](err); d.stats != "" && !d.quiet && !fatal {
		if s := &d.total.stats; s.End != 0 {
			s.Begin = d.first
		}
		d.total.text = d.total.stats.AppendText(d.total.text, d.total.dec, d.stats == "record")
	}
	return errors.Join(err, d.flush())
}

// makeEmptyDirectory makes a directory, or makes sure that it is empty.
func makeEmptyDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("could not create directory \"%s\": %s", dir, reason(err))
		}
		return nil
	case err != nil:
		return fmt.Errorf("could not access directory \"%s\": %s", dir, reason(err))
	case len(entries) > 0:
		return fmt.Errorf("directory \"%s\" exists but is not empty", dir)
	}
	return nil
}
