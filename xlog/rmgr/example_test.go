// SPDX-License-Identifier: Apache-2.0

package rmgr_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// memory is a log of one segment: where a Writer writes, and what a Reader reads.
type memory struct {
	start xlog.LSN
	bytes []byte
}

func (m *memory) Write(_ xlog.LSN, p []byte) error {
	m.bytes = append(m.bytes, p...)
	return nil
}

func (m *memory) ReadAt(_ xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	from := min(lsn.Sub(m.start), int64(len(m.bytes)))
	if n := copy(p, m.bytes[from:]); n < len(p) {
		return n, io.EOF
	}
	return len(p), nil
}

// Records are written, read, and decoded into structs.
func Example() {
	d := xlog.Postgres15
	m := &memory{start: xlog.LSN(xlog.DefaultSegmentSize)}
	w, err := xlog.NewWriter(xlog.WriterConfig{Dialect: d, SystemID: 7, Timeline: 1, Start: m.start, Out: m})
	if err != nil {
		log.Fatal(err)
	}
	var rec xlog.RecordBuilder
	for xid := range uint32(3) {
		rec.Begin(rmgr.Transaction, rmgr.InfoXactCommit, 700+xid)
		rec.Data(binary.LittleEndian.AppendUint64(nil, 0)) // 2000-01-01
		if _, _, err := w.Insert(&rec); err != nil {
			log.Fatal(err)
		}
	}

	r := xlog.NewReader(xlog.ReaderConfig{Dialect: d, History: xlog.History{Timeline: 1}, Source: m, Start: m.start})
	dec := rmgr.NewDecoder(d)
	for rec, err := range dec.Records(context.Background(), r, rmgr.Filter{}) {
		if err != nil {
			break // an *xlog.EndError: the log ends here
		}
		payload, err := dec.Decode(rec)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: transaction %d, %T\n", rec.LSN, rec.XID, payload)
	}
	// Output:
	// 0/1000028: transaction 700, *rmgr.XactCommit
	// 0/1000050: transaction 701, *rmgr.XactCommit
	// 0/1000078: transaction 702, *rmgr.XactCommit
}
