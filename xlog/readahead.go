// SPDX-License-Identifier: Apache-2.0

package xlog

import "errors"

// ReadAhead gives the records of a log as a Reader with a Source does, and checks those that come next on another
// processor meanwhile. At the end of what the source has it works as a Reader alone would, so that a record that has
// just arrived waits for nobody. Its memory is two windows of BufferSize with their records.
//
// It is not safe for concurrent use; the source is used by one goroutine at a time. Close must be called before the
// source is closed.
type ReadAhead struct {
	r      *Reader
	batch  *batch        // that Next takes records from
	other  *batch        // that is being filled, or free
	filled chan struct{} // capacity 1: other has been filled
	busy   bool          // other is being filled
}

// batch is the records that end in one window of the log.
type batch struct {
	buf     []byte   // the window
	gather  []byte   // records that crossed pages
	records []Record // valid while buf and gather are
	taken   int      // of records
	err     error    // after the last record; nil when the log goes on
	more    bool     // the window was full, so there is likely more
}

// NewReadAhead begins to read. A mistake in cfg, whose Source is needed, is the error of the first Next.
func NewReadAhead(cfg ReaderConfig) *ReadAhead {
	r := NewReader(cfg)
	if r.err == nil && r.src == nil {
		r.err = errors.New("xlog.ReadAhead needs a source")
	}
	r.single = true
	return &ReadAhead{
		r: r, batch: &batch{buf: r.buf}, other: &batch{buf: make([]byte, len(r.buf))},
		filled: make(chan struct{}, 1),
	}
}

// Next returns the next record, which is valid until the following call. The errors are a Reader's.
func (a *ReadAhead) Next() (*Record, error) {
	records, err := a.Some(1)
	if err != nil {
		return nil, err
	}
	return &records[0], nil
}

// Some is Next for one who takes up to n records at a time, and always one.
func (a *ReadAhead) Some(n int) ([]Record, error) {
	for {
		b := a.batch
		if left := b.records[b.taken:]; len(left) > 0 {
			left = left[:min(n, len(left))]
			b.taken += len(left)
			return left, nil
		}
		if err := b.err; err != nil {
			b.err = nil
			return nil, err
		}
		a.turn()
	}
}

// turn takes the next batch, and has the one after it filled when the log is likely to go on.
func (a *ReadAhead) turn() {
	if a.busy {
		<-a.filled
		a.busy = false
	} else {
		a.r.fill(a.other)
	}
	a.batch, a.other = a.other, a.batch
	if a.batch.more {
		a.busy = true
		go func(b *batch) {
			a.r.fill(b)
			a.filled <- struct{}{}
		}(a.other)
	}
}

// Close waits until the source is not used any more. Next must not be called again.
func (a *ReadAhead) Close() {
	if a.busy {
		<-a.filled
		a.busy = false
	}
}

// fill takes the records of one window.
func (r *Reader) fill(b *batch) {
	b.records, b.taken, b.err, b.more = b.records[:0], 0, nil, false
	if b.gather = b.gather[:0]; cap(b.gather) > keepAssembly {
		b.gather = nil
	}
	r.buf, r.spent = b.buf, false
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, ErrNeedMore):
			b.more = len(r.win) == len(r.buf)
			return
		case err != nil:
			b.err = err
			return
		}
		b.records = append(b.records, *rec)
		if len(r.asm) == 0 && cap(r.asm) > 0 && &rec.Raw[0] == &r.asm[:1][0] {
			b.gather = append(b.gather, rec.Raw...)
			raw := b.gather[len(b.gather)-len(rec.Raw):]
			b.records[len(b.records)-1].Raw = raw[:len(raw):len(raw)]
		}
	}
}
