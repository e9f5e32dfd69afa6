// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

const mib = 1 << 20

// logStart is where the logs that tests build begin: not in the first segment.
const logStart xlog.LSN = 3 * mib

// config reads a built log from its start.
func config(b *xlogtest.Builder) xlog.ReaderConfig {
	return xlog.ReaderConfig{
		Dialect: b.Dialect, SegmentSize: b.Size, SystemID: xlogtest.SystemID, History: b.History(),
		Source: b.Files().Source(b.Size), Start: b.Start(),
	}
}

// walk reads to the end and keeps every record.
func walk(t testing.TB, r *xlog.Reader) ([]*xlog.Record, error) {
	t.Helper()
	var list []*xlog.Record
	var body xlog.Body
	for {
		rec, err := r.Next()
		if err != nil {
			return list, err
		}
		if err := rec.Decode(&body); err != nil {
			t.Fatal(err)
		}
		list = append(list, rec.Clone())
	}
}

// requireRecords compares what was read with what was built.
func requireRecords(t testing.TB, want []xlogtest.Placed, got []*xlog.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records instead of %d", len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; g.LSN != w.LSN || g.End != w.End || !bytes.Equal(g.Raw, w.Raw) {
			t.Fatalf("record %d: %s to %s instead of %s to %s, bytes equal: %t", i, g.LSN, g.End, w.LSN, w.End,
				bytes.Equal(g.Raw, w.Raw))
		}
	}
}

// varied writes records of many lengths, small ones and ones over several pages.
func varied(b *xlogtest.Builder, n int, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range n {
		size := 40 + rnd.IntN(200)
		switch rnd.IntN(20) {
		case 0:
			size = 4000 + rnd.IntN(40000)
		case 1, 2, 3:
			size = 300 + rnd.IntN(2000)
		}
		b.Noop(size)
	}
}

func TestReaderAllDialects(t *testing.T) {
	t.Parallel()
	for _, d := range xlog.Dialects() {
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			b := xlogtest.NewBuilder(d, mib, logStart)
			varied(b, 300, 1)
			b.Switch()
			varied(b, 300, 2)
			got, err := walk(t, xlog.NewReader(config(b)))
			requireRecords(t, b.Records(), got)
			requireEnd(t, err, xlog.ErrZeroed, b.Pos())
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

// requireEnd checks an answer and where the good part of the log ends.
func requireEnd(t testing.TB, err, kind error, lsn xlog.LSN) *xlog.EndError {
	t.Helper()
	var end *xlog.EndError
	if !errors.As(err, &end) || end.LSN != lsn {
		t.Fatalf("expected the end of the log at %s: %v", lsn, err)
	}
	for _, other := range []error{xlog.ErrZeroed, xlog.ErrTorn, xlog.ErrCorrupt, xlog.ErrIO} {
		if errors.Is(err, other) != (other == kind) {
			t.Fatalf("expected %v: %v", kind, err)
		}
	}
	return end
}

func builder(size xlog.SegmentSize) *xlogtest.Builder {
	return xlogtest.NewBuilder(xlog.Postgres15, size, logStart)
}

func TestReaderRecordOverThreeSegments(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 20, 3)
	b.Noop(2*mib + 12345)
	varied(b, 20, 4)
	for _, size := range []int{0, 8192, 3 * 8192, 4 * mib} {
		cfg := config(b)
		cfg.BufferSize = size
		got, err := walk(t, xlog.NewReader(cfg))
		requireRecords(t, b.Records(), got)
		requireEnd(t, err, xlog.ErrZeroed, b.Pos())
	}
}

// A record's header may be cut by the end of a page after 8 or 16 bytes, and a record may end just there.
func TestReaderPageEnds(t *testing.T) {
	t.Parallel()
	for left := 0; left <= 64; left += 8 {
		b := builder(mib)
		for _, size := range []int{24, 26, 100, 8152, 8168, 8176, 8200, 16400} {
			b.FillTo(left)
			b.Noop(size)
			b.Noop(40)
		}
		got, err := walk(t, xlog.NewReader(config(b)))
		requireRecords(t, b.Records(), got)
		requireEnd(t, err, xlog.ErrZeroed, b.Pos())
	}
}

func TestReaderSwitch(t *testing.T) {
	t.Parallel()
	cases := map[string]func(b *xlogtest.Builder){
		"in a page":                     func(b *xlogtest.Builder) { b.Noop(100) },
		"ends with its page":            func(b *xlogtest.Builder) { b.FillTo(24) },
		"crosses a page":                func(b *xlogtest.Builder) { b.FillTo(8) },
		"at the beginning of a page":    func(b *xlogtest.Builder) { b.FillTo(0) },
		"at the beginning of a segment": func(*xlogtest.Builder) {},
		"ends with the segment": func(b *xlogtest.Builder) {
			for b.Size.Offset(b.Pos()+8192) != 0 {
				b.FillTo(0)
			}
			b.FillTo(24)
		},
	}
	for name, fill := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := builder(mib)
			fill(b)
			b.Switch()
			require.Zero(t, b.Size.Offset(b.Pos()))
			require.Equal(t, logStart+mib, b.Pos())
			varied(b, 5, 5)
			got, err := walk(t, xlog.NewReader(config(b)))
			requireRecords(t, b.Records(), got)
			requireEnd(t, err, xlog.ErrZeroed, b.Pos())
			requireFed(t, b, rand.New(rand.NewPCG(1, 2)))
		})
	}
}

