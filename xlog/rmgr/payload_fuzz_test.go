// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// fuzzPayloads decodes and describes any bytes as records of a resource manager, in every dialect that has it. The
// seeds are in testdata/fuzz: real records.
func fuzzPayloads(f *testing.F, id xlog.RmgrID) {
	var decoders []*Decoder
	for _, d := range xlog.Dialects() {
		if d.ValidRmgr(id) {
			dec := NewDecoder(d)
			dec.Location = time.UTC
			decoders = append(decoders, dec)
		}
	}
	f.Add(uint8(0), []byte{}, []byte{}, []byte{})
	var text []byte
	f.Fuzz(func(t *testing.T, info uint8, main, block0, block1 []byte) {
		for _, dec := range decoders {
			k := dec.kind(id, info&^xlog.XLRInfoMask)
			if k == nil {
				continue
			}
			rec := &xlog.Record{RecordHeader: xlog.RecordHeader{Rmgr: id, Info: info}}
			dec.body = xlog.Body{Main: main, Blocks: []xlog.BlockRef{{ID: 0, Data: block0}, {ID: 1, Data: block1}}}
			dec.in = input{Dialect: dec.Dialect, rec: rec, body: &dec.body, main: main}
			k.payload.decode(&dec.in)
			if dec.in.off > len(main) {
				t.Fatalf("%s: read beyond the end", dec.Dialect)
			}
			if dec.in.err == "" {
				text = k.payload.Describe(text[:0], &dec.Printing)
				walkItems(k.payload)
			}
		}
	})
}

// walkItems looks at what a payload has that its description does not.
func walkItems(p Payload) {
	switch p := p.(type) {
	case *HeapMultiInsert:
		tuples := p.Tuples
		for _, ok := tuples.Next(); ok; _, ok = tuples.Next() {
		}
	case *HeapFreezePage:
		for i := range p.Tuples.Len() {
			p.Tuples.At(i)
		}
		p.Plans.Each(func(FreezePlan) {})
	case *HeapPrune:
		for i := range p.Redirected.Len() {
			p.Redirected.At(i)
		}
	case *XactPrepare:
		for _, rest, ok := p.States.Next(); ok; _, rest, ok = rest.Next() {
		}
		walkDropped(p.CommitRelations, p.CommitStats, p.CommitDatabases)
		walkDropped(p.AbortRelations, p.AbortStats, p.AbortDatabases)
		walkInvalidations(p.Invalidations)
	case *XactDistributedCommit:
		walkDropped(p.Relations, p.DroppedStats, p.Databases)
		walkInvalidations(p.Invalidations)
	}
}

func walkDropped(rels PendingDeletes, stats DroppedStats, dirs DatabaseDirs) {
	for i := range rels.Len() {
		rels.At(i)
	}
	for i := range stats.Len() {
		stats.At(i)
	}
	for i := range dirs.Len() {
		dirs.At(i)
	}
}

func walkInvalidations(msgs Invalidations) {
	for i := range msgs.Len() {
		msgs.At(i)
	}
}

func FuzzHeap(f *testing.F)           { fuzzPayloads(f, Heap) }
func FuzzHeap2(f *testing.F)          { fuzzPayloads(f, Heap2) }
func FuzzTransaction(f *testing.F)    { fuzzPayloads(f, Transaction) }
func FuzzBitmap(f *testing.F)         { fuzzPayloads(f, Bitmap) }
func FuzzDistributedLog(f *testing.F) { fuzzPayloads(f, DistributedLog) }
func FuzzAppendonly(f *testing.F)     { fuzzPayloads(f, Appendonly) }
