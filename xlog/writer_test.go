// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// logFile is a LogSink in memory that begins at start.
type logFile struct {
	start xlog.LSN
	data  []byte
	err   error
}

func (f *logFile) Write(lsn xlog.LSN, p []byte) error {
	if lsn != f.start.Add(len(f.data)) {
		return errors.New("out of order")
	}
	f.data = append(f.data, p...)
	return f.err
}

// files are the segments of the log.
func (f *logFile) files(size xlog.SegmentSize) xlogtest.Files {
	files := xlogtest.Files{}
	for off := 0; off < len(f.data); off += int(size) {
		name := size.Name(1, size.Number(f.start.Add(off)))
		files[name] = f.data[off:min(off+int(size), len(f.data))]
	}
	return files
}

func newWriter(t testing.TB, d *xlog.Dialect, out *logFile) *xlog.Writer {
	out.start = logStart
	w, err := xlog.NewWriter(xlog.WriterConfig{
		Dialect: d, SegmentSize: mib, SystemID: xlogtest.SystemID, Timeline: 1, Start: logStart, Out: out,
	})
	require.NoError(t, err)
	return w
}

func readerOf(d *xlog.Dialect, out *logFile) *xlog.Reader {
	return xlog.NewReader(xlog.ReaderConfig{
		Dialect: d, SegmentSize: mib, SystemID: xlogtest.SystemID, History: xlog.History{Timeline: 1}, Start: logStart,
		Source: out.files(mib).Source(mib),
	})
}

// heapPage is a page of the standard layout with something on both sides of its hole, and something in it.
func heapPage(d *xlog.Dialect, rnd *rand.Rand) []byte {
	page := make([]byte, d.BlockSize())
	for i := range page {
		page[i] = byte(rnd.Uint32())
	}
	lower := 24 + 4*rnd.IntN(100)
	upper := min(len(page), lower+rnd.IntN(len(page)-lower+1))
	binary.LittleEndian.PutUint16(page[12:], uint16(lower))
	binary.LittleEndian.PutUint16(page[14:], uint16(upper))
	return page
}

// withoutHole is what redo makes of an image of page.
func withoutHole(page []byte) []byte {
	p := bytes.Clone(page)
	clear(p[binary.LittleEndian.Uint16(p[12:]):binary.LittleEndian.Uint16(p[14:])])
	return p
}

var testRel = xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 16384}

// Info of records that pg_waldump can print whatever the main data is.
const (
	infoNoop = 0x20
	infoFPI  = 0xB0
)

// buildRecord puts a record together that pg_waldump can print, and gives the pages that it has images of.
func buildRecord(rec *xlog.RecordBuilder, d *xlog.Dialect, rnd *rand.Rand) (pages [][]byte) {
	switch rnd.IntN(6) {
	case 0:
		rec.Begin(xlog.RmXLOG, infoFPI, 0)
		for id := range uint8(1 + rnd.IntN(4)) {
			page, standard := heapPage(d, rnd), rnd.IntN(2) == 0
			rec.Block(2*id, testRel, xlog.ForkNumber(id%3), uint32(id)+7, 0)
			rec.Image(2*id, page, standard)
			if standard {
				page = withoutHole(page)
			}
			pages = append(pages, page)
		}
	case 1:
		rec.Begin(xlog.RmgrID(10), 0x80, rnd.Uint32()) // a Heap INSERT on a page that is begun
		rec.Block(0, testRel, xlog.MainFork, rnd.Uint32(), xlog.BlockWillInit)
		rec.BlockData(0, []byte{2, 0, 2, 8})
		rec.BlockData(0, bytes.Repeat([]byte{24}, 1+rnd.IntN(900)))
		rec.Data([]byte{1, 0, 0})
	case 2:
		rec.Begin(xlog.RmXLOG, infoNoop, 0)
		rec.Data(bytes.Repeat([]byte{7}, rnd.IntN(300000)))
	default:
		rec.Begin(xlog.RmXLOG, infoNoop, rnd.Uint32())
		rec.Data(bytes.Repeat([]byte{7}, rnd.IntN(300)))
		rec.Data([]byte("more"))
	}
	return pages
}

// What a Writer writes is what a Reader reads, in every dialect, over pages and segments, with images and switches.
func TestWriterAllDialects(t *testing.T) {
	t.Parallel()
	for _, d := range xlog.Dialects() {
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			var out logFile
			w, rnd := newWriter(t, d, &out), rand.New(rand.NewPCG(1, 2))
			images := writeAndRead(t, w, &out, rnd)
			require.NotZero(t, images)
			require.Greater(t, len(out.data), 3*mib)
		})
	}
}

