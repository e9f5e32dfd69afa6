// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"fmt"
)

// fail ends reading with an answer. A Reader with a source goes back to the end of the last good record, from where
// the next Next tries again; a fed one has no way back.
func (r *Reader) fail(kind error, at LSN, err error) error {
	e := &EndError{Kind: kind, LSN: r.end, At: at, Timeline: r.lastTLI, Err: err}
	if len(r.asm) > 0 {
		e.At = r.recLSN
		if page := at &^ (r.page - 1); r.recLSN < page {
			e.Aborted, e.MissingContrecord = r.recLSN, page
		}
	}
	r.win, r.limit, r.skip, r.overwritten = nil, 0, 0, 0
	r.asm, r.hdr = r.asm[:0], r.hdr[:0]
	if r.src == nil {
		r.err = e
		return e
	}
	r.src.tli = 0
	r.pos, r.resume = r.end&^(r.page-1), r.end
	if r.last == 0 {
		r.began, r.resume = false, 0
	}
	r.pageEnd, r.winLSN = r.pos, r.pos
	return e
}

func (r *Reader) corrupt(at LSN, err error) error { return r.fail(ErrCorrupt, at, err) }

// noMore is the answer when the source has no byte at pos.
func (r *Reader) noMore(err error) error {
	switch {
	case !noBytes(err):
		return r.fail(ErrIO, r.pos, err)
	case len(r.asm) > 0 || len(r.hdr) > 0 || r.skip > 0:
		return r.fail(ErrTorn, r.pos, err)
	}
	return r.fail(ErrZeroed, r.pos, err)
}

// badPage is the answer to a page header that fails its checks.
func (r *Reader) badPage(page LSN, h *PageHeader, err error) error {
	blank, empty := *h == PageHeader{}, allZero(r.restOfPage(r.pos, page))
	switch {
	case blank && !empty:
		return r.fail(ErrTorn, page, errors.New("page header is zero, but the page is not"))
	case !blank && empty:
		return r.fail(ErrTorn, page, fmt.Errorf("nothing follows a bad page header: %w", err))
	case !blank && !r.recycled(page, h):
		return r.corrupt(page, err)
	case len(r.asm) > 0 || r.skip > 0:
		return r.fail(ErrTorn, page, fmt.Errorf("the record does not go on: %w", err))
	}
	return r.nothingAt(page, page, err)
}

// recycled tells whether the page is what an earlier use of its segment's file left there.
func (r *Reader) recycled(page LSN, h *PageHeader) bool {
	old := *h
	old.Address = page
	return h.Address < page && r.cfg.SegmentSize.Offset(page-h.Address) == 0 &&
		old.Validate(r.d, r.cfg.SegmentSize, r.cfg.SystemID, page) == nil
}

// noRecord is the answer to a record length of zero.
func (r *Reader) noRecord() error {
	at, page := r.recLSN, r.recLSN&^(r.page-1)
	r.asm = r.asm[:0] // nothing has begun
	rest := r.restOfPage(at+4, page)
	switch {
	case allZero(rest):
		return r.nothingAt(at, page, fmt.Errorf("invalid record length: wanted %d, got 0", RecordHeaderSize))
	case allZero(rest[:min(len(rest), RecordHeaderSize-4)]):
		return r.fail(ErrTorn, at, errors.New("a hole of zeros, and bytes after it"))
	}
	return r.corrupt(at, errors.New("record length is zero, but its header is not"))
}

// nothingAt is the answer when the page holds nothing from at on. It is the clean end of the log unless the page
// after it belongs to the log too.
func (r *Reader) nothingAt(at, page LSN, err error) error {
	if r.logGoesOn(page + r.page) {
		return r.fail(ErrTorn, at, fmt.Errorf("the log goes on at %s: %w", page+r.page, err))
	}
	return r.fail(ErrZeroed, at, err)
}

// logGoesOn looks whether the page after the one in question is in place. It looks no further than the segment.
func (r *Reader) logGoesOn(page LSN) bool {
	if r.src == nil || r.cfg.SegmentSize.Offset(page) == 0 {
		return false
	}
	var h PageHeader
	head := make([]byte, ShortPageHeaderSize)
	_, _ = r.src.readAt(head, page) // what cannot be read is not there
	return h.Decode(head) == nil && h.Validate(r.d, r.cfg.SegmentSize, r.cfg.SystemID, page) == nil
}

// badContinuation is the answer to a good page that does not go on with the record it should. A server that crashed
// may have made the page ready and not yet filled it.
func (r *Reader) badContinuation(page LSN, h *PageHeader, err error) error {
	if h.Info&XLPFirstIsContrecord == 0 && allZero(r.restOfPage(r.pos, page)) {
		return r.fail(ErrTorn, page, err)
	}
	return r.corrupt(page, err)
}

// wrongRecord is the answer to a record that fails a check. got is as much of it as was looked at, and next the
// position after that. It is torn when the last bytes of got were not written, nor anything after them in the page;
// fewer zeros than a record header has are no evidence of that.
func (r *Reader) wrongRecord(got []byte, next LSN, err error) error {
	at, page := r.recLSN, (next-1)&^(r.page-1)
	if len(r.asm) > 0 {
		at = next - 1
	}
	rest := r.restOfPage(next, page)
	if missing := trailingZeros(got); missing > 0 && allZero(rest) && missing+len(rest) >= RecordHeaderSize {
		return r.fail(ErrTorn, at, err)
	}
	return r.corrupt(at, err)
}

// restOfPage is what the window has from position from to the end of the page.
func (r *Reader) restOfPage(from, page LSN) []byte {
	if from < r.winLSN || from >= r.winLSN+LSN(len(r.win)) {
		return nil
	}
	rest := r.win[from-r.winLSN:]
	if n := page + r.page - from; n < LSN(len(rest)) {
		rest = rest[:n]
	}
	return rest
}

func allZero(p []byte) bool { return trailingZeros(p) == len(p) }

func trailingZeros(p []byte) int {
	n := 0
	for n < len(p) && p[len(p)-1-n] == 0 {
		n++
	}
	return n
}
