// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// allocated is how many bytes f takes from the heap.
func allocated(f func()) uint64 {
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	f()
	runtime.ReadMemStats(&b)
	return b.TotalAlloc - a.TotalAlloc
}

// In the steady state a record costs no allocation: read from a source, decoded, or passing a Verifier.
func TestNoAllocationPerRecord(t *testing.T) {
	b := builder(mib)
	varied(b, 20000, 30)
	r := xlog.NewReader(config(b))
	var body xlog.Body
	for range 2000 {
		_, err := r.Next()
		require.NoError(t, err)
	}
	require.Zero(t, testing.AllocsPerRun(10000, func() {
		rec, err := r.Next()
		if err != nil || rec.Decode(&body) != nil {
			t.Fatal(err)
		}
	}))

	cfg := config(b)
	v := xlog.NewVerifier(cfg)
	data, lsn := b.Bytes(), b.Start()
	feed := func() {
		n := min(len(data), 10007)
		if _, err := v.Verify(lsn, data[:n]); err != nil {
			t.Fatal(err)
		}
		data, lsn = data[n:], lsn.Add(n)
	}
	for range 200 {
		feed()
	}
	require.Zero(t, testing.AllocsPerRun(1000, feed))
	require.NotEmpty(t, data)
}

func TestVerifier(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 300, 31)
	cfg := config(b)
	v := xlog.NewVerifier(cfg)
	data := append([]byte(nil), b.Bytes()...)
	for off := 0; off < len(data); off += 777 {
		end := min(off+777, len(data))
		got, err := v.Verify(b.Start().Add(off), data[off:end])
		require.NoError(t, err)
		require.Equal(t, goodEnd(b.Records(), b.Start().Add(end), b.Start()), got)
		require.Equal(t, got, v.End())
	}
	rec := b.Records()[100]
	for _, change := range []func(p []byte){
		func(p []byte) { p[rec.LSN-b.Start()+10] ^= 1 },
		func(p []byte) { clear(p[rec.LSN-b.Start() : rec.Stop-b.Start()]) },
		func(p []byte) { clear(p[rec.LSN-b.Start():]) },
	} {
		bad := append([]byte(nil), data...)
		change(bad)
		v.Reset(cfg.History)
		got, err := v.Verify(b.Start(), bad)
		require.Equal(t, rec.LSN, got)
		requireEnd(t, err, xlog.ErrCorrupt, rec.LSN)
		_, again := v.Verify(b.Pos(), nil)
		require.True(t, errors.Is(again, xlog.ErrCorrupt), "the answer stays")
	}
}

// The first segment of a new timeline begins with pages of the old one, whether the history is known or not.
func TestVerifierAfterPromotion(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 50, 32)
	b.Promote(2, nil)
	varied(b, 50, 33)
	cfg := config(b)
	v := xlog.NewVerifier(cfg)
	for _, h := range []xlog.History{b.History(), {Timeline: 2}, {}} {
		v.Reset(h)
		end, err := v.Verify(b.Start(), b.Bytes())
		require.NoError(t, err)
		require.Equal(t, b.Pos(), end)
	}
	v.Reset(xlog.History{Timeline: 1})
	_, err := v.Verify(b.Start(), b.Bytes())
	require.ErrorIs(t, err, xlog.ErrCorrupt)
}
