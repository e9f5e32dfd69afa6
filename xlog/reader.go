// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ReaderConfig says what a Reader reads.
type ReaderConfig struct {
	Dialect     *Dialect
	SegmentSize SegmentSize // 0: the dialect's default
	SystemID    uint64      // system identifier that page headers must show; 0 accepts any
	// History is the timeline to read and its ancestors; History{Timeline: n} when there are none or they are not
	// known. A Source needs it, to know the files. Pages must be of one of its timelines, or of n or a lower one when
	// there are no ancestors; a fed Reader may leave Timeline 0 and accepts any.
	History History
	// Source gives the bytes; nil makes a Reader that is fed.
	Source Source
	// Start is where to begin: the first record at or after it is the first that Next returns.
	Start LSN
	// MaxRecord limits a record's length in bytes, and with it the memory the Reader may take; 0: what the dialect
	// allows, about 1 GB. Memory grows with the bytes that really arrive, never by what a header claims.
	MaxRecord uint32
	// BufferSize is how much is read from Source at once, in bytes; 0: 256 KiB.
	BufferSize int
}

const (
	defaultReadBuffer = 256 << 10
	// keepAssembly is how large a buffer for records that cross pages may stay between records.
	keepAssembly = 4 << 20
)

// Reader walks over the records of a log, one Next after another. It is the counterpart of
// src/backend/access/transam/xlogreader.c and makes all its checks; for what it says where the log ends, see the
// four errors ErrZeroed, ErrTorn, ErrCorrupt and ErrIO.
//
//	r := xlog.NewReader(xlog.ReaderConfig{Dialect: d, History: h, Source: src, Start: lsn})
//	for {
//		rec, err := r.Next()
//		if err != nil {
//			return err // an *EndError
//		}
//		use(rec.LSN, rec.Raw) // until the next Next
//	}
//
// A Reader with a Source that came to the end of the log may be asked again; it reads anew from the end of the last
// good record, so that one can wait for more. A fed Reader (Source nil) takes its bytes from Feed and keeps an error
// for ever, because the bytes are gone.
//
// A record that lies within one page and, when fed, within one piece, is not copied; nothing is allocated for a
// record. A Reader is not safe for concurrent use.
type Reader struct {
	cfg  ReaderConfig
	d    *Dialect
	page LSN // bytes in a page
	src  *historySource
	err  error // final: a bad configuration, or the end of a fed log

	// The window: bytes at hand, borrowed from Feed or read into buf.
	win    []byte
	winLSN LSN // position of win[0]
	buf    []byte
	single bool // read no further than one window without being told to (ReadAhead)
	spent  bool // that window has been read

	// Where reading is. pos is the next byte to look at; it may lie beyond the window.
	pos     LSN
	pageEnd LSN // end of the page whose header was read last
	limit   int // index in win of the end of the page or of the window, whatever is first; 0 while not between records
	tli     TimelineID
	hdr     []byte // a page header that is arriving
	skip    uint32 // bytes of a record's continuation to pass over
	resume  LSN    // after an end: continue here, in the page that begins at pos
	began   bool   // a page or a position in one was entered

	lastPage LSN // newest page whose header was seen, and its timeline
	lastTLI  TimelineID

	// The chain of records.
	last        LSN // begin of the last record, 0 when there was none
	end         LSN // its end, or where reading began
	overwritten LSN // record that was given up at XLPFirstIsOverwriteContrecord

	// The record being put together from pieces: recLen is 0 until it is known.
	asm    []byte
	recLSN LSN
	recTLI TimelineID
	recLen uint32

	rec Record
}

// NewReader makes a Reader. A mistake in cfg is the error of the first Next or Feed.
func NewReader(cfg ReaderConfig) *Reader {
	r := &Reader{cfg: cfg, d: cfg.Dialect}
	r.err = r.init()
	return r
}

