// SPDX-License-Identifier: Apache-2.0

// Package xlogtest makes WAL for tests: a Builder that lays records out on pages as a server does, in any dialect,
// with the rare cases that a real server produces only by luck; and Files, a Source over segments in memory.
//
//	b := xlogtest.NewBuilder(xlog.Postgres15, 1<<20, 0x100000)
//	lsn := b.Insert(xlogtest.Record{Rmgr: 10, XID: 700, Body: xlog.Body{Main: []byte("hello")}})
//	b.Switch()
//	src := b.Files()
//
// It is a second, simple account of the format, kept apart from the Reader it tests. Mistakes of the caller panic.
package xlogtest

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// SystemID is the system identifier in the page headers of a Builder's log.
const SystemID uint64 = 7_000_000_000_000_000_001

// Info bytes of XLOG records that a Builder writes by itself.
const (
	infoNoop   uint8 = 0x20
	infoSwitch uint8 = 0x40
)

// Record is what a caller wants to have inserted.
type Record struct {
	Rmgr xlog.RmgrID
	Info uint8
	XID  uint32
	Body xlog.Body
}

// Placed is a record in the log.
type Placed struct {
	LSN  xlog.LSN // first byte
	Stop xlog.LSN // after its last byte
	End  xlog.LSN // where the next record may begin, as xlog.Record.End
	Raw  []byte
}

// Builder writes a log from a segment's start on.
type Builder struct {
	Dialect  *xlog.Dialect
	Size     xlog.SegmentSize
	Timeline xlog.TimelineID // of the pages to come

	start   xlog.LSN
	data    []byte
	prev    xlog.LSN
	lost    xlog.LSN // record whose continuation is missing
	records []Placed
	history []xlog.Switch
	olds    Files // what earlier timelines left in the segment of their end
}

// NewBuilder begins a log on timeline 1 at start, which must be the start of a segment.
func NewBuilder(d *xlog.Dialect, size xlog.SegmentSize, start xlog.LSN) *Builder {
	if size.Offset(start) != 0 || start == 0 {
		panic("xlogtest: a log begins at the start of a segment")
	}
	return &Builder{Dialect: d, Size: size, Timeline: 1, start: start, olds: Files{}}
}

// Pos is where the next byte goes.
func (b *Builder) Pos() xlog.LSN { return b.start.Add(len(b.data)) }

// Records are all whole records so far, in order.
func (b *Builder) Records() []Placed { return b.records }

// Bytes are those of the log from its start on.
func (b *Builder) Bytes() []byte { return b.data }

// Start is the position of the first of Bytes.
func (b *Builder) Start() xlog.LSN { return b.start }

// History is the timeline of the log's end with its ancestors.
func (b *Builder) History() xlog.History {
	return xlog.History{Timeline: b.Timeline, Ancestors: b.history}
}

// Insert appends a record and returns where it begins.
func (b *Builder) Insert(rec Record) xlog.LSN {
	if b.lost != 0 {
		panic("xlogtest: after Lose comes Overwrite")
	}
	return b.insert(rec, 0)
}

// insert appends a record; pageInfo is set in the header of the page that it begins, if it does.
func (b *Builder) insert(rec Record, pageInfo uint16) xlog.LSN {
	raw := b.encode(rec)
	if b.pageLeft() == 0 {
		b.pageHeader(pageInfo, 0)
	}
	p := Placed{LSN: b.Pos(), Raw: raw}
	b.write(raw)
	p.Stop = b.Pos()
	b.pad()
	p.End = b.Pos()
	b.prev = p.LSN
	b.records = append(b.records, p)
	return p.LSN
}

// encode makes the record's bytes, chained to the one before.
func (b *Builder) encode(rec Record) []byte {
	h := xlog.RecordHeader{XID: rec.XID, Prev: b.prev, Info: rec.Info, Rmgr: rec.Rmgr}
	body := AppendBody(nil, b.Dialect, &rec.Body)
	h.TotalLen = uint32(xlog.RecordHeaderSize + len(body))
	raw := append(h.Append(nil), body...)
	binary.LittleEndian.PutUint32(raw[20:], xlog.RecordCRC(raw))
	return raw
}

// write lays raw out over as many pages as it needs.
func (b *Builder) write(raw []byte) {
	for {
		n := min(len(raw), b.pageLeft())
		b.data, raw = append(b.data, raw[:n]...), raw[n:]
		if len(raw) == 0 {
			return
		}
		b.pageHeader(xlog.XLPFirstIsContrecord, uint32(len(raw)))
	}
}

func (b *Builder) pageLeft() int {
	page := b.Dialect.WALBlockSize()
	return (page - len(b.data)%page) % page
}

