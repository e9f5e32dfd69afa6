// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
)

// TestBatch requires of a Batch what a Decoder says of each record alone, also of records that are cut off.
func TestBatch(t *testing.T) {
	pgserver.Require(t, 15)
	load := walload.Run(t, walload.Options{Major: 15, Parts: []string{"heap", "index", "system"}})
	load.SQL(t, "CHECKPOINT") // the last transactions did not wait for the log
	var all []xlog.Record
	seen := 0
	records(t, load, func(rec *xlog.Record) {
		if seen++; len(all) >= 1<<12 && seen%16 != 0 {
			return
		}
		all = append(all, *rec.Clone())
		if cut := rec.Clone(); len(all)%7 == 0 && len(cut.Raw) > xlog.RecordHeaderSize+8 {
			cut.Raw = cut.Raw[:len(cut.Raw)-1-len(all)%8]
			all = append(all, *cut)
		}
	})
	b, dec, wrong := NewBatch(load.Dialect), NewDecoder(load.Dialect), 0
	for n := 1; n < 2*len(all); n *= 40 {
		for rest := all; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			part := rest[:min(n, len(rest))]
			b.Decode(part)
			require.Len(t, b.Records, len(part))
			for i := range part {
				payload, err := dec.Decode(&part[i])
				require.Equal(t, err, b.Records[i].Err)
				require.Equal(t, payload, b.Records[i].Payload)
				if err != nil {
					wrong++
					continue
				}
				want, got := *dec.Body(), b.Records[i].Body
				require.True(t, slices.EqualFunc(want.Blocks, got.Blocks, func(a, b xlog.BlockRef) bool {
					return reflect.DeepEqual(a, b)
				}))
				require.Equal(t, want.Main, got.Main)
				require.Equal(t, want.Origin, got.Origin)
				require.Equal(t, want.TopXID, got.TopXID)
			}
		}
	}
	require.Greater(t, len(all), 1000)
	require.Greater(t, wrong, 100)
	t.Logf("%d records", len(all))
}

// TestBatchAllocatesNothing decodes the same records again and again.
func TestBatchAllocatesNothing(t *testing.T) {
	pgserver.Require(t, 15)
	load := walload.Run(t, walload.Options{Major: 15, Parts: []string{"heap", "index"}})
	load.SQL(t, "CHECKPOINT")
	var all []xlog.Record
	records(t, load, func(rec *xlog.Record) {
		if len(all) < keepPayloads/2 {
			all = append(all, *rec.Clone())
		}
	})
	b := NewBatch(load.Dialect)
	b.Decode(all)
	require.Zero(t, testing.AllocsPerRun(5, func() { b.Decode(all) }))
}