func TestReaderOverwrittenContrecord(t *testing.T) {
	t.Parallel()
	for _, d := range []*xlog.Dialect{xlog.Postgres14, xlog.Postgres18, xlog.Greenplum7, xlog.CloudberryDB} {
		for _, left := range []int{8, 16, 24, 800} {
			b := xlogtest.NewBuilder(d, mib, logStart)
			varied(b, 10, 6)
			b.FillTo(left)
			b.Lose(90000)
			b.Overwrite()
			varied(b, 10, 7)
			got, err := walk(t, xlog.NewReader(config(b)))
			requireRecords(t, b.Records(), got)
			requireEnd(t, err, xlog.ErrZeroed, b.Pos())
			requireFed(t, b, rand.New(rand.NewPCG(3, uint64(left))))
		}
	}
}

// The page says that a record was given up; what follows must say so too, and name the same record.
func TestReaderOverwriteMustBeTold(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	b.FillTo(104)
	end := b.Pos()
	lost := b.Lose(90000)
	b.Overwrite()
	good := b.Records()[1]
	at := int(good.LSN - b.Start())

	rewrite := func(change func(raw []byte)) error {
		files := b.Files()
		raw := bytes.Clone(good.Raw)
		change(raw)
		xlogtest.Seal(raw)
		name := b.Size.Name(1, b.Size.Number(b.Start()))
		data := bytes.Clone(files[name])
		copy(data[at:], raw)
		cfg := config(b)
		cfg.Source = xlogtest.Files{name: data}.Source(b.Size)
		_, err := walk(t, xlog.NewReader(cfg))
		return err
	}
	requireEnd(t, rewrite(func([]byte) {}), xlog.ErrZeroed, b.Pos())
	err := rewrite(func(raw []byte) { raw[26] += 8 })
	requireEnd(t, err, xlog.ErrCorrupt, end)
	require.ErrorContains(t, err, fmt.Sprintf("but the record given up is at %s", lost))
	requireEnd(t, rewrite(func(raw []byte) { raw[16] = 0x20 }), xlog.ErrCorrupt, end)
}

