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
	r       *Reader
	prepare func(*Window)
	window  *Window       // that records are taken from
	other   *Window       // that is being filled, or free
	filled  chan struct{} // capacity 1: other has been filled
	busy    bool          // other is being filled
}

// Window is the records that end in one window of the log. It is valid until the next is asked for.
type Window struct {
	Records []Record
	// Prepared is what ReadAhead's prepare made of the records. There are two Windows, which are used in turn: prepare
	// finds what it made of the records before, and may use that again.
	Prepared any

	buf    []byte // the window
	gather []byte // records that crossed pages
	taken  int    // records that Next gave
	err    error  // after the last record; nil when the log goes on
	more   bool   // the window was full, so there is likely more
}

// NewReadAhead begins to read. A mistake in cfg, whose Source is needed, is the error of the first Next. prepare, which
// may be nil, is called for each Window, by the goroutine that has read it.
func NewReadAhead(cfg ReaderConfig, prepare func(*Window)) *ReadAhead {
	r := NewReader(cfg)
	if r.err == nil && r.src == nil {
		r.err = errors.New("xlog.ReadAhead needs a source")
	}
	r.single = true
	if prepare == nil {
		prepare = func(*Window) {}
	}
	return &ReadAhead{
		r: r, prepare: prepare, window: &Window{buf: r.buf}, other: &Window{buf: make([]byte, len(r.buf))},
		filled: make(chan struct{}, 1),
	}
}

// Next returns the next record, which is valid until the following call. The errors are a Reader's.
func (a *ReadAhead) Next() (*Record, error) {
	for a.window.taken == len(a.window.Records) {
		if err := a.turn(); err != nil {
			return nil, err
		}
	}
	w := a.window
	w.taken++
	return &w.Records[w.taken-1], nil
}

// Window returns the next Window that has records, for one who takes all of them and does not use Next.
func (a *ReadAhead) Window() (*Window, error) {
	for {
		if err := a.turn(); err != nil {
			return nil, err
		}
		if len(a.window.Records) > 0 {
			return a.window, nil
		}
	}
}

// turn takes the next window, and has the one after it filled when the log is likely to go on.
func (a *ReadAhead) turn() error {
	if err := a.window.err; err != nil {
		a.window.err = nil
		return err
	}
	if a.busy {
		<-a.filled
		a.busy = false
	} else {
		a.fill(a.other)
	}
	a.window, a.other = a.other, a.window
	if a.window.more {
		a.busy = true
		go func(w *Window) {
			a.fill(w)
			a.filled <- struct{}{}
		}(a.other)
	}
	return nil
}

// Close waits until the source is not used any more. Next must not be called again.
func (a *ReadAhead) Close() {
	if a.busy {
		<-a.filled
		a.busy = false
	}
}

func (a *ReadAhead) fill(w *Window) {
	a.r.fill(w)
	a.prepare(w)
}

// fill takes the records of one window.
func (r *Reader) fill(w *Window) {
	w.Records, w.taken, w.err, w.more = w.Records[:0], 0, nil, false
	if w.gather = w.gather[:0]; cap(w.gather) > keepAssembly {
		w.gather = nil
	}
	r.buf, r.spent = w.buf, false
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, ErrNeedMore):
			w.more = len(r.win) == len(r.buf)
			return
		case err != nil:
			w.err = err
			return
		}
		w.Records = append(w.Records, *rec)
		if len(r.asm) == 0 && cap(r.asm) > 0 && &rec.Raw[0] == &r.asm[:1][0] {
			w.gather = append(w.gather, rec.Raw...)
			raw := w.gather[len(w.gather)-len(rec.Raw):]
			w.Records[len(w.Records)-1].Raw = raw[:len(raw):len(raw)]
		}
	}
}
