// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// TestGreenplumWaldump walks over every recorded log and compares each record with the server's own pg_waldump.
func TestGreenplumWaldump(t *testing.T) {
	for _, set := range xlogtest.GreenplumRecordings(t) {
		t.Run(set.Name, func(t *testing.T) {
			cfg := set.Config(t, set.Begin)
			sum, err := compareWaldump(t, xlog.NewReader(cfg), bytes.NewReader(set.Text(t)), set.Omitted)
			requireEnd(t, err, xlog.ErrZeroed, set.End)
			require.Equal(t, set.End, sum.last)
			require.Greater(t, sum.records, 6000)
			t.Logf("%d records, %d blocks, %d bytes of images: each equal to pg_waldump's", sum.records, sum.blocks, sum.images)
			if set.DetailsBegin != 0 {
				cfg.Start = set.DetailsBegin
				sum = compareDetails(t, xlog.NewReader(cfg), bytes.NewReader(set.Details(t)))
				require.Greater(t, sum.blocks, 1000)
				t.Logf("%d block references of %d records equal to --bkp-details", sum.blocks, sum.records)
			}
		})
	}
}

// TestGreenplumVerifier passes a recorded log through a Verifier in pieces as Greenplum's walsender makes them.
func TestGreenplumVerifier(t *testing.T) {
	set := xlogtest.GreenplumRecording(t, "gp7dev-matrixdb5")
	cfg := set.Config(t, set.Begin)
	v := xlog.NewVerifier(xlog.ReaderConfig{Dialect: cfg.Dialect, History: cfg.History})
	size := xlog.GreenplumSegmentSize
	for lsn := set.Begin; lsn < set.End; lsn += 512 << 10 {
		data := make([]byte, min(512<<10, int(set.End-lsn)))
		_, err := cfg.Source.ReadAt(1, data, lsn)
		require.NoError(t, err)
		end, err := v.Verify(lsn, data)
		require.NoError(t, err)
		require.LessOrEqual(t, end, (lsn+512<<10+xlog.LSN(size)-1)&^xlog.LSN(size-1), "a switch may lead to the segment's end")
	}
	require.Equal(t, set.End, v.End())
}
