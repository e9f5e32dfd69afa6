// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"fmt"
)

// readPageHeader takes the bytes of a page header as they come, and enters the page when they are whole.
func (r *Reader) readPageHeader() error {
	var h PageHeader
	for h.Decode(r.hdr) != nil {
		i := int(r.pos - r.winLSN)
		if i >= len(r.win) {
			return nil
		}
		want := ShortPageHeaderSize
		if len(r.hdr) >= want {
			want = LongPageHeaderSize
		}
		part := r.win[i:min(i+want-len(r.hdr), len(r.win))]
		r.hdr = append(r.hdr, part...)
		r.pos += LSN(len(part))
	}
	page := r.pos - LSN(len(r.hdr))
	err := r.enterPage(page, &h)
	r.hdr = r.hdr[:0]
	return err
}

// enterPage checks a page header and prepares for the records of the page.
func (r *Reader) enterPage(page LSN, h *PageHeader) error {
	if err := r.checkPage(page, h); err != nil {
		return r.badPage(page, h, err)
	}
	r.tli, r.pageEnd = h.Timeline, page+r.page
	r.lastPage, r.lastTLI = max(page, r.lastPage), h.Timeline
	if r.resume > page {
		r.pos, r.resume = r.resume, 0
		return nil
	}
	first := !r.began
	r.resume, r.began = 0, true
	switch {
	case h.Info&XLPFirstIsOverwriteContrecord != 0:
		r.abandon()
	case len(r.asm) > 0:
		return r.continueRecord(page, h)
	case r.skip > 0:
		return r.continueSkip(page, h)
	case h.Info&XLPFirstIsContrecord == 0:
	case first && h.Remaining > 0:
		r.skip = h.Remaining
	default:
		return r.corrupt(page, errors.New("a continuation stands where a record should begin"))
	}
	return nil
}

// abandon forgets the record whose continuation was overwritten.
func (r *Reader) abandon() {
	if len(r.asm) > 0 {
		r.overwritten = r.recLSN
	}
	r.asm, r.skip = r.asm[:0], 0
}

// checkPage validates a header, also against the pages before and the history.
func (r *Reader) checkPage(page LSN, h *PageHeader) error {
	if err := h.Validate(r.d, r.cfg.SegmentSize, r.cfg.SystemID, page); err != nil {
		return err
	}
	if page > r.lastPage && h.Timeline < r.lastTLI {
		return fmt.Errorf("out-of-sequence timeline ID %d (after %d)", h.Timeline, r.lastTLI)
	}
	return r.checkTimeline(h.Timeline)
}

// checkTimeline refuses a page of a timeline that has no part in the history. Where no ancestors are known, any lower
// number may be one.
func (r *Reader) checkTimeline(tli TimelineID) error {
	hist := &r.cfg.History
	switch {
	case tli == 0:
		return errors.New("page of timeline 0")
	case hist.Timeline == 0 || tli == hist.Timeline:
		return nil
	case tli > hist.Timeline, len(hist.Ancestors) > 0 && !hist.Contains(tli):
		return fmt.Errorf("page of timeline %d, which is no ancestor of %d", tli, hist.Timeline)
	}
	return nil
}

// continueRecord checks that the page goes on with the record being put together.
func (r *Reader) continueRecord(page LSN, h *PageHeader) error {
	if h.Info&XLPFirstIsContrecord == 0 {
		return r.badContinuation(page, h, errors.New("there is no contrecord flag"))
	}
	if left := uint64(r.recLen) - uint64(len(r.asm)); h.Remaining == 0 || uint64(h.Remaining) != left {
		return r.badContinuation(page, h, fmt.Errorf("invalid contrecord length %d (expected %d)", h.Remaining, left))
	}
	return nil
}

// continueSkip checks that the page goes on with the record being passed over.
func (r *Reader) continueSkip(page LSN, h *PageHeader) error {
	if h.Info&XLPFirstIsContrecord == 0 || h.Remaining != r.skip {
		return r.corrupt(page, fmt.Errorf("invalid contrecord length %d (expected %d)", h.Remaining, r.skip))
	}
	return nil
}
