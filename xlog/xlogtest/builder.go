// SPDX-License-Identifier: Apache-2.0

// Package xlogtest makes WAL for tests: a Builder that keeps in memory what an xlog.Writer writes, in any dialect, with
// the rare cases that a real server produces only by luck; and Files, a Source over segments in memory.
//
//	b := xlogtest.NewBuilder(xlog.Postgres15, 1<<20, 0x100000)
//	lsn := b.Insert(xlogtest.Record{Rmgr: 10, XID: 700, Body: xlog.Body{Main: []byte("hello")}})
//	b.Switch()
//	src := b.Files()
//
// Mistakes of the caller panic.
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
	out     *xlog.Writer
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
	b := &Builder{Dialect: d, Size: size, Timeline: 1, start: start, olds: Files{}}
	b.out = b.writer(b, start, 0)
	return b
}

// writer goes on with the log, behind the record at prev.
func (b *Builder) writer(out xlog.LogSink, start, prev xlog.LSN) *xlog.Writer {
	w, err := xlog.NewWriter(xlog.WriterConfig{
		Dialect: b.Dialect, SegmentSize: b.Size, SystemID: SystemID, Timeline: b.Timeline, Start: start, Prev: prev, Out: out,
	})
	if err != nil {
		panic(fmt.Sprintf("xlogtest: %v", err))
	}
	return w
}

// Write implements xlog.LogSink.
func (b *Builder) Write(_ xlog.LSN, p []byte) error {
	b.data = append(b.data, p...)
	return nil
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
	if last := b.out.Last(); last.Timeline != b.Timeline {
		b.out = b.writer(b, b.Pos(), last.LSN)
	}
	_, _, err := b.out.Insert(rec.builder())
	return b.placed(err)
}

func (rec *Record) builder() *xlog.RecordBuilder {
	r := &xlog.RecordBuilder{}
	r.Begin(rec.Rmgr, rec.Info, rec.XID)
	r.SetBody(rec.Body)
	return r
}

// placed takes note of the record that was just written.
func (b *Builder) placed(err error) xlog.LSN {
	if err != nil {
		panic(fmt.Sprintf("xlogtest: %v", err))
	}
	rec := b.out.Last().Clone()
	b.records = append(b.records, Placed{LSN: rec.LSN, Stop: b.stop(rec), End: rec.End, Raw: rec.Raw})
	return rec.LSN
}

// stop is where a record's last byte is followed by padding or by nothing.
func (b *Builder) stop(rec *xlog.Record) xlog.LSN {
	at := rec.LSN
	for rest := len(rec.Raw); ; {
		page := b.Dialect.WALBlockSize()
		n := min(rest, page-int(at)%page)
		if at, rest = at.Add(n), rest-n; rest == 0 {
			return at
		}
		at = at.Add(b.headerSize(at))
	}
}

func (b *Builder) headerSize(page xlog.LSN) int {
	if b.Size.Offset(page) == 0 {
		return xlog.LongPageHeaderSize
	}
	return xlog.ShortPageHeaderSize
}

// pageLeft is how many bytes are free on the page that the last record ends in.
func (b *Builder) pageLeft() int {
	page := b.Dialect.WALBlockSize()
	return (page - len(b.data)%page) % page
}

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

// free is how many bytes of a record go on the page where it begins.
func (b *Builder) free() int {
	if n := b.pageLeft(); n > 0 {
		return n
	}
	return b.Dialect.WALBlockSize() - b.headerSize(b.Pos())
}

// FillTo inserts records so that left bytes, a multiple of 8, of the page that the last one ends in are free.
func (b *Builder) FillTo(left int) {
	for b.free() < left+xlog.RecordHeaderSize {
		b.Noop(40)
	}
	b.Noop(b.free() - left)
	if got := b.pageLeft(); got != left {
		panic(fmt.Sprintf("xlogtest: %d bytes left on the page instead of %d", got, left))
	}
}

// Switch inserts XLOG_SWITCH and leaves the rest of the segment zero.
func (b *Builder) Switch() xlog.LSN { return b.Insert(Record{Rmgr: xlog.RmXLOG, Info: infoSwitch}) }

// Lose begins a record of n bytes, as a server that crashes in the middle of it: only what fits on the present page is
// there. Overwrite must follow.
func (b *Builder) Lose(n int) xlog.LSN {
	var whole lostRecord
	w := b.writer(&whole, b.Pos(), b.out.Last().LSN)
	rec := Record{Rmgr: xlog.RmXLOG, Info: infoNoop, Body: xlog.Body{Main: pattern(n, 1)}}
	lost, _, err := w.Insert(rec.builder())
	page := b.Dialect.WALBlockSize() - len(b.data)%b.Dialect.WALBlockSize()
	if err != nil || len(whole) <= page {
		panic("xlogtest: a record that fits on its page is not lost")
	}
	b.lost, b.data = lost, append(b.data, whole[:page]...)
	return lost
}

// lostRecord takes the bytes of a record that will be lost.
type lostRecord []byte

func (r *lostRecord) Write(_ xlog.LSN, p []byte) error {
	*r = append(*r, p...)
	return nil
}

// Overwrite goes on after Lose as the server does when it has recovered.
func (b *Builder) Overwrite() xlog.LSN {
	b.out = b.writer(b, b.Pos(), b.out.Last().LSN)
	lost := b.lost
	b.lost = 0
	_, _, err := b.out.Overwrite(lost, 1)
	return b.placed(err)
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