// writeAndRead writes 200 records and compares all that the Reader says of them.
func writeAndRead(t *testing.T, w *xlog.Writer, out *logFile, rnd *rand.Rand) (images int) {
	d := w.Dialect()
	var rec xlog.RecordBuilder
	var written []*xlog.Record
	pages := map[xlog.LSN][][]byte{}
	for i := range 200 {
		if i%50 == 49 {
			_, end, err := w.Switch()
			require.NoError(t, err)
			require.Zero(t, end%mib)
			written = append(written, w.Last().Clone())
		}
		made := buildRecord(&rec, d, rnd)
		begin, end, err := w.Insert(&rec)
		require.NoError(t, err)
		require.Equal(t, w.Last().LSN, begin)
		require.Equal(t, w.Position(), end)
		pages[begin] = made
		written = append(written, w.Last().Clone())
	}
	got, err := walk(t, readerOf(d, out))
	requireEnd(t, err, xlog.ErrZeroed, w.Position())
	require.Len(t, got, len(written))
	for i := range got {
		require.Equal(t, written[i], got[i])
		images += requirePages(t, d, got[i], pages[got[i].LSN])
	}
	return images
}

// requirePages compares the images in a record with the pages that they were made of.
func requirePages(t *testing.T, d *xlog.Dialect, rec *xlog.Record, pages [][]byte) int {
	var body xlog.Body
	require.NoError(t, rec.Decode(&body))
	for i, page := range pages {
		img := &body.Blocks[i].Image
		require.True(t, img.Apply)
		got := append([]byte(nil), img.Data[:img.HoleOffset]...)
		got = append(append(got, make([]byte, img.HoleLength)...), img.Data[img.HoleOffset:]...)
		require.Equal(t, page, got)
	}
	return len(pages)
}

// pg_waldump reads our log and prints our records.
func TestWriterWaldump(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	var out logFile
	w, rnd := newWriter(t, xlog.Postgres15, &out), rand.New(rand.NewPCG(3, 4))
	writeAndRead(t, w, &out, rnd)
	dir, err := os.MkdirTemp("", "waldump") // the servers' user cannot look into t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	for name, data := range out.files(mib) {
		whole := append(bytes.Clone(data), make([]byte, mib-len(data))...)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), whole, 0o644))
	}
	cmd := pgserver.Command(context.Background(), 15, "pg_waldump", "-p", dir, "-s", logStart.String())
	text, _ := cmd.Output() // it fails at the end of the log
	sum, err := compareWaldump(t, readerOf(xlog.Postgres15, &out), bytes.NewReader(text),
		func(*xlog.Record) bool { return false })
	requireEnd(t, err, xlog.ErrZeroed, w.Position())
	require.Greater(t, sum.records, 200)
	t.Logf("%d records with %d bytes of images equal to pg_waldump's", sum.records, sum.images)
}

// A Writer goes on in the middle of a page, at a page's end and at a segment's, on another timeline too.
func TestWriterGoesOn(t *testing.T) {
	t.Parallel()
	for _, left := range []int{0, 8, 800} {
		b := builder(mib)
		varied(b, 30, 40)
		b.FillTo(left)
		last := b.Records()[len(b.Records())-1]
		out := logFile{start: b.Start(), data: bytes.Clone(b.Bytes())}
		w, err := xlog.NewWriter(xlog.WriterConfig{
			Dialect: b.Dialect, SegmentSize: mib, SystemID: xlogtest.SystemID, Timeline: 2,
			Start: b.Pos(), Prev: last.LSN, Out: &out,
		})
		require.NoError(t, err)
		writeRecords(t, w, 30)
		cfg := config(b)
		cfg.Source = xlogtest.Files{mibName(2): out.data[:mib], xlog.SegmentSize(mib).Name(2, 4): out.data[mib:]}.Source(mib)
		cfg.History = xlog.History{Timeline: 2, Ancestors: []xlog.Switch{{Timeline: 1, LSN: b.Pos()}}}
		got, err := walk(t, xlog.NewReader(cfg))
		requireEnd(t, err, xlog.ErrZeroed, w.Position())
		require.Len(t, got, len(b.Records())+30)
	}
}