// A log that stops in a record says which page should have gone on with it.
func TestReaderMissingContrecord(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	b.FillTo(104)
	end := b.Pos()
	lost := b.Lose(90000)
	_, err := walk(t, xlog.NewReader(config(b)))
	e := requireEnd(t, err, xlog.ErrTorn, end)
	require.Equal(t, lost, e.Aborted)
	require.Equal(t, b.Pos(), e.MissingContrecord)
	require.Equal(t, lost, e.At)
}

// requireFed feeds the log in pieces of random lengths and expects all its records.
func requireFed(t testing.TB, b *xlogtest.Builder, rnd *rand.Rand) {
	t.Helper()
	cfg := config(b)
	cfg.Source = nil
	r := xlog.NewReader(cfg)
	var got []*xlog.Record
	data, lsn := b.Bytes(), b.Start()
	for len(data) > 0 {
		n := min(len(data), pieceLength(rnd))
		piece := bytes.Clone(data[:n])
		require.NoError(t, r.Feed(lsn, piece))
		list, err := walk(t, r)
		require.ErrorIs(t, err, xlog.ErrNeedMore)
		got = append(got, list...)
		clear(piece) // the Reader must not look at it again
		data, lsn = data[n:], lsn.Add(n)
	}
	requireRecords(t, b.Records(), got)
	require.Equal(t, b.Pos(), r.End())
}

func pieceLength(rnd *rand.Rand) int {
	switch rnd.IntN(4) {
	case 0:
		return rnd.IntN(4)
	case 1:
		return rnd.IntN(100)
	case 2:
		return 8192
	}
	return rnd.IntN(131072)
}

func TestReaderFed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		b := builder(mib)
		varied(b, 200, seed)
		b.Switch()
		b.Noop(mib + 100)
		varied(b, 100, seed+100)
		requireFed(t, b, rand.New(rand.NewPCG(seed, 9)))
	}
}

// From any start the first record is the first that begins there or later; for a Reader that has read elsewhere, too.
func TestReaderStartsAnywhere(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 10, 8)
	b.Noop(30000)
	varied(b, 10, 9)
	b.Noop(mib)
	varied(b, 10, 10)
	cfg := config(b)
	cfg.BufferSize = 8192
	used := xlog.NewReader(cfg)
	i, list := 0, b.Records()
	for start := b.Start(); start < b.Pos(); start += step(start, list[i].LSN) {
		for list[i].LSN < start {
			if i++; i == len(list) {
				return
			}
		}
		cfg.Start = start
		rec, err := xlog.NewReader(cfg).Next()
		require.NoError(t, err, "from %s", start)
		require.Equal(t, list[i].LSN, rec.LSN, "from %s", start)
		used.Reset(start)
		again, err := used.Next()
		require.NoError(t, err, "from %s", start)
		require.Equal(t, rec, again, "from %s", start)
		for range int(start) % 4 { // end anywhere
			_, _ = used.Next()
		}
	}
}

// step looks at every byte near a record's beginning and leaps over the long rest.
func step(at, next xlog.LSN) xlog.LSN {
	if next > at && next-at > 700 {
		return 601
	}
	return 1
}

// A fed Reader may begin at a page boundary, within a record too, or where a record begins.
func TestReaderFedStart(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 60, 11)
	starts := []xlog.LSN{}
	for p := b.Start(); p < b.Pos(); p += 8192 {
		starts = append(starts, p)
	}
	for _, p := range b.Records() {
		starts = append(starts, p.LSN)
	}
	for _, start := range starts {
		cfg := config(b)
		cfg.Source, cfg.Start = nil, 0
		r := xlog.NewReader(cfg)
		require.NoError(t, r.Feed(start, b.Bytes()[start-b.Start():]))
		got, err := walk(t, r)
		require.ErrorIs(t, err, xlog.ErrNeedMore)
		requireRecords(t, recordsFrom(b, start), got)
	}
}

func recordsFrom(b *xlogtest.Builder, start xlog.LSN) []xlogtest.Placed {
	list := b.Records()
	for len(list) > 0 && list[0].LSN < start {
		list = list[1:]
	}
	return list
}

