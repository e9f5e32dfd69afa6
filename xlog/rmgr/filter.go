// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Filter says which records are wanted. A record must pass every condition that is set; the zero value passes all.
// What the record's header says is looked at first, then its block references; nothing more is decoded.
type Filter struct {
	Rmgrs []xlog.RmgrID // one of these resource managers; nil: any
	XIDs  []uint32      // written by one of these transactions; nil: any. 0 is "by none"

	// Begin and End bound the positions of records: Begin <= LSN < End. 0: no bound. Records ends at End.
	Begin, End xlog.LSN

	// A block reference must be of this relation, in this fork and with this number. nil: any.
	Relation *xlog.RelFileLocator
	Fork     *xlog.ForkNumber
	Block    *uint32
	FullPage bool // some block reference has a full-page image

	// Since and Until bound the log by the clock of the server, which the ends of transactions tell: Records begins
	// with the first end of a transaction at Since or later, and ends before the first one later than Until. Match
	// does not look at them.
	Since, Until time.Time
}

// Match tells whether a record is wanted. When it had to look at the block references, the record is decoded into
// body afterwards, and the error is that of xlog.Record.Decode.
func (f *Filter) Match(rec *xlog.Record, body *xlog.Body) (bool, error) {
	if !f.matchHeader(rec) {
		return false, nil
	}
	if !f.wantsBlocks() {
		return true, nil
	}
	if err := rec.Decode(body); err != nil {
		return false, err
	}
	return f.matchBlocks(body.Blocks), nil
}

// All tells whether every record is wanted, by Match.
func (f *Filter) All() bool {
	return f.Rmgrs == nil && f.XIDs == nil && f.Begin == 0 && f.End == 0 && !f.wantsBlocks()
}

func (f *Filter) matchHeader(rec *xlog.Record) bool {
	return (f.Rmgrs == nil || slices.Contains(f.Rmgrs, rec.Rmgr)) &&
		(f.XIDs == nil || slices.Contains(f.XIDs, rec.XID)) &&
		rec.LSN >= f.Begin && (f.End == 0 || rec.LSN < f.End)
}

func (f *Filter) wantsTag() bool { return f.Relation != nil || f.Fork != nil || f.Block != nil }

func (f *Filter) wantsBlocks() bool { return f.FullPage || f.wantsTag() }

func (f *Filter) matchBlocks(blocks []xlog.BlockRef) bool {
	tag, image := !f.wantsTag(), !f.FullPage
	for i := range blocks {
		tag = tag || f.matchTag(&blocks[i])
		image = image || blocks[i].HasImage()
	}
	return tag && image
}

func (f *Filter) matchTag(b *xlog.BlockRef) bool {
	return (f.Relation == nil || *f.Relation == b.Rel) && (f.Fork == nil || *f.Fork == b.Fork) &&
		(f.Block == nil || *f.Block == b.Block)
}

// Records are the records of r that f wants, up to the end of the log, which is the last pair's error (an
// *xlog.EndError; see xlog.Reader), or to the Filter's end, or to the end of ctx, whose error is then the last. A
// record is valid until the loop goes on. The Decoder's Body and Decode are for the loop's use.
//
//	for rec, err := range dec.Records(ctx, r, rmgr.Filter{Rmgrs: []xlog.RmgrID{rmgr.Heap}}) {
//		if err != nil {
//			return err
//		}
//		payload, err := dec.Decode(rec)
//		...
//	}
func (dec *Decoder) Records(ctx context.Context, r *xlog.Reader, f Filter) iter.Seq2[*xlog.Record, error] {
	return func(yield func(*xlog.Record, error) bool) {
		started := f.Since.IsZero()
		for {
			rec, err := r.Next()
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if f.End != 0 && rec.LSN >= f.End {
				return
			}
			if at, ok := dec.clock(&f, rec); ok {
				if started = started || !at.Before(f.Since); !f.Until.IsZero() && at.After(f.Until) {
					return
				}
			}
			if !started {
				continue
			}
			wanted, err := f.Match(rec, &dec.body)
			if err == nil && !wanted {
				continue
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// clock is the time that a transaction's end tells, if the filter needs it.
func (dec *Decoder) clock(f *Filter, rec *xlog.Record) (time.Time, bool) {
	if f.Since.IsZero() && f.Until.IsZero() || rec.Rmgr != Transaction {
		return time.Time{}, false
	}
	payload, err := dec.Decode(rec)
	if err != nil {
		return time.Time{}, false
	}
	switch p := payload.(type) {
	case *XactCommit:
		return xlog.Time(p.Time).Local(), true
	case *XactAbort:
		return xlog.Time(p.Time).Local(), true
	}
	return time.Time{}, false
}
