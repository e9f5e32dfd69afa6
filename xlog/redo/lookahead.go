// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// lookahead has records decoded where they are read, on another processor, and has this one get their pages from memory
// while those before them are applied. Records are taken in groups.
type lookahead struct {
	r       *Redo
	records []xlog.Record  // of a window; valid until the next
	decoded []rmgr.Decoded // the same
	taken   int
	end     int // of the group that records are taken from

	groups  [pgdata.TouchSteps]pgdata.Touched // in turn
	touched int                               // groups of the window whose blocks are in groups, or were
}

// groupSize is how many records make a group. While it is applied, the next groups make a step each.
const groupSize = 16

func (l *lookahead) init(r *Redo) { l.r = r }

// decode decodes the records of a window. It is called where they are read.
func (l *lookahead) decode(w *xlog.Window) {
	b, ok := w.Prepared.(*rmgr.Batch)
	if !ok {
		b = rmgr.NewBatch(l.r.dialect)
		w.Prepared = b
	}
	b.Decode(w.Records)
}

// empty tells whether all records of the group were taken.
func (l *lookahead) empty() bool { return l.taken == l.end }

// fill begins with another group, which has a record at least.
func (l *lookahead) fill(reader *xlog.ReadAhead) error {
	if l.taken == len(l.records) {
		w, err := reader.Window()
		if err != nil {
			return err
		}
		l.records, l.decoded = w.Records, w.Prepared.(*rmgr.Batch).Records
		l.taken, l.touched = 0, 0
	}
	l.end = min(l.taken+groupSize, len(l.records))
	return nil
}

// touch has the processor get the pages of the group, and of those after it, that are in the cache.
func (l *lookahead) touch() {
	if len(l.records) == 1 || l.r.between.closed {
		return
	}
	group := l.taken / groupSize
	for i := range pgdata.TouchSteps {
		if group+i == l.touched && !l.begin() {
			return
		}
		l.groups[(group+i)%pgdata.TouchSteps].Step(pgdata.TouchSteps - i)
	}
}

// begin makes the first step for the next group of the window; there may be none.
func (l *lookahead) begin() bool {
	from := l.touched * groupSize
	if from >= len(l.decoded) {
		return false
	}
	t := &l.groups[l.touched%pgdata.TouchSteps]
	t.Reset()
	for i := range l.decoded[from:min(from+groupSize, len(l.decoded))] {
		d := &l.decoded[from+i]
		item := changedItem(d.Payload)
		for j := range d.Body.Blocks {
			ref := &d.Body.Blocks[j]
			t.Add(l.r.store, ref.Rel, ref.Fork, ref.Block, item)
		}
	}
	l.touched++
	return true
}

// changedItem is the line pointer of the tuple that a frequent record changes, else 0.
func changedItem(p rmgr.Payload) uint16 {
	switch p := p.(type) {
	case *rmgr.HeapUpdate:
		return p.OldOffset
	case *rmgr.HeapDelete:
		return p.Offset
	case *rmgr.HeapLock:
		return p.Offset
	}
	return 0
}

// take makes the next record the one that is to be applied.
func (l *lookahead) take() (*xlog.Record, rmgr.Payload, error) {
	rec, d := &l.records[l.taken], &l.decoded[l.taken]
	l.taken++
	l.r.take(rec, &d.Body)
	return rec, d.Payload, d.Err
}
