// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// lookahead decodes a few records before the first of them is applied, so that the processor gets all their pages from
// memory at the same time, instead of waiting for one after another.
type lookahead struct {
	r       *Redo
	records []xlog.Record // those that were read; valid until the next are
	decoded [maxAhead]decoded
	taken   int
	blocks  []pgdata.BlockID
}

// decoded is a record, with a decoder that it has for itself.
type decoded struct {
	decoder *rmgr.Decoder
	payload rmgr.Payload
	err     error
}

// maxAhead is how many records are decoded at a time.
const maxAhead = 32

func (l *lookahead) init(r *Redo) {
	l.r = r
	for i := range l.decoded {
		l.decoded[i].decoder = rmgr.NewDecoder(r.dir.Dialect)
	}
}

// empty tells whether all records that were read were taken.
func (l *lookahead) empty() bool { return l.taken == len(l.records) }

// fill reads and decodes records, at least one.
func (l *lookahead) fill(reader *xlog.ReadAhead) (err error) {
	l.taken = 0
	if l.records, err = reader.Some(maxAhead); err != nil {
		return err
	}
	l.blocks = l.blocks[:0]
	for i := range l.records {
		d := &l.decoded[i]
		d.payload, d.err = d.decoder.Decode(&l.records[i])
		for j := range d.decoder.Body().Blocks {
			ref := &d.decoder.Body().Blocks[j]
			l.blocks = append(l.blocks, pgdata.BlockID{Rel: ref.Rel, Fork: ref.Fork, Block: ref.Block})
		}
	}
	return nil
}

// touch has the processor get the pages that are in the cache.
func (l *lookahead) touch() {
	if len(l.records) > 1 && !l.r.between.closed {
		l.r.store.Touch(l.blocks)
	}
}

// take makes the next record the one that is to be applied.
func (l *lookahead) take() (*xlog.Record, rmgr.Payload, error) {
	rec, d := &l.records[l.taken], &l.decoded[l.taken]
	l.taken++
	l.r.take(rec, d.decoder.Body())
	return rec, d.payload, d.err
}