func writeRecords(t *testing.T, w *xlog.Writer, n int) {
	var rec xlog.RecordBuilder
	for i := range n {
		rec.Begin(xlog.RmXLOG, infoNoop, 0)
		rec.Data(make([]byte, 3000*i))
		_, _, err := w.Insert(&rec)
		require.NoError(t, err)
	}
}

// A record that cannot be written is an error and leaves the log as it was; an error of the sink stays.
func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	var out logFile
	w := newWriter(t, xlog.Postgres12, &out)
	for name, fill := range map[string]func(*xlog.RecordBuilder){
		"was not named": func(r *xlog.RecordBuilder) { r.BlockData(1, []byte{1}) },
		"up to 32":      func(r *xlog.RecordBuilder) { r.Block(33, testRel, 0, 0, 0) },
		"ids grow": func(r *xlog.RecordBuilder) {
			r.Block(3, testRel, 0, 0, 0)
			r.Block(1, testRel, 0, 0, 0)
		},
		"70000 bytes of data": func(r *xlog.RecordBuilder) {
			r.Block(0, testRel, 0, 0, 0)
			r.BlockData(0, make([]byte, 70000))
		},
		"an image of 100 bytes": func(r *xlog.RecordBuilder) {
			r.Block(0, testRel, 0, 0, 0)
			r.Image(0, make([]byte, 100), true)
		},
		"no top-level transaction": func(r *xlog.RecordBuilder) { r.TopXID(7) },
		"relation 1663/5/1099511627776": func(r *xlog.RecordBuilder) {
			r.Block(0, xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 1 << 40}, 0, 0, 0)
		},
	} {
		var rec xlog.RecordBuilder
		rec.Begin(xlog.RmXLOG, infoNoop, 0)
		fill(&rec)
		_, _, err := w.Insert(&rec)
		require.ErrorContains(t, err, name)
	}
	require.Equal(t, logStart, w.Position())
	writeRecords(t, w, 3)
	out.err = io.ErrShortWrite
	var rec xlog.RecordBuilder
	for range 2 {
		rec.Begin(xlog.RmXLOG, infoNoop, 0)
		_, _, err := w.Insert(&rec)
		require.ErrorIs(t, err, io.ErrShortWrite)
		out.err = nil
	}
}

func TestWriterConfig(t *testing.T) {
	t.Parallel()
	good := xlog.WriterConfig{
		Dialect: xlog.Postgres15, SegmentSize: mib, SystemID: 1, Timeline: 1, Start: logStart, Out: &logFile{},
	}
	for _, change := range []func(*xlog.WriterConfig){
		func(c *xlog.WriterConfig) { c.Dialect = nil }, func(c *xlog.WriterConfig) { c.Out = nil },
		func(c *xlog.WriterConfig) { c.Timeline = 0 }, func(c *xlog.WriterConfig) { c.SegmentSize = 5 },
		func(c *xlog.WriterConfig) { c.Start = 0 }, func(c *xlog.WriterConfig) { c.Start += 4 },
		func(c *xlog.WriterConfig) { c.Start += 32 }, func(c *xlog.WriterConfig) { c.Start += 8192 + 16 },
	} {
		cfg := good
		change(&cfg)
		_, err := xlog.NewWriter(cfg)
		require.Error(t, err)
	}
	good.Start += xlog.LongPageHeaderSize
	w, err := xlog.NewWriter(good)
	require.NoError(t, err)
	begin, end, err := w.Switch()
	require.NoError(t, err)
	require.Equal(t, [2]xlog.LSN{good.Start, good.Start}, [2]xlog.LSN{begin, end}, "there is nothing to end")
}

// In the steady state a record costs no allocation.
func TestWriterAllocatesNothing(t *testing.T) {
	var out discardLog
	w, err := xlog.NewWriter(xlog.WriterConfig{Dialect: xlog.Postgres15, Timeline: 1, Start: logStart, Out: out})
	require.NoError(t, err)
	var rec xlog.RecordBuilder
	page, data := make([]byte, 8192), make([]byte, 100)
	insert := func() {
		rec.Begin(xlog.RmXLOG, infoFPI, 0)
		rec.Block(0, testRel, xlog.MainFork, 1, 0)
		rec.Image(0, page, true)
		rec.Block(1, testRel, xlog.MainFork, 2, 0)
		rec.BlockData(1, data)
		rec.Data(data)
		if _, _, err := w.Insert(&rec); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		insert()
	}
	require.Zero(t, testing.AllocsPerRun(1000, insert))
}

type discardLog struct{}

func (discardLog) Write(xlog.LSN, []byte) error { return nil }
