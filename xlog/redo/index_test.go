// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// anyRecord is a record of the dialect, to which setRecord gives what it says.
func anyRecord(t testing.TB, d *xlog.Dialect) *xlog.Record {
	b := xlogtest.NewBuilder(d, d.SegmentSize(), xlog.LSN(d.SegmentSize()))
	b.Noop(8)
	rec, err := xlog.NewReader(xlog.ReaderConfig{
		Dialect: d, History: b.History(), Start: b.Start(), Source: b.Files().Source(b.Size),
	}).Next()
	require.NoError(t, err)
	return rec.Clone()
}

func setRecord(rec *xlog.Record, id xlog.RmgrID, info uint8, main []byte, blocks []xlog.BlockRef) {
	rec.Rmgr, rec.Info = id, info
	head := make([]byte, xlog.RecordHeaderSize)
	rec.Raw = (&xlog.Body{Main: main, Blocks: blocks}).Append(rec.Dialect(), head)
}

// decodeRecord makes a record the one that is redone now, and gives its payload.
func decodeRecord(
	t testing.TB, r *Redo, id xlog.RmgrID, info uint8, main []byte, blocks ...xlog.BlockRef,
) rmgr.Payload {
	rec := anyRecord(t, r.dialect)
	setRecord(rec, id, info, main, blocks)
	p, err := r.decoder.Decode(rec)
	require.NoError(t, err)
	r.store.Begin()
	r.lsn += 100
	r.rec, r.body = rec, r.decoder.Body()
	return p
}

// fuzzIndex redoes records that say anything, on pages that hold anything: that must end, if not well.
func fuzzIndex(f *testing.F, d *xlog.Dialect, id xlog.RmgrID, pages ...bufpage.Page) {
	r, rec := storedRedo(f, d, false), anyRecord(f, d)
	for _, page := range pages {
		for info := range 16 {
			f.Add(uint8(info<<4), []byte(page), make([]byte, 64), make([]byte, 32), uint8(info))
		}
	}
	f.Fuzz(func(t *testing.T, info uint8, content, main, data []byte, anew uint8) {
		var blocks []xlog.BlockRef
		for id := range uint8(4) {
			page := make(bufpage.Page, d.BlockSize())
			copy(page, content)
			storedPage(t, r, uint32(id), page)
			flags := anew >> id & 1 * xlog.BlockWillInit
			if anew>>(id+4)&1 == 0 {
				blocks = append(blocks, xlog.BlockRef{ID: id, Rel: testRel, Block: uint32(id), Flags: flags, Data: data})
			}
		}
		setRecord(rec, id, info&0xF0, main, blocks)
		p, err := r.decoder.Decode(rec)
		if err != nil {
			return
		}
		r.store.Begin()
		r.rec, r.lsn, r.body = rec, 1<<63, r.decoder.Body()
		_ = table[id](r, p)
	})
}
