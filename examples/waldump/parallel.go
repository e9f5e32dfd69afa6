// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/walmirror/walmirror/xlog"
)

// How much of the log, in bytes, one goroutine takes at once. Text is kept until its turn comes, statistics need not be.
const (
	textChunk  = 4 << 20
	statsChunk = 16 << 20
)

// A chunk is a part of the log: the records that begin in [begin, end).
type chunk struct {
	begin, end xlog.LSN
	last       bool // there is no chunk behind it: the log ends here
	done       chan result
}

// result is what became of a chunk.
type result struct {
	sink        *sink
	first, prev xlog.LSN // first record and its link; 0 when no record begins here
	newest      xlog.LSN // last record
	next        xlog.LSN // where the record after that begins, page header aside
	end         *xlog.EndError
	err         error
	stopped     bool // the given end was reached, or an error
}

// parallel reads chunks of the log at the same time and puts the results together in their order. A chunk begins at the
// first record of its first page, as xlog.Reader finds it; that it follows the last record of the chunk before is
// checked afterwards.
func (d *dumper) parallel(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	jobs, order := make(chan *chunk), make(chan *chunk, workers)
	sinks := make(chan *sink, 2*workers+1) // bounds what is not yet written
	for range cap(sinks) {
		sinks <- newSink(d.options, d.place)
	}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { d.work(ctx, jobs, sinks) })
	}
	running.Go(func() { d.split(ctx, jobs, order) })
	err := d.merge(ctx, order, sinks)
	cancel()
	running.Wait()
	return err
}

// split cuts the log from the first record on into chunks, as far as there are files.
func (d *dumper) split(ctx context.Context, jobs, order chan<- *chunk) {
	defer close(jobs)
	defer close(order)
	size := xlog.LSN(textChunk)
	if d.stats != "" || d.quiet {
		size = statsChunk
	}
	size = min(size, xlog.LSN(d.size))
	for begin, last := d.first, false; !last; {
		c := &chunk{begin: begin, end: begin&^(size-1) + size, done: make(chan result, 1)}
		c.last = d.to != 0 && c.end >= d.to || d.size.Offset(c.end) == 0 && !d.exists(c.end)
		begin, last = c.end, c.last
		for _, queue := range []chan<- *chunk{order, jobs} {
			select {
			case queue <- c:
			case <-ctx.Done():
				return
			}
		}
	}
}

// exists tells whether there is a file for the segment at lsn.
func (d *dumper) exists(lsn xlog.LSN) bool {
	f, err := openSegment(d.dir, d.size.Name(d.tli, d.size.Number(lsn)))
	if err != nil {
		return false
	}
	f.Close()
	return true
}

func (d *dumper) work(ctx context.Context, jobs <-chan *chunk, sinks <-chan *sink) {
	src := &segments{place: d.place}
	defer src.Close()
	for c := range jobs {
		select {
		case s := <-sinks:
			c.done <- d.scan(ctx, src, c, s)
		case <-ctx.Done():
			return
		}
	}
}

// scan takes the records of a chunk.
func (d *dumper) scan(ctx context.Context, src *segments, c *chunk, s *sink) result {
	res := result{sink: s}
	r := src.reader(c.begin)
	interrupted, stop := interruption(ctx)
	defer stop()
	for !interrupted.Load() && (c.last || r.End() < c.end) {
		rec, err := r.Next()
		if err != nil {
			res.end, _ = errors.AsType[*xlog.EndError](err)
			res.stopped = true
			return res
		}
		if rec.LSN >= c.end && !c.last {
			return res
		}
		if res.stopped = d.past(rec); res.stopped {
			return res
		}
		if res.first == 0 {
			res.first, res.prev = rec.LSN, rec.Prev
		}
		res.newest, res.next = rec.LSN, rec.End
		if _, res.err = s.add(rec); res.err != nil {
			res.stopped = true
			return res
		}
	}
	return res
}

// merge takes the results in the order of the log.
func (d *dumper) merge(ctx context.Context, order <-chan *chunk, sinks chan<- *sink) error {
	src := &segments{place: d.place}
	defer src.Close()
	for c := range order {
		var res result
		select {
		case res = <-c.done:
		case <-ctx.Done():
			return nil
		}
		if res = d.passed(ctx, src, c, res); res.first > d.first && res.prev != d.last {
			return d.endOf(src, d.brokenChain(src))
		}
		if err := d.take(src, res); err != nil || res.stopped {
			return err
		}
		sinks <- res.sink
	}
	return nil
}

// passed looks at a chunk that begins within the last record, or behind one that left the rest of its segment empty. If
// the log goes on behind the chunk it gives nothing.
func (d *dumper) passed(ctx context.Context, src *segments, c *chunk, res result) result {
	switch {
	case c.begin >= d.next || res.first != 0 && c.end > d.next:
		return res
	case !c.last:
		res.sink.reset()
		return result{sink: res.sink}
	}
	rest := *c
	rest.begin = d.next
	return d.scan(ctx, src, &rest, res.sink)
}

// take writes what a chunk gave.
func (d *dumper) take(src *segments, res result) error {
	if res.newest != 0 {
		d.last, d.next = res.newest, res.next
	}
	if _, err := d.out.Write(res.sink.text); err != nil {
		return err
	}
	d.total.stats.Merge(&res.sink.stats)
	res.sink.reset()
	if res.err != nil || res.end == nil {
		return res.err
	}
	return d.endOf(src, res.end)
}

// brokenChain reads on from the last good record and gives what is wrong with the next.
func (d *dumper) brokenChain(src *segments) error {
	r := src.reader(d.last)
	for {
		if _, err := r.Next(); err != nil {
			return err
		}
	}
}
