// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A LogSink takes the bytes of a log in their order. A *waldir.Dir is one.
type LogSink interface {
	// Write stores p, which begins at lsn, right behind what was written before, and may cross segments. It does not keep p.
	Write(lsn LSN, p []byte) error
}

// WriterConfig says what log a Writer goes on with.
type WriterConfig struct {
	Dialect     *Dialect
	SegmentSize SegmentSize // 0: the dialect's
	SystemID    uint64      // of the cluster, in the first page of each segment
	Timeline    TimelineID  // of the pages that are begun

	// Start is where the next record goes: the End of the one before, a multiple of 8. When it is inside a page the page's
	// header is there already. Prev is where the record before begins, 0 when there is none.
	Start LSN
	Prev  LSN

	Out LogSink
}

// A Writer appends records to a log: the part of XLogInsertRecord and of what it calls
// (src/backend/access/transam/xlog.c). It lays them out over pages and segments with their headers, and gives Out the
// bytes of a record, padding included, in one piece. Nothing is durable before Out has made it so. A Writer belongs to
// one goroutine and allocates nothing for a record.
//
// After an error of Out the log's end is not known: every later Insert fails with it. A record that was refused leaves
// the log as it was.
type Writer struct {
	cfg  WriterConfig
	pos  LSN    // where the next byte goes
	prev LSN    // where the last record begins
	last Record // its Raw is raw
	raw  []byte // of the last record
	out  []byte // raw over pages
	err  error

	own RecordBuilder // for records that the framing itself has
}

// NewWriter makes a Writer.
func NewWriter(cfg WriterConfig) (*Writer, error) {
	if cfg.Dialect == nil || cfg.Out == nil || cfg.Timeline == 0 {
		return nil, errors.New("a WAL writer needs a dialect, a timeline and something to write to")
	}
	if cfg.SegmentSize == 0 {
		cfg.SegmentSize = cfg.Dialect.SegmentSize()
	}
	if err := cfg.SegmentSize.Validate(); err != nil {
		return nil, err
	}
	w := &Writer{cfg: cfg, pos: cfg.Start, prev: cfg.Prev}
	if !cfg.Start.Valid() || cfg.Start%8 != 0 {
		return nil, fmt.Errorf("no WAL record can begin at %s", cfg.Start)
	}
	if in := w.pageOffset(); in != 0 && in < w.headerSize(cfg.Start.Add(-in)) {
		return nil, fmt.Errorf("no WAL record can begin at %s, within a page's header", cfg.Start)
	}
	return w, nil
}

// Position is where the next record begins, page header aside: the end of the log.
func (w *Writer) Position() LSN { return w.pos }

// Next is where the next record begins, behind the header of a page that it begins: xl_prev of the one after it, and the
// redo position of a shutdown checkpoint.
func (w *Writer) Next() LSN {
	if w.pageOffset() != 0 {
		return w.pos
	}
	return w.pos.Add(w.headerSize(w.pos))
}

// Dialect is the dialect that is written.
func (w *Writer) Dialect() *Dialect { return w.cfg.Dialect }

// Last is the record that was inserted last, as a Reader would give it. It is valid until the next Insert.
func (w *Writer) Last() *Record { return &w.last }

// Insert appends a record and says where it begins and ends: end is what pd_lsn of the pages that it changes gets. Behind
// an XLOG_SWITCH the rest of the segment is zero, and end is the segment's.
func (w *Writer) Insert(rec *RecordBuilder) (begin, end LSN, err error) { return w.insert(rec, 0) }

// Switch ends the segment with an XLOG_SWITCH. At a segment's start there is nothing to do: begin and end are the position.
func (w *Writer) Switch() (begin, end LSN, err error) {
	if w.atSegmentStart() {
		return w.pos, w.pos, nil
	}
	w.own.Begin(RmXLOG, xlogSwitch, 0)
	return w.Insert(&w.own)
}

// atSegmentStart: a segment's header alone counts as nothing (ReserveXLogSwitch).
func (w *Writer) atSegmentStart() bool {
	off := w.cfg.SegmentSize.Offset(w.pos)
	return off == 0 || off == LongPageHeaderSize
}