func (r *Reader) init() error {
	c := &r.cfg
	if c.Dialect == nil {
		return errors.New("xlog.Reader needs a dialect")
	}
	if c.SegmentSize == 0 {
		c.SegmentSize = c.Dialect.segmentSize
	}
	if err := c.SegmentSize.Validate(); err != nil {
		return err
	}
	if c.MaxRecord == 0 || c.MaxRecord > c.Dialect.maxRecord {
		c.MaxRecord = c.Dialect.maxRecord
	}
	r.page = LSN(c.Dialect.walBlockSize)
	r.hdr = make([]byte, 0, LongPageHeaderSize)
	r.rec.dialect = c.Dialect
	if c.Source != nil {
		return r.initSource()
	}
	return nil
}

func (r *Reader) initSource() error {
	c := &r.cfg
	if c.Start == 0 || c.History.Timeline == 0 {
		return errors.New("xlog.Reader with a source needs a start position and a timeline")
	}
	if c.BufferSize == 0 {
		c.BufferSize = defaultReadBuffer
	}
	if r.buf == nil {
		r.buf = make([]byte, max(LSN(c.BufferSize)&^(r.page-1), r.page))
	}
	r.src = &historySource{src: c.Source, size: c.SegmentSize, hist: c.History}
	r.pos = c.Start &^ (r.page - 1)
	r.end = c.Start
	return nil
}

// Reset begins anew at start, as a new Reader would that has the same configuration, in the memory that this one has.
func (r *Reader) Reset(start LSN) {
	*r = Reader{cfg: r.cfg, d: r.d, buf: r.buf, asm: r.asm[:0]}
	r.cfg.Start = start
	r.err = r.init()
}

// End is the end of the last record that Next accepted, or where reading began: everything before it is good.
func (r *Reader) End() LSN { return r.end }

// Next returns the next record, which is valid until the following call. See Reader for the errors.
func (r *Reader) Next() (rec *Record, err error) {
	for {
		if raw := r.whole(); raw != nil { // the common case
			rec, err = r.acceptWhole(raw)
		} else {
			rec, err = r.nextInPieces()
		}
		if err != nil || rec.LSN >= r.cfg.Start {
			return rec, err
		}
	}
}

// whole is the record at pos if it lies below limit, else nil.
func (r *Reader) whole() []byte {
	i, limit := uint64(r.pos-r.winLSN), uint64(r.limit)
	if i >= limit || limit-i < RecordHeaderSize {
		return nil
	}
	n := uint64(binary.LittleEndian.Uint32(r.win[i:]))
	if n < RecordHeaderSize || n > limit-i {
		return nil
	}
	return r.win[i : i+n : i+n]
}

func (r *Reader) acceptWhole(raw []byte) (*Record, error) {
	r.recLSN, r.recTLI = r.pos, r.tli
	return r.accept(raw, r.pos+LSN(len(raw)))
}

var errWrongCRC = errors.New("incorrect resource manager data checksum in record")

// accept checks a whole record and makes it the current one. next is the position after its last byte.
func (r *Reader) accept(raw []byte, next LSN) (*Record, error) {
	rec := &r.rec
	_ = rec.RecordHeader.Decode(raw) // as long as a header
	if !r.follows(&rec.RecordHeader) {
		err := r.checkHeader(&rec.RecordHeader)
		return nil, r.wrongRecord(raw[:RecordHeaderSize], next-LSN(len(raw))+RecordHeaderSize, err)
	}
	if RecordCRC(raw) != rec.CRC {
		return nil, r.wrongRecord(raw, next, errWrongCRC)
	}
	if r.overwritten != 0 {
		if err := r.checkOverwrite(raw); err != nil {
			return nil, r.corrupt(r.recLSN, err)
		}
	}
	next = alignUp(next)
	if rec.IsSwitch() {
		next = r.cfg.SegmentSize.RoundDown(next + LSN(r.cfg.SegmentSize) - 1)
	}
	rec.LSN, rec.End, rec.Timeline, rec.Raw = r.recLSN, next, r.recTLI, raw
	r.pos, r.last, r.end = next, r.recLSN, next
	return rec, nil
}

// follows makes the checks of ValidXLogRecordHeader but for the length.
func (r *Reader) follows(h *RecordHeader) bool {
	return r.d.ValidRmgr(h.Rmgr) && (h.Prev == r.last || r.last == 0 && h.Prev < r.recLSN)
}

