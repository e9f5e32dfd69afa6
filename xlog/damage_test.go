// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// goodEnd is the end of the last record that is whole in the log up to cut.
func goodEnd(records []xlogtest.Placed, cut, start xlog.LSN) xlog.LSN {
	end := start
	for _, p := range records {
		if p.Stop > cut {
			break
		}
		end = p.End
	}
	return end
}

// small is a log over seven pages and two segments with every kind of page end.
func small() *xlogtest.Builder {
	b := builder(mib)
	b.Noop(100)
	b.FillTo(16)
	b.Noop(300)
	b.Noop(9000)
	b.FillTo(0)
	b.Noop(50)
	b.FillTo(24)
	b.Noop(24)
	b.Noop(901)
	b.Noop(77)
	return b
}

// readDamaged walks over the log with data in the place of its segment. Every record that comes out must be the one
// that was built. It returns how many did, and the answer.
func readDamaged(t testing.TB, b *xlogtest.Builder, data []byte) (int, error) {
	cfg := config(b)
	cfg.Source = xlogtest.Files{b.Size.Name(1, b.Size.Number(b.Start())): data}.Source(b.Size)
	cfg.BufferSize = 1 << 14
	r := xlog.NewReader(cfg)
	for n := 0; ; n++ {
		rec, err := r.Next()
		if err != nil {
			return n, err
		}
		if w := b.Records()[n]; rec.LSN != w.LSN || rec.End != w.End || !bytes.Equal(rec.Raw, w.Raw) {
			t.Fatalf("record %d: %s to %s instead of %s to %s", n, rec.LSN, rec.End, w.LSN, w.End)
		}
	}
}

// A file that is cut at any length is a clean end when the cut is between records, and torn otherwise.
func TestReaderTruncated(t *testing.T) {
	t.Parallel()
	b := small()
	for n := range len(b.Bytes()) {
		_, err := readDamaged(t, b, b.Bytes()[:n])
		cut := b.Start().Add(n)
		end := goodEnd(b.Records(), cut, b.Start())
		kind := xlog.ErrTorn
		if cleanCut(b, cut, end) {
			kind = xlog.ErrZeroed
		}
		if n < xlog.LongPageHeaderSize && n > 0 {
			kind = xlog.ErrTorn
		}
		requireEnd(t, err, kind, end)
	}
}

// cleanCut tells whether nothing but padding and a whole page header stands between the last record and the cut.
func cleanCut(b *xlogtest.Builder, cut, end xlog.LSN) bool {
	if cut <= end {
		return true
	}
	head := xlog.LSN(xlog.ShortPageHeaderSize)
	if b.Size.Offset(end) == 0 {
		head = xlog.LongPageHeaderSize
	}
	return end%8192 == 0 && cut == end+head
}

// A segment of full length that was written up to some byte, the rest zeros, as a receiver leaves it that was killed.
func TestReaderZeroedTail(t *testing.T) {
	t.Parallel()
	b := small()
	whole := append(bytes.Clone(b.Bytes()), make([]byte, 3*8192)...)
	answers := map[error]int{}
	for n := len(b.Bytes()) - 1; n >= 0; n-- {
		whole[n] = 0
		_, err := readDamaged(t, b, whole)
		answers[requireZeroedTail(t, b, whole, n, err)]++
	}
	require.Less(t, answers[xlog.ErrCorrupt], 150)
	require.Greater(t, answers[xlog.ErrZeroed], 40)
	t.Logf("%d lengths: %d torn, %d zeroed, %d corrupt", len(b.Bytes()), answers[xlog.ErrTorn], answers[xlog.ErrZeroed],
		answers[xlog.ErrCorrupt])
}

// requireZeroedTail checks the answer for a log that is zero from byte n on, and returns it.
func requireZeroedTail(t *testing.T, b *xlogtest.Builder, data []byte, n int, err error) error {
	cut := b.Start().Add(n)
	end := b.Start()
	for _, p := range b.Records() { // a record may be whole although zeros were put in the place of zeros
		if bytes.Equal(data[p.LSN-b.Start():p.Stop-b.Start()], b.Bytes()[p.LSN-b.Start():p.Stop-b.Start()]) {
			end = p.End
		}
	}
	switch {
	case nothingAfter(b, data, end):
		requireEnd(t, err, xlog.ErrZeroed, end)
		return xlog.ErrZeroed
	case errors.Is(err, xlog.ErrCorrupt):
		// Only where too few zeros are left in the page, or a page header is cut.
		left := 8192 - int(cut%8192)
		inHeader := cut%8192 < xlog.LongPageHeaderSize
		require.True(t, left < xlog.RecordHeaderSize || inHeader, "cut at %s: %v", cut, err)
		requireEnd(t, err, xlog.ErrCorrupt, end)
		return xlog.ErrCorrupt
	}
	requireEnd(t, err, xlog.ErrTorn, end)
	return xlog.ErrTorn
}

// nothingAfter tells whether data is zero from end on, but for a whole page header there.
func nothingAfter(b *xlogtest.Builder, data []byte, end xlog.LSN) bool {
	at, head := int(end-b.Start()), 0
	if end%8192 == 0 {
		if head = xlog.ShortPageHeaderSize; b.Size.Offset(end) == 0 {
			head = xlog.LongPageHeaderSize
		}
		if !bytes.Equal(data[at:at+head], b.Bytes()[at:at+head]) {
			head = 0
		}
	}
	return bytes.Equal(data[at+head:], make([]byte, len(data)-at-head))
}