func TestReaderFeedOrder(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 60, 12)
	cfg := config(b)
	cfg.Source = nil
	r := xlog.NewReader(cfg)
	require.Error(t, r.Feed(0, nil))
	_, err := r.Next()
	require.ErrorIs(t, err, xlog.ErrNeedMore)
	require.NoError(t, r.Feed(b.Start(), b.Bytes()[:9000]))
	require.ErrorContains(t, r.Feed(b.Start()+9000, b.Bytes()[9000:]), "before Next asked")
	_, err = walk(t, r)
	require.ErrorIs(t, err, xlog.ErrNeedMore)
	require.ErrorContains(t, r.Feed(b.Start()+9001, b.Bytes()[9001:]), "do not follow")
	require.NoError(t, r.Feed(b.Start()+9000, nil))
	_, err = r.Next()
	require.ErrorIs(t, err, xlog.ErrNeedMore)
	require.NoError(t, r.Feed(b.Start()+9000, b.Bytes()[9000:]))
	require.Error(t, xlog.NewReader(cfg).Feed(b.Start()+8, nil), "inside a page header")
	require.Error(t, xlog.NewReader(cfg).Feed(b.Start()+100, nil), "not aligned")
	require.Error(t, xlog.NewReader(config(b)).Feed(b.Start(), nil), "has a source")
}

func TestReaderConfigMistakes(t *testing.T) {
	t.Parallel()
	src := xlogtest.Files{}.Source(mib)
	for name, cfg := range map[string]xlog.ReaderConfig{
		"dialect":  {},
		"segment":  {Dialect: xlog.Postgres15, SegmentSize: 12345},
		"start":    {Dialect: xlog.Postgres15, Source: src, History: xlog.History{Timeline: 1}},
		"timeline": {Dialect: xlog.Postgres15, Source: src, Start: logStart},
	} {
		_, err := xlog.NewReader(cfg).Next()
		require.Error(t, err, name)
		require.NotErrorIs(t, err, xlog.ErrNeedMore, name)
	}
}

// A log that goes through three timelines, with stray records on the files that were left.
func TestReaderTimelines(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 200, 13)
	b.Promote(2, bytes.Repeat([]byte{0xAA}, 5000))
	varied(b, 500, 14)
	b.FillTo(0) // the switch may be at the end of a page
	b.Promote(5, nil)
	varied(b, 200, 15)
	got, err := walk(t, xlog.NewReader(config(b)))
	requireRecords(t, b.Records(), got)
	requireEnd(t, err, xlog.ErrZeroed, b.Pos())
	require.Equal(t, xlog.TimelineID(1), got[0].Timeline)
	require.Equal(t, xlog.TimelineID(2), got[500].Timeline)
	require.Equal(t, xlog.TimelineID(5), got[len(got)-1].Timeline)
}

// When the newest timeline's file is missing, the ancestor's serves up to the switch and not a byte further.
func TestReaderTimelineFallback(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 50, 16)
	n, at := len(b.Records()), b.Pos()
	b.Promote(2, bytes.Repeat([]byte{0xAA}, 100000))
	varied(b, 50, 17)
	files := b.Files()
	delete(files, b.Size.Name(2, b.Size.Number(b.Start())))
	cfg := config(b)
	cfg.Source = files.Source(b.Size)
	got, err := walk(t, xlog.NewReader(cfg))
	requireRecords(t, b.Records()[:n], got)
	requireEnd(t, err, xlog.ErrZeroed, at)
}