// Overwrite appends XLOG_OVERWRITE_CONTRECORD (CreateOverwriteContrecordRecord): the position is the start of a page, and
// the record at lost, which should go on there, is given up. Recovery ends a log in this way when it ends in a record
// that was written only in part, and goes on with the same timeline. when is the time in microseconds since 2000.
func (w *Writer) Overwrite(lost LSN, when int64) (begin, end LSN, err error) {
	if w.pageOffset() != 0 {
		return 0, 0, fmt.Errorf("%w: a lost record is overwritten at the start of a page, not at %s", errRecord, w.pos)
	}
	w.own.Begin(RmXLOG, w.cfg.Dialect.overwriteInfo, 0)
	w.own.Data(binary.LittleEndian.AppendUint64(nil, uint64(lost)))
	w.own.Data(binary.LittleEndian.AppendUint64(nil, uint64(when)))
	return w.insert(&w.own, XLPFirstIsOverwriteContrecord)
}

// insert appends a record; info is set in the header of the page that it begins, if it does.
func (w *Writer) insert(rec *RecordBuilder, info uint16) (begin, end LSN, err error) {
	if w.err != nil {
		return 0, 0, w.err
	}
	if w.raw, err = rec.append(w.cfg.Dialect, w.prev, w.raw[:0]); err != nil {
		return 0, 0, err
	}
	from := w.pos
	w.out = w.out[:0]
	if w.pageOffset() == 0 {
		w.pageHeader(info, 0)
	}
	begin = w.pos
	w.layout()
	if w.err = w.cfg.Out.Write(from, w.out); w.err != nil {
		return 0, 0, w.err
	}
	w.last = Record{RecordHeader: rec.header, LSN: begin, Timeline: w.cfg.Timeline, Raw: w.raw, dialect: w.cfg.Dialect}
	w.last.TotalLen, w.last.CRC = uint32(len(w.raw)), binary.LittleEndian.Uint32(w.raw[20:])
	w.prev = begin
	if rec.header.IsSwitch() {
		w.err = w.fillSegment()
	}
	w.last.End = w.pos
	return begin, w.pos, w.err
}

// layout puts the record over as many pages as it needs, and the padding behind it.
func (w *Writer) layout() {
	rest := w.raw
	for {
		n := min(len(rest), w.cfg.Dialect.WALBlockSize()-w.pageOffset())
		w.append(rest[:n])
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		w.pageHeader(XLPFirstIsContrecord, uint32(len(rest)))
	}
	var padding [8]byte
	w.append(padding[:-w.pos%8])
}

func (w *Writer) append(p []byte) {
	w.out = append(w.out, p...)
	w.pos = w.pos.Add(len(p))
}

func (w *Writer) pageHeader(info uint16, remaining uint32) {
	h := PageHeader{
		Magic: w.cfg.Dialect.pageMagic, Info: info, Timeline: w.cfg.Timeline, Address: w.pos, Remaining: remaining,
		SystemID: w.cfg.SystemID, SegmentSize: w.cfg.SegmentSize, BlockSize: w.cfg.Dialect.walBlockSize,
	}
	if w.headerSize(w.pos) == LongPageHeaderSize {
		h.Info |= XLPLongHeader
	}
	n := len(w.out)
	w.out = h.Append(w.out)
	w.pos = w.pos.Add(len(w.out) - n)
}

// headerSize is the length in bytes of the header of the page at lsn.
func (w *Writer) headerSize(page LSN) int {
	if w.cfg.SegmentSize.Offset(page) == 0 {
		return LongPageHeaderSize
	}
	return ShortPageHeaderSize
}

func (w *Writer) pageOffset() int { return int(w.pos % LSN(w.cfg.Dialect.walBlockSize)) }

// zeros is what is behind an XLOG_SWITCH, page headers included: a server clears those too.
var zeros [64 << 10]byte

// fillSegment writes zeros up to the end of the segment.
func (w *Writer) fillSegment() error {
	for off := w.cfg.SegmentSize.Offset(w.pos); off != 0; off = w.cfg.SegmentSize.Offset(w.pos) {
		p := zeros[:min(uint32(w.cfg.SegmentSize)-off, uint32(len(zeros)))]
		if err := w.cfg.Out.Write(w.pos, p); err != nil {
			return err
		}
		w.pos = w.pos.Add(len(p))
	}
	return nil
}
