// SPDX-License-Identifier: Apache-2.0

package rmgr_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// TestGreenplumStats compares the statistics of a recorded log with what Greenplum's pg_waldump printed.
func TestGreenplumStats(t *testing.T) {
	set := xlogtest.GreenplumRecording(t, "gp7dev-matrixdb5")
	r := xlog.NewReader(set.Config(t, set.Begin))
	var whole rmgr.Stats
	parts := [2]rmgr.Stats{}
	var body xlog.Body
	for {
		rec, err := r.Next()
		if errors.Is(err, xlog.ErrZeroed) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, whole.Add(rec, &body))
		part := &parts[0]
		if rec.LSN >= 0x18000000 {
			part = &parts[1]
		}
		require.NoError(t, rec.Decode(&body))
		part.AddDecoded(rec, &body)
	}
	parts[0].Merge(&parts[1])
	dec := rmgr.NewDecoder(set.Dialect)
	for _, perRecord := range []bool{false, true} {
		by := map[bool]string{false: "rmgr", true: "record"}[perRecord]
		want := set.Stats(t, by)
		require.Equal(t, string(want), string(whole.AppendText(nil, dec, perRecord)))
		require.Equal(t, string(want), string(parts[0].AppendText(nil, dec, perRecord)))
		t.Logf("by %s: %d lines equal", by, strings.Count(string(want), "\n"))
	}
	require.Equal(t, whole.Begin, parts[0].Begin)
	require.Equal(t, whole.End, parts[0].End)
}

// TestStatsText has numbers and lines that real logs seldom have.
func TestStatsText(t *testing.T) {
	dec := rmgr.NewDecoder(xlog.Postgres15)
	var empty rmgr.Stats
	require.Empty(t, empty.AppendText(nil, dec, false))
	require.Contains(t, string(empty.AppendText(nil, rmgr.NewDecoder(xlog.Postgres14), false)), "\nXLOG  ")

	var s rmgr.Stats
	var body xlog.Body
	s.AddDecoded(&xlog.Record{LSN: 0x28, End: 0x60,
		RecordHeader: xlog.RecordHeader{TotalLen: 50, Rmgr: 200, Info: 0x31}}, &body)
	s.AddDecoded(&xlog.Record{LSN: 0x60, End: 0x1_00000000,
		RecordHeader: xlog.RecordHeader{TotalLen: 150, Rmgr: rmgr.Transaction, Info: 0x80}}, &body)
	lines := strings.Split(string(s.AppendText(nil, dec, true)), "\n")
	require.Len(t, lines, 8)
	require.Equal(t, "WAL statistics between 0/28 and 1/0:", lines[0])
	require.Equal(t, "Transaction/COMMIT                             1 ( 50.00)                  150 ( 75.00)"+
		"                    0 (  0.00)                  150 ( 75.00)", lines[3])
	require.Equal(t, "custom200/UNKNOWN (30)                         1 ( 50.00)                   50 ( 25.00)"+
		"                    0 (  0.00)                   50 ( 25.00)", lines[4])
	require.Equal(t, "Total                                          2                           200 [100.00%]"+
		"                   0 [0.00%]                   200 [100%]", lines[6])
	require.Equal(t, uint64(1), s.Record(200, 0x3F).Records)
	require.Equal(t, uint64(200), s.Total().Bytes())
	require.Zero(t, testing.AllocsPerRun(10, func() { s.AddDecoded(&xlog.Record{}, &body) }))
}
