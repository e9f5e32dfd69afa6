// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// TestHashBuckets counts the buckets split point by split point.
func TestHashBuckets(t *testing.T) {
	total := uint32(1)
	for point := range uint32(hashSpares - 4) {
		if point > 0 {
			begin, step := total, total // of the present doubling
			if point >= hashOnePhase {
				begin = 1 << (hashOnePhase - 1 + (point-hashOnePhase)/hashPhases)
				step = begin / hashPhases
			}
			total += step
			require.Equal(t, point, hashSpareIndex(total-step+1), "the first bucket behind %d", begin)
		}
		require.Equal(t, total, hashTotalBuckets(point), "split point %d", point)
		require.Equal(t, point, hashSpareIndex(total))
	}
	for _, c := range []struct {
		tuples float64
		want   uint32
	}{{0, 2}, {20, 2}, {30, 4}, {5130, 640}, {1e30, 1 << 30}} {
		require.Equal(t, c.want, hashBuckets(c.tuples, 10), "%v tuples", c.tuples)
	}
}

func TestHashMetaSizes(t *testing.T) {
	for size := 1024; size <= bufpage.MaxPageSize; size *= 2 {
		page := make(bufpage.Page, size)
		require.NoError(t, initHashMeta(page, &rmgr.HashInitMetaPage{Tuples: 100, Proc: 400, FillFactor: 10}, 4))
		m, err := hashMetaOf(page)
		require.NoError(t, err)
		require.Equal(t, uint32(15), m.maxBucket())
		require.NoError(t, m.addBitmap(18))
		require.NoError(t, m.addSpares(2))
		require.Equal(t, size/2, int(m.u32(20)&0xFFFF), "bytes of a bitmap")
		for range page {
			err = m.addBitmap(1)
		}
		require.Error(t, err)
	}
}

// FuzzHashPages changes pages that hold anything.
func FuzzHashPages(f *testing.F) {
	d := xlog.Postgres18
	meta := make(bufpage.Page, d.BlockSize())
	require.NoError(f, initHashMeta(meta, &rmgr.HashInitMetaPage{FillFactor: 10}, 4))
	f.Add([]byte(meta), uint32(1), uint16(2))
	f.Fuzz(func(t *testing.T, content []byte, n uint32, a uint16) {
		r := testRedo(d)
		page := make(bufpage.Page, d.BlockSize())
		copy(page, content)
		_ = setHashBit(page, n, a > 0)
		if m, err := hashMetaOf(page); err == nil {
			_ = m.addBitmap(n)
			_ = m.addSpares(n)
			_ = growHashMeta(m, &rmgr.HashSplitAllocatePage{HasData: true, Flags: 3, OvflPoint: n})
		}
		_ = addHashTuples(page, &rmgr.HashMoved{HasData: true, NTuples: 1, Offsets: uint16s(a),
			Tuples: rmgr.IndexTuples(plainTuple(16, 1))})
		_ = r.hashRemove(page, uint16s(a, a+1), true)
		_ = initHashBitmap(page, int(a), 4)
		_ = initHashMeta(page, &rmgr.HashInitMetaPage{Tuples: float64(n), FillFactor: a}, 4)
	})
}

// TestHashNewBitmap adds the overflow page for which the bitmap pages have no room: a load for that would be gigabytes.
func TestHashNewBitmap(t *testing.T) {
	d := xlog.Postgres16
	r := storedRedo(t, d, false)
	meta := make(bufpage.Page, d.BlockSize())
	require.NoError(t, initHashMeta(meta, &rmgr.HashInitMetaPage{FillFactor: 10}, 4))
	storedPage(t, r, 0, meta)
	bucket := make(bufpage.Page, d.BlockSize())
	initHashPage(bucket, 1, 0, 2, 4)
	storedPage(t, r, 1, bucket)
	r.testRecord(0, mainBlock(0, 8, xlog.BlockWillInit), mainBlock(1, 1, 0), mainBlock(3, 9, xlog.BlockWillInit),
		mainBlock(4, 0, 0))
	require.NoError(t, r.hash(&rmgr.HashAddOvflPage{BitmapSize: 4096, HasFree: true, FirstFree: 5}))

	m, err := hashMetaOf(r.testPage(t, xlog.MainFork, 0))
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 9}, []uint32{m.u32(44), m.u32(hashMapsAt)}, "bitmap pages")
	require.Equal(t, uint32(3), m.u32(hashSparesAt+4), "overflow pages")
	require.Equal(t, uint32(5), m.u32(40), "first free")
	bitmap := r.testPage(t, xlog.MainFork, 9)
	require.Equal(t, bufpage.HeaderSize+4096, bitmap.Lower())
	require.Equal(t, byte(0xFF), bitmap[bitmap.Lower()-1])
	require.Equal(t, byte(0), bitmap[bitmap.Lower()])
	require.Equal(t, []byte{1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 1, 0, 0x80, 0xFF},
		r.testPage(t, xlog.MainFork, 8).Special())
	require.Equal(t, byte(8), r.testPage(t, xlog.MainFork, 1).Special()[4])
}

// TestHashSqueezeUnchanged frees a page that was empty.
func TestHashSqueezeUnchanged(t *testing.T) {
	for d, changed := range map[*xlog.Dialect]bool{xlog.Postgres16: true, xlog.Postgres17: false} {
		r := storedRedo(t, d, false)
		for block := range uint32(6) {
			page := make(bufpage.Page, d.BlockSize())
			initHashPage(page, 0, 0, 1, 4)
			storedPage(t, r, block, page)
		}
		r.testRecord(0, mainBlock(1, 1, 0), mainBlock(2, 2, 0), mainBlock(3, 3, 0), mainBlock(5, 5, 0))
		require.NoError(t, r.hash(&rmgr.HashSqueezePage{Next: 7, ToPrimary: true, HasBit: true}))
		require.Equal(t, changed, r.testPage(t, xlog.MainFork, 1).LSN() == r.lsn, "PostgreSQL %d", d.Base())
		require.Equal(t, byte(7), r.testPage(t, xlog.MainFork, 3).Special()[4])
	}
}
