// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// Of Cloudberry there is no recording. Here are records put together as its headers say: relations of 16 bytes that are
// aligned to 8, and kinds of records of its own.

type layout []byte

func (l layout) u8(v ...uint8) layout { return append(l, v...) }

func (l layout) u16(v ...uint16) layout {
	for _, x := range v {
		l = binary.LittleEndian.AppendUint16(l, x)
	}
	return l
}

func (l layout) u32(v ...uint32) layout {
	for _, x := range v {
		l = binary.LittleEndian.AppendUint32(l, x)
	}
	return l
}

func (l layout) u64(v ...uint64) layout {
	for _, x := range v {
		l = binary.LittleEndian.AppendUint64(l, x)
	}
	return l
}

func TestCloudberry(t *testing.T) {
	head := layout{}.u64(0).u32(0, 0) // time, tablespace to remove, padding
	for _, c := range []struct {
		name string
		rmgr xlog.RmgrID
		info uint8
		main layout
		text string
	}{
		{"commit with nothing", Transaction, 0x00, head.u32(0), "COMMIT 2000-01-01 00:00:00.000000 UTC"},
		{"commit with everything", Transaction, 0x00,
			layout{}.u64(0).u32(77, 0).
				u32(XactHasDatabase|XactHasSubxacts|XactHasRelations|XactHasInvalidations|XactHasDistributed|XactHasDatabases).
				u32(5, 1663).
				u32(1, 900).
				u32(2, 0).u32(1663, 5).u64(1<<33).u32(0, 0).u32(1663, 5).u64(17).u32(1, 1).
				u32(2, 0).u32(0xFD, 0, 1663, 5).u64(17).u32(0xFE, 5, 1259).u32(0, 0, 0).
				u32(1, 1700, 6).
				u64(1 << 40),
			"COMMIT 2000-01-01 00:00:00.000000 UTC; rels: base/5/8589934592 base/5/t_17; subxacts: 900; " +
				"inval msgs: smgr relcache 1259; deldbs: pg_tblspc/1700/GPDB_1_0/6; tablespace_oid_to_delete_on_commit: 77 " +
				"gxid = 1099511627776"},
		{"abort", Transaction, 0x20, head.u32(XactHasSubxacts).u32(1, 3),
			"ABORT 2000-01-01 00:00:00.000000 UTC; subxacts: 3"},
		{"invalidation", Transaction, 0x60, layout{}.u32(1, 0).u32(7, 5, 1).u32(0, 0, 0),
			"INVALIDATION ; inval msgs: catcache 7"},
		{"distributed commit", Transaction, 0x70, head.u32(XactHasDistributed).u64(9),
			"DISTRIBUTED_COMMIT distributed commit 2000-01-01 00:00:00.000000 UTC gxid = 9"},
		{"distributed forget", Transaction, 0x80, layout{}.u64(9), "DISTRIBUTED_FORGET distributed forget gxid = 9"},
		{"append-optimized insert", Appendonly, 0x00, layout{}.u32(1663, 5).u64(1<<33).u32(2, 0).u64(4096).u8(1, 2, 3),
			"APPENDONLY_INSERT insert: rel 1663/5/8589934592 seg/offset:2/4096 len:3"},
		{"bitmap word", Bitmap, 0x70, layout{}.u32(1663, 5).u64(17).u32(3, 4).u64(5, 6),
			"BITMAP_UPDATEWORD bm_blkno 3, bm_word_no 4, bm_cword 5, bm_hword 6, rel 1663/5/17"},
		{"new command id", Heap2, 0x70, layout{}.u32(1, 2, 3, 4).u32(1663, 5).u64(17).u16(1, 2, 3),
			"NEW_CID rel 1663/5/17; tid 65538/3; cmin: 2, cmax: 3, combo: 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dec := NewDecoder(xlog.CloudberryDB)
			dec.Location = time.UTC
			k := dec.kind(c.rmgr, c.info)
			require.NotNil(t, k)
			rec := &xlog.Record{RecordHeader: xlog.RecordHeader{Rmgr: c.rmgr, Info: c.info}}
			dec.in = input{Dialect: dec.Dialect, rec: rec, body: &dec.body, main: c.main}
			k.payload.decode(&dec.in)
			require.Empty(t, dec.in.err)
			require.Zero(t, dec.in.left())
			require.Equal(t, c.text, k.name+" "+string(k.payload.Describe(nil, &dec.Printing)))
		})
	}
}
