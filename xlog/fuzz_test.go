// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// tiny is a dialect with the smallest pages, so that a short input has many.
func tiny(t testing.TB, i int) *xlog.Dialect {
	all := xlog.Dialects()
	d, err := all[i%len(all)].WithBlockSizes(8192, 1024)
	require.NoError(t, err)
	return d
}

// FuzzReader reads any bytes as a log, from a source and fed in pieces. Both must see the same records, every record
// must lie within the bytes, and the answer is one of the four.
func FuzzReader(f *testing.F) {
	const pg15, greenplum7 = 3, 7
	start := func(i int) *xlogtest.Builder { return xlogtest.NewBuilder(tiny(f, i), mib, logStart) }
	add := func(i int, piece uint16, b *xlogtest.Builder, n int) { f.Add(uint8(i), piece, b.Bytes()[:n]) }

	plain := start(pg15)
	plain.Noop(100)
	plain.FillTo(16)
	plain.Noop(300)
	plain.Noop(2500)
	plain.FillTo(0)
	plain.Noop(40)
	add(pg15, 100, plain, len(plain.Bytes()))
	add(pg15, 1, plain, 2000)
	over := start(pg15)
	over.FillTo(16)
	over.Lose(3000)
	over.Overwrite()
	over.Noop(50)
	add(pg15, 500, over, len(over.Bytes()))
	switched := start(greenplum7)
	switched.FillTo(24)
	switched.Switch()
	add(greenplum7, 1024, switched, 3000)

	f.Fuzz(func(t *testing.T, dialect uint8, piece uint16, data []byte) {
		data = data[:min(len(data), mib)]
		cfg := xlog.ReaderConfig{
			Dialect: tiny(t, int(dialect)), SegmentSize: mib, History: xlog.History{Timeline: 1}, Start: logStart,
			Source: xlogtest.Files{mibName(1): data}.Source(mib), BufferSize: 4096,
		}
		read := fuzzWalk(t, xlog.NewReader(cfg), len(data))
		cfg.Source = nil
		r := xlog.NewReader(cfg)
		var fed []xlog.LSN
		for lsn := logStart; len(data) > 0 && r.Feed(lsn, data[:min(len(data), int(piece)+1)]) == nil; {
			n := min(len(data), int(piece)+1)
			fed = append(fed, fuzzWalk(t, r, mib)...)
			data, lsn = data[n:], lsn.Add(n)
		}
		require.Equal(t, read, fed)
	})
}

// fuzzWalk reads to the end and returns where the records are.
func fuzzWalk(t *testing.T, r *xlog.Reader, size int) []xlog.LSN {
	var list []xlog.LSN
	var body xlog.Body
	for {
		rec, err := r.Next()
		if err != nil {
			var end *xlog.EndError
			require.True(t, errors.Is(err, xlog.ErrNeedMore) || errors.As(err, &end) && end.Kind != xlog.ErrIO, "%v", err)
			return list
		}
		require.LessOrEqual(t, rec.LSN.Add(len(rec.Raw)), logStart.Add(size))
		require.Greater(t, rec.End, rec.LSN)
		_ = rec.Decode(&body)
		list = append(list, rec.LSN)
	}
}