// checkHeader says what follows finds wrong.
func (r *Reader) checkHeader(h *RecordHeader) error {
	switch {
	case r.follows(h):
		return nil
	case !r.d.ValidRmgr(h.Rmgr):
		return fmt.Errorf("invalid resource manager ID %d", h.Rmgr)
	}
	return fmt.Errorf("record with incorrect prev-link %s", h.Prev)
}

// checkOverwrite makes sure that the record which stands where another should have gone on is the one that says so
// (VerifyOverwriteContrecord in xlogrecovery.c).
func (r *Reader) checkOverwrite(raw []byte) error {
	lost := r.overwritten
	r.overwritten = 0
	if r.rec.Rmgr != RmXLOG || r.rec.RmgrInfo() != r.d.overwriteInfo {
		return fmt.Errorf("the record at %s was given up, but no OVERWRITE_CONTRECORD follows", lost)
	}
	var b Body
	if err := b.Decode(r.d, raw); err != nil {
		return err
	}
	if len(b.Main) < 8 {
		return errRecordLength
	}
	if named := LSN(binary.LittleEndian.Uint64(b.Main)); named != lost {
		return fmt.Errorf("OVERWRITE_CONTRECORD names %s, but the record given up is at %s", named, lost)
	}
	return nil
}

// nextInPieces gathers a record that crosses a page or the window, and finds out why there is none.
func (r *Reader) nextInPieces() (*Record, error) {
	for {
		if err := r.ready(); err != nil {
			return nil, err
		}
		if len(r.asm) == 0 {
			r.setLimit()
			if raw := r.whole(); raw != nil {
				return r.acceptWhole(raw)
			}
			r.beginRecord()
		}
		whole, err := r.gather()
		if err != nil {
			return nil, err
		}
		if whole {
			return r.acceptGathered()
		}
	}
}

func (r *Reader) acceptGathered() (*Record, error) {
	rec, err := r.accept(r.asm, r.pos)
	if err != nil {
		return nil, err
	}
	r.asm = r.asm[:0]
	r.setLimit()
	return rec, nil
}

func (r *Reader) beginRecord() {
	r.recLSN, r.recTLI, r.recLen, r.limit = r.pos, r.tli, 0, 0
	if cap(r.asm) > keepAssembly {
		r.asm = nil
	}
}

// gather takes what the page and the window have of the record, and tells whether it is whole.
func (r *Reader) gather() (bool, error) {
	if r.recLen == 0 && r.take(4) {
		if err := r.learnLength(); err != nil {
			return false, err
		}
	}
	if r.recLen != 0 && len(r.asm) < RecordHeaderSize && r.take(RecordHeaderSize) {
		if err := r.checkEarly(); err != nil {
			return false, err
		}
	}
	return len(r.asm) >= RecordHeaderSize && r.take(int(r.recLen)), nil
}

// take moves bytes of the page from the window into asm until that has n, and tells whether it has.
func (r *Reader) take(n int) bool {
	i := int(r.pos - r.winLSN)
	end := int(min(r.pageEnd-r.winLSN, LSN(len(r.win))))
	if want := n - len(r.asm); want > 0 && i < end {
		part := r.win[i:min(i+want, end)]
		r.asm = append(r.asm, part...)
		r.pos += LSN(len(part))
	}
	return len(r.asm) >= n
}

// learnLength reads the record's length, which is the first field and always whole on the first page.
func (r *Reader) learnLength() error {
	n := binary.LittleEndian.Uint32(r.asm)
	switch {
	case n == 0:
		return r.noRecord()
	case n < RecordHeaderSize || n > r.cfg.MaxRecord:
		return r.wrongRecord(r.asm, r.pos, fmt.Errorf("invalid record length: wanted %d to %d, got %d",
			RecordHeaderSize, r.cfg.MaxRecord, n))
	}
	r.recLen = n
	return nil
}

// checkEarly rejects a record by its header before the rest is gathered.
func (r *Reader) checkEarly() error {
	var h RecordHeader
	_ = h.Decode(r.asm) // as long as a header
	if err := r.checkHeader(&h); err != nil {
		return r.wrongRecord(r.asm, r.pos, err)
	}
	return nil
}

// setLimit lets next take records from the window.
func (r *Reader) setLimit() {
	r.limit = 0
	if r.pos < r.pageEnd {
		r.limit = int(min(r.pageEnd-r.winLSN, LSN(len(r.win))))
	}
}