func (b *Builder) pageHeader(info uint16, remaining uint32) {
	h := xlog.PageHeader{
		Magic: b.Dialect.PageMagic(), Info: info, Timeline: b.Timeline, Address: b.Pos(), Remaining: remaining,
		SystemID: SystemID, SegmentSize: b.Size, BlockSize: uint32(b.Dialect.WALBlockSize()),
	}
	if b.Size.Offset(b.Pos()) == 0 {
		h.Info |= xlog.XLPLongHeader
	}
	b.data = h.Append(b.data)
}

func (b *Builder) pad() { b.zeros((8 - len(b.data)%8) % 8) }

func (b *Builder) zeros(n int) { b.data = append(b.data, make([]byte, n)...) }

// Noop inserts a record of n bytes in all: 24, or 26 and more but 282 and 283, which no main data gives.
func (b *Builder) Noop(n int) xlog.LSN {
	rec := Record{Rmgr: xlog.RmXLOG, Info: infoNoop}
	if n -= xlog.RecordHeaderSize; n > 0 {
		head := 2
		if n > 257 {
			head = 5
		}
		rec.Body.Main = pattern(n-head, len(b.records))
	}
	return b.Insert(rec)
}

// pattern is n bytes, none of them zero.
func pattern(n, seed int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((i*7+seed*13)%255) + 1
	}
	return p
}

// FillTo inserts records so that left bytes, a multiple of 8, of the page that the last one ends in are free.
func (b *Builder) FillTo(left int) {
	if b.pageLeft() == 0 {
		b.pageHeader(0, 0)
	}
	for b.pageLeft() < left+xlog.RecordHeaderSize {
		b.Noop(40)
	}
	b.Noop(b.pageLeft() - left)
	if got := b.pageLeft(); got != left {
		panic(fmt.Sprintf("xlogtest: %d bytes left on the page instead of %d", got, left))
	}
}

// Switch inserts XLOG_SWITCH and leaves the rest of the segment zero.
func (b *Builder) Switch() xlog.LSN {
	lsn := b.Insert(Record{Rmgr: xlog.RmXLOG, Info: infoSwitch})
	if off := b.Size.Offset(b.Pos()); off != 0 {
		b.zeros(int(uint32(b.Size) - off))
	}
	b.records[len(b.records)-1].End = b.Pos()
	return lsn
}

// Lose begins a record of n bytes, as a server that crashes in the middle of it: only what fits on the present page is
// there. Overwrite must follow.
func (b *Builder) Lose(n int) xlog.LSN {
	raw := b.encode(Record{Rmgr: xlog.RmXLOG, Info: infoNoop, Body: xlog.Body{Main: pattern(n, 1)}})
	if b.pageLeft() == 0 {
		b.pageHeader(0, 0)
	}
	if len(raw) <= b.pageLeft() {
		panic("xlogtest: a record that fits on its page is not lost")
	}
	b.lost = b.Pos()
	b.data = append(b.data, raw[:b.pageLeft()]...)
	return b.lost
}

// Overwrite goes on after Lose as the server does when it has recovered.
func (b *Builder) Overwrite() xlog.LSN {
	main := binary.LittleEndian.AppendUint64(nil, uint64(b.lost))
	main = binary.LittleEndian.AppendUint64(main, 1)
	b.lost = 0
	return b.insert(Record{Rmgr: xlog.RmXLOG, Info: b.Dialect.OverwriteContrecordInfo(), Body: xlog.Body{Main: main}},
		xlog.XLPFirstIsOverwriteContrecord)
}

// Promote begins timeline next here. The old timeline's segment keeps the bytes up to here and then stray, as from a
// server that went on for a while and was lost.
func (b *Builder) Promote(next xlog.TimelineID, stray []byte) {
	at := b.Pos()
	seg := b.Size.Number(at)
	old := append([]byte(nil), b.data[b.Size.Start(seg)-b.start:]...)
	old = append(old, stray...)
	b.olds[b.Size.Name(b.Timeline, seg)] = old
	b.history = append(b.history, xlog.Switch{Timeline: b.Timeline, LSN: at, Reason: "no recovery target specified"})
	b.Timeline = next
}

// Files are the log's segments under the names a server gives them. The last one ends where the log does.
func (b *Builder) Files() Files {
	f := Files{}
	hist := b.History()
	for off := 0; off < len(b.data); off += int(b.Size) {
		end := min(off+int(b.Size), len(b.data))
		lsn := b.start.Add(off)
		f[b.Size.Name(hist.TimelineAt(lsn.Add(int(b.Size)-1)), b.Size.Number(lsn))] = b.data[off:end]
	}
	for name, data := range b.olds {
		f[name] = data
	}
	return f
}

// Seal puts the right checksum into a record that a test has changed.
func Seal(raw []byte) { binary.LittleEndian.PutUint32(raw[20:], xlog.RecordCRC(raw)) }