// A recycled segment holds valid pages of an earlier time behind the end of the log.
func TestReaderRecycledTail(t *testing.T) {
	t.Parallel()
	b := small()
	old := xlogtest.NewBuilder(b.Dialect, mib, mib)
	varied(old, 2000, 40)
	for n := 8192; n < len(b.Bytes()); n += 8192 {
		data := append(bytes.Clone(b.Bytes()[:n]), old.Bytes()[n:20*8192]...)
		_, err := readDamaged(t, b, data)
		cut := b.Start().Add(n)
		end := goodEnd(b.Records(), cut, b.Start())
		kind := xlog.ErrTorn
		if end == cut {
			kind = xlog.ErrZeroed
		}
		requireEnd(t, err, kind, end)
	}
}

// A page that was made ready and not filled, and a hole in a page, are what a crash leaves of a busy server.
func TestReaderHoles(t *testing.T) {
	t.Parallel()
	b := small()
	long := b.Records()[3] // 9000 bytes
	page := int(long.LSN-b.Start())&^8191 + 8192

	unfilled := bytes.Clone(b.Bytes()[:page+8192])
	h := xlog.PageHeader{Magic: b.Dialect.PageMagic(), Timeline: 1, Address: b.Start().Add(page)}
	clear(unfilled[page:])
	copy(unfilled[page:], h.Append(nil))
	_, err := readDamaged(t, b, unfilled)
	e := requireEnd(t, err, xlog.ErrTorn, long.LSN)
	require.Equal(t, long.LSN, e.Aborted)
	require.Equal(t, b.Start().Add(page), e.MissingContrecord)

	unfilled[page+100] = 1
	_, err = readDamaged(t, b, unfilled)
	requireEnd(t, err, xlog.ErrCorrupt, long.LSN)

	blank := bytes.Clone(b.Bytes())
	clear(blank[page : page+8192])
	_, err = readDamaged(t, b, blank)
	requireEnd(t, err, xlog.ErrTorn, long.LSN)

	rec := b.Records()[2]
	hole := bytes.Clone(b.Bytes())
	clear(hole[rec.LSN-b.Start():][:rec.Stop-rec.LSN])
	copy(hole[page-8192:], b.Bytes()[page-8192:][:24])
	_, err = readDamaged(t, b, hole)
	require.Error(t, err)
	require.NotErrorIs(t, err, xlog.ErrZeroed)
}

// Each bit of a log is turned over, one at a time. No record may come out changed, and the answer is that the log is
// corrupt, but for the few bits that make a log which could be another, honest one.
func TestReaderFlippedBits(t *testing.T) {
	t.Parallel()
	b := small()
	data := append(bytes.Clone(b.Bytes()), make([]byte, 8192)...)
	answers := map[error]int{}
	for i := range b.Bytes() {
		bit := byte(1) << (i % 8)
		if i%8192 < 64 { // every bit of page headers and first records, one bit of other bytes
			for bit = 1; bit != 0; bit <<= 1 {
				answers[requireFlip(t, b, data, i, bit)]++
			}
			continue
		}
		answers[requireFlip(t, b, data, i, bit)]++
	}
	t.Logf("%d bits: %d corrupt, %d torn, %d zeroed, %d not noticed", len(b.Bytes()), answers[xlog.ErrCorrupt],
		answers[xlog.ErrTorn], answers[xlog.ErrZeroed], answers[nil])
	require.Greater(t, answers[xlog.ErrCorrupt], len(b.Bytes())*98/100)
}

func requireFlip(t *testing.T, b *xlogtest.Builder, data []byte, i int, bit byte) error {
	data[i] ^= bit
	n, err := readDamaged(t, b, data)
	data[i] ^= bit
	where := i % 8192
	switch {
	case errors.Is(err, xlog.ErrCorrupt):
		require.LessOrEqual(t, endOf(err), b.Start().Add(i))
		return xlog.ErrCorrupt
	case n == len(b.Records()):
		requireEnd(t, err, xlog.ErrZeroed, b.Pos())
		require.True(t, unchecked(b, i), "bit %#x at %d was not noticed", bit, i)
		return nil
	case errors.Is(err, xlog.ErrTorn):
		require.True(t, where >= 8 && where < 16 || inLength(b, i), "%d: %v", i, err)
		return xlog.ErrTorn
	}
	require.ErrorIs(t, err, xlog.ErrZeroed)
	require.True(t, where >= 8 && where < 16 && i > len(b.Bytes())-8192, "bit %#x at %d: %v", bit, i, err)
	return xlog.ErrZeroed
}

// inLength tells whether byte i is in the length of a record on the last page: such a record may come to reach into
// the zeros behind the log.
func inLength(b *xlogtest.Builder, i int) bool {
	at := b.Start().Add(i)
	for _, p := range b.Records() {
		if at >= p.LSN && at < p.LSN+4 {
			return b.Pos()-p.LSN < 8192
		}
	}
	return false
}

func endOf(err error) xlog.LSN {
	var end *xlog.EndError
	_ = errors.As(err, &end)
	return end.LSN
}

// unchecked tells whether byte i carries nothing: padding, an xlp_rem_len that nobody needs, or a flag for archivers.
func unchecked(b *xlogtest.Builder, i int) bool {
	where := i % 8192
	if where == 2 || where >= 16 && where < 24 {
		return true
	}
	at := b.Start().Add(i)
	for _, p := range b.Records() {
		if at >= p.Stop && at < p.End {
			return true
		}
	}
	return at >= b.Pos()
}