// ready makes the byte at pos the next one of a record: it gets bytes, reads the page header that is due, and passes
// over the continuation of a record that began before the first.
func (r *Reader) ready() error {
	if r.err != nil {
		return r.err
	}
	for {
		if r.pos >= r.winLSN+LSN(len(r.win)) {
			if err := r.more(); err != nil {
				return err
			}
			continue
		}
		switch {
		case r.pos >= r.pageEnd:
			if err := r.readPageHeader(); err != nil {
				return err
			}
		case r.skip > 0:
			r.pass()
		default:
			return nil
		}
	}
}

// pass goes over what the page has of the continuation.
func (r *Reader) pass() {
	n := min(LSN(r.skip), r.pageEnd-r.pos)
	r.pos += n
	if r.skip -= uint32(n); r.skip == 0 {
		r.pos = alignUp(r.pos)
	}
}

// more gets the bytes at pos.
func (r *Reader) more() error {
	if r.src == nil || r.spent {
		return ErrNeedMore
	}
	base := r.pos &^ (r.page - 1)
	room := r.cfg.SegmentSize.RoundDown(base) + LSN(r.cfg.SegmentSize) - base
	n, err := r.src.readAt(r.buf[:min(LSN(len(r.buf)), room)], base)
	if n < 0 || n > len(r.buf) {
		n, err = 0, errors.New("the source returned an impossible count")
	}
	r.spent = r.single
	if r.win, r.winLSN = r.buf[:n], base; r.pos < base+LSN(n) {
		return r.checkSegment(base)
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return r.noMore(err)
}

// checkSegment looks at the first page of a segment that reading enters in the middle: only its header says whose log
// it is.
func (r *Reader) checkSegment(base LSN) error {
	first := r.cfg.SegmentSize.RoundDown(base)
	if r.began || first == base {
		return nil
	}
	var h PageHeader
	head := make([]byte, LongPageHeaderSize)
	if _, err := r.src.readAt(head, first); err != nil {
		return r.fail(ErrIO, first, err)
	}
	_ = h.Decode(head) // as long as a header
	if err := h.Validate(r.d, r.cfg.SegmentSize, r.cfg.SystemID, first); err != nil {
		return r.corrupt(first, err)
	}
	return nil
}

// Feed hands over the next bytes of the stream, which begin at lsn. They stay the caller's, who must leave them alone
// until Next has answered ErrNeedMore; only then may more be fed. The first piece may begin at a page boundary, and
// the continuation of an earlier record is then passed over, or at the beginning of a record; the pieces after it
// must follow without a gap. Empty pieces are welcome.
func (r *Reader) Feed(lsn LSN, p []byte) error {
	switch {
	case r.err != nil:
		return r.err
	case r.src != nil:
		return errors.New("a Reader with a source cannot be fed")
	case r.winLSN == 0:
		if err := r.beginFeed(lsn); err != nil {
			return err
		}
	case lsn != r.winLSN+LSN(len(r.win)):
		return fmt.Errorf("WAL bytes at %s do not follow those up to %s", lsn, r.winLSN+LSN(len(r.win)))
	case r.pos < lsn:
		return errors.New("WAL bytes fed before Next asked for them")
	}
	r.win, r.winLSN = p, lsn
	if r.limit = 0; len(r.asm) == 0 && r.skip == 0 && r.pos >= lsn && r.pos < lsn.Add(len(p)) {
		r.setLimit()
	}
	return nil
}

// beginFeed starts a fed Reader at lsn.
func (r *Reader) beginFeed(lsn LSN) error {
	if lsn == 0 {
		return errors.New("WAL bytes cannot be at 0/0")
	}
	r.pos, r.end = lsn, lsn
	if off := lsn & (r.page - 1); off != 0 {
		if off < ShortPageHeaderSize || lsn != alignUp(lsn) {
			return fmt.Errorf("no record can begin at %s", lsn)
		}
		r.pageEnd = lsn - off + r.page
		r.tli, r.began = r.cfg.History.TimelineAt(lsn), true
	}
	return nil
}

func alignUp(l LSN) LSN { return (l + 7) &^ 7 }
