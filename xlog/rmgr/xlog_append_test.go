// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// What Append writes is what decode reads, in every dialect.
func TestAppendTimelineRecords(t *testing.T) {
	for _, d := range xlog.Dialects() {
		t.Run(d.Name(), func(t *testing.T) {
			checkpoint := CheckPoint{
				Shutdown: true, Redo: 0x3000028, ThisTimeLineID: 3, PrevTimeLineID: 2, FullPageWrites: true,
				NextXID: 1<<32 | 77, NextOID: 88, NextMulti: 9, NextMultiOffset: 10, OldestXID: 11, OldestXIDDB: 12,
				OldestMulti: 13, OldestMultiDB: 14, Time: 15, OldestCommitTsXID: 16, NewestCommitTsXID: 17,
				OldestActiveXID: 18,
			}
			end := EndOfRecovery{Time: 19, ThisTimeLineID: 3, PrevTimeLineID: 2}
			if d.LogsWALLevel() {
				checkpoint.WALLevel, end.WALLevel = 2, 2
			}
			if d.CountsRelNumbers() {
				checkpoint.NextRelfilenode = 20
				checkpoint.Distributed.Add(d, 21, []byte("1700000000-0000000021"))
				checkpoint.Distributed.Add(d, 22, []byte("1700000000-0000000022"))
			}
			if d.WideGxid() {
				checkpoint.NextGxid = 23
			}
			main := checkpoint.Append(d, nil)
			checkpoint.Distributed.main = 0
			got := decodeAppended(t, d, InfoCheckPointShutdown, main).(*CheckPoint)
			got.Distributed.main = 0
			require.Equal(t, &checkpoint, got)
			require.Equal(t, &end, decodeAppended(t, d, InfoEndOfRecovery, end.Append(d, nil)))
		})
	}
}

func decodeAppended(t *testing.T, d *xlog.Dialect, info uint8, main []byte) Payload {
	b := xlogtest.NewBuilder(d, d.SegmentSize(), xlog.LSN(d.SegmentSize()))
	b.Insert(xlogtest.Record{Rmgr: XLOG, Info: info, Body: xlog.Body{Main: main}})
	rec, err := xlog.NewReader(xlog.ReaderConfig{
		Dialect: d, History: b.History(), Start: b.Start(), Source: b.Files().Source(b.Size),
	}).Next()
	require.NoError(t, err)
	p, err := NewDecoder(d).Decode(rec)
	require.NoError(t, err)
	return p
}

// What Greenplum coordinators wrote is written again to the byte.
func TestAppendRecordedTimelineRecords(t *testing.T) {
	for _, set := range xlogtest.GreenplumRecordings(t) {
		t.Run(set.Name, func(t *testing.T) {
			r, d, checked := xlog.NewReader(set.Config(t, set.Begin)), NewDecoder(set.Dialect), 0
			for rec, err := r.Next(); err == nil; rec, err = r.Next() {
				if rec.Rmgr != XLOG {
					continue
				}
				p, err := d.Decode(rec)
				require.NoError(t, err)
				var main []byte
				switch p := p.(type) {
				case *CheckPoint:
					main = p.Append(set.Dialect, nil)
				case *EndOfRecovery:
					main = p.Append(set.Dialect, nil)
				default:
					continue
				}
				checked++
				require.Equal(t, d.Body().Main, main, "%s", rec.LSN)
			}
			require.NotZero(t, checked)
			t.Logf("%d checkpoints and ends of recovery", checked)
		})
	}
}