func TestReaderTimelineChecks(t *testing.T) {
	t.Parallel()
	backwards := builder(mib)
	backwards.Timeline = 3
	varied(backwards, 100, 18)
	backwards.Timeline = 2
	varied(backwards, 200, 19)
	cfg := config(backwards)
	cfg.History = xlog.History{Timeline: 3, Ancestors: []xlog.Switch{{Timeline: 2, LSN: logStart - 1}}}
	files := backwards.Files()
	files[mibName(3)] = files[mibName(2)]
	cfg.Source = files.Source(mib)
	_, err := walk(t, xlog.NewReader(cfg))
	require.ErrorIs(t, err, xlog.ErrCorrupt)
	require.ErrorContains(t, err, "out-of-sequence timeline ID 2 (after 3)")

	stranger := builder(mib)
	stranger.Timeline = 2
	varied(stranger, 100, 20)
	cfg = config(stranger)
	cfg.History = xlog.History{Timeline: 3, Ancestors: []xlog.Switch{{Timeline: 1, LSN: logStart - 1}}}
	cfg.Source = xlogtest.Files{mibName(3): stranger.Files()[mibName(2)]}.Source(mib)
	_, err = walk(t, xlog.NewReader(cfg))
	require.ErrorIs(t, err, xlog.ErrCorrupt)
	require.ErrorContains(t, err, "page of timeline 2, which is no ancestor of 3")

	cfg.Source = files.Source(mib)
	cfg.History = xlog.History{Timeline: 2}
	_, err = walk(t, xlog.NewReader(cfg))
	require.ErrorIs(t, err, xlog.ErrCorrupt)
	require.ErrorContains(t, err, "page of timeline 3")
}

func mibName(t xlog.TimelineID) string { return xlog.SegmentSize(mib).Name(t, 3) }

// failing answers with err from position at on.
type failing struct {
	xlog.Source
	at  xlog.LSN
	err error
}

func (f *failing) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	if f.err != nil && lsn+xlog.LSN(len(p)) > f.at {
		if lsn >= f.at {
			return 0, f.err
		}
		n, _ := f.Source.ReadAt(tli, p[:f.at-lsn], lsn)
		return n, f.err
	}
	return f.Source.ReadAt(tli, p, lsn)
}

// After an I/O error, or at the end of the log so far, a Reader may be asked again.
func TestReaderTriesAgain(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 40, 20)
	b.Noop(50000)
	varied(b, 40, 21)
	disk := errors.New("the disk is on fire")
	for _, fault := range []error{disk, io.EOF, fs.ErrNotExist} {
		for cut := b.Start(); cut < b.Pos(); cut += 997 {
			src := &failing{Source: b.Files().Source(mib), at: cut, err: fault}
			cfg := config(b)
			cfg.Source, cfg.BufferSize = src, 8192
			r := xlog.NewReader(cfg)
			got, err := walk(t, r)
			require.ErrorIs(t, err, fault)
			require.Equal(t, fault == disk, errors.Is(err, xlog.ErrIO))
			src.err = nil
			more, err := walk(t, r)
			requireRecords(t, b.Records(), append(got, more...))
			requireEnd(t, err, xlog.ErrZeroed, b.Pos())
		}
	}
}

func TestReaderMaxRecord(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	b.Noop(100)
	end := b.Pos()
	b.Noop(100000)
	cfg := config(b)
	cfg.MaxRecord = 99999
	_, err := walk(t, xlog.NewReader(cfg))
	requireEnd(t, err, xlog.ErrCorrupt, end)
	cfg.MaxRecord = 100000
	_, err = walk(t, xlog.NewReader(cfg))
	requireEnd(t, err, xlog.ErrZeroed, b.Pos())
}

// A header that claims a gigabyte costs no more memory than the bytes that come.
func TestReaderAllocatesWhatItSees(t *testing.T) {
	b := builder(mib)
	b.FillTo(104)
	lost := b.Lose(1 << 26)
	cfg := config(b)
	bytesUsed := allocated(func() {
		_, err := walk(t, xlog.NewReader(cfg))
		require.ErrorIs(t, err, xlog.ErrTorn)
	})
	require.Less(t, bytesUsed, uint64(2*mib), "the record at %s", lost)
}
