// SPDX-License-Identifier: Apache-2.0

package rmgr_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

var (
	relA = xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 100}
	relB = xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 200}
)

// exampleLog has records of two transactions, of which the second commits an hour after the first.
func exampleLog() *xlogtest.Builder {
	b := xlogtest.NewBuilder(xlog.Postgres15, xlog.DefaultSegmentSize, 0x3000000)
	touch := func(id xlog.RmgrID, xid uint32, rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32) {
		b.Insert(xlogtest.Record{Rmgr: id, XID: xid, Body: xlog.Body{
			Blocks: []xlog.BlockRef{{Rel: rel, Fork: fork, Block: block}}, Main: make([]byte, 3)}})
	}
	commit := func(xid uint32, at time.Time) {
		micros := at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds()
		b.Insert(xlogtest.Record{Rmgr: rmgr.Transaction, XID: xid, Body: xlog.Body{
			Main: binary.LittleEndian.AppendUint64(nil, uint64(micros))}})
	}
	touch(rmgr.Heap, 10, relA, xlog.MainFork, 0)
	touch(rmgr.Heap, 10, relB, xlog.MainFork, 1)
	touch(rmgr.Heap, 10, relA, xlog.VisibilityMapFork, 1)
	commit(10, noon)
	touch(rmgr.Btree, 11, relB, xlog.MainFork, 1)
	touch(rmgr.Heap, 11, relA, xlog.MainFork, 1)
	commit(11, noon.Add(time.Hour))
	touch(rmgr.Heap, 0, relA, xlog.MainFork, 2)
	return b
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func exampleReader(b *xlogtest.Builder) *xlog.Reader {
	return xlog.NewReader(xlog.ReaderConfig{
		Dialect: xlog.Postgres15, SegmentSize: xlog.DefaultSegmentSize, History: b.History(), Start: b.Start(),
		Source: b.Files().Source(xlog.DefaultSegmentSize),
	})
}

func TestRecords(t *testing.T) {
	b := exampleLog()
	at := func(i int) xlog.LSN { return b.Records()[i].LSN }
	vm, one := xlog.VisibilityMapFork, uint32(1)
	for _, c := range []struct {
		name   string
		filter rmgr.Filter
		want   []int
	}{
		{"everything", rmgr.Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"manager", rmgr.Filter{Rmgrs: []xlog.RmgrID{rmgr.Btree, rmgr.Transaction}}, []int{3, 4, 6}},
		{"no manager", rmgr.Filter{Rmgrs: []xlog.RmgrID{}}, nil},
		{"transaction", rmgr.Filter{XIDs: []uint32{11}}, []int{4, 5, 6}},
		{"no transaction", rmgr.Filter{XIDs: []uint32{0}}, []int{7}},
		{"positions", rmgr.Filter{Begin: at(2), End: at(4)}, []int{2, 3}},
		{"relation", rmgr.Filter{Relation: &relB}, []int{1, 4}},
		{"relation and manager", rmgr.Filter{Relation: &relB, Rmgrs: []xlog.RmgrID{rmgr.Heap}}, []int{1}},
		{"fork", rmgr.Filter{Fork: &vm}, []int{2}},
		{"block", rmgr.Filter{Block: &one, Relation: &relA}, []int{2, 5}},
		{"images", rmgr.Filter{FullPage: true}, nil},
		{"since", rmgr.Filter{Since: noon.Add(time.Minute)}, []int{6, 7}},
		{"until", rmgr.Filter{Until: noon.Add(time.Minute)}, []int{0, 1, 2, 3, 4, 5}},
		{"since and until", rmgr.Filter{Since: noon, Until: noon}, []int{3, 4, 5}},
	} {
		var want, got []xlog.LSN
		for _, i := range c.want {
			want = append(want, at(i))
		}
		for rec, err := range rmgr.NewDecoder(xlog.Postgres15).Records(t.Context(), exampleReader(b), c.filter) {
			if err != nil {
				require.ErrorIs(t, err, xlog.ErrZeroed, c.name)
				break
			}
			got = append(got, rec.LSN)
		}
		require.Equal(t, want, got, c.name)
	}
}

func TestFilterAll(t *testing.T) {
	fork, block := xlog.MainFork, uint32(0)
	for _, f := range []rmgr.Filter{{}, {Since: noon}, {Until: noon}} {
		require.True(t, f.All(), f)
	}
	for _, f := range []rmgr.Filter{
		{Rmgrs: []xlog.RmgrID{}}, {XIDs: []uint32{}}, {Begin: 1}, {End: 1}, {Relation: &relA}, {Fork: &fork}, {Block: &block},
		{FullPage: true},
	} {
		require.False(t, f.All(), f)
	}
}

func TestRecordsEnds(t *testing.T) {
	b, dec := exampleLog(), rmgr.NewDecoder(xlog.Postgres15)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range dec.Records(ctx, exampleReader(b), rmgr.Filter{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
	n := 0
	for range dec.Records(t.Context(), exampleReader(b), rmgr.Filter{}) {
		if n++; n == 2 {
			break
		}
	}
	require.Equal(t, 2, n)
}

func TestMatchAllocates(t *testing.T) {
	var body xlog.Body
	r := exampleReader(exampleLog())
	rec, err := r.Next()
	require.NoError(t, err)
	f := rmgr.Filter{Relation: &relA, Rmgrs: []xlog.RmgrID{rmgr.Heap}, XIDs: []uint32{10}}
	_, _ = f.Match(rec, &body)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if ok, err := f.Match(rec, &body); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}))
}

// What touched a relation, and which transactions wrote it.
func ExampleDecoder_Records() {
	log := exampleLog()
	r := xlog.NewReader(xlog.ReaderConfig{
		Dialect: xlog.Postgres15, History: xlog.History{Timeline: 1}, Start: log.Start(),
		Source: log.Files().Source(xlog.DefaultSegmentSize), // of a server: xlog.NewDirSource(".../pg_wal", size)
	})
	dec := rmgr.NewDecoder(xlog.Postgres15)
	filter := rmgr.Filter{Relation: &xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 200}}
	for rec, err := range dec.Records(context.Background(), r, filter) {
		if errors.Is(err, xlog.ErrZeroed) {
			break // the end of the log
		} else if err != nil {
			fmt.Println(err)
			break
		}
		for _, b := range dec.Body().Blocks {
			fmt.Println(rec.LSN, dec.RmgrName(rec.Rmgr), "transaction", rec.XID, "block", b.Block)
		}
	}
	// Output:
	// 0/3000060 Heap transaction 10 block 1
	// 0/30000F8 Btree transaction 11 block 1
}
