// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func shortHeader() xlog.PageHeader {
	return xlog.PageHeader{Magic: 0xD110, Info: xlog.XLPFirstIsContrecord, Timeline: 3, Address: 0x2002000, Remaining: 77}
}

func longHeader() xlog.PageHeader {
	return xlog.PageHeader{
		Magic: 0xD110, Info: xlog.XLPLongHeader | xlog.XLPBkpRemovable, Timeline: 3, Address: 0x2000000,
		SystemID: 7123456789012345678, SegmentSize: 16 * mib, BlockSize: 8192,
	}
}

func TestPageHeaderBytes(t *testing.T) {
	t.Parallel()
	for size, h := range map[int]xlog.PageHeader{24: shortHeader(), 40: longHeader()} {
		raw := h.Append(nil)
		require.Len(t, raw, size)
		require.Equal(t, size, h.Size())
		for n := range raw {
			require.ErrorIs(t, new(xlog.PageHeader).Decode(raw[:n]), xlog.ErrShort)
		}
		var back xlog.PageHeader
		require.NoError(t, back.Decode(append(raw, 0xFF)))
		require.Equal(t, h, back)
	}
	long := longHeader()
	require.Equal(t, []byte{
		0x10, 0xD1, 0x06, 0, 3, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x4e, 0xf3, 0xec, 0x39, 0x35, 0x9a, 0xdb, 0x62, 0, 0, 0, 1, 0, 0x20, 0, 0,
	}, long.Append(nil))
}

func TestPageHeaderValidate(t *testing.T) {
	t.Parallel()
	ok := func(h xlog.PageHeader, lsn xlog.LSN) error {
		return h.Validate(xlog.Postgres15, 16*mib, 7123456789012345678, lsn)
	}
	short, long := shortHeader(), longHeader()
	require.NoError(t, ok(short, short.Address))
	require.NoError(t, ok(long, long.Address))
	require.NoError(t, long.Validate(xlog.Postgres15, 16*mib, 0, long.Address))
	for say, change := range map[string]func(h *xlog.PageHeader){
		"invalid magic number D106":                  func(h *xlog.PageHeader) { h.Magic = 0xD106 },
		"invalid info bits 0012":                     func(h *xlog.PageHeader) { h.Info = 0x12 },
		"different database system":                  func(h *xlog.PageHeader) { h.SystemID++ },
		"incorrect segment size 1048576":             func(h *xlog.PageHeader) { h.SegmentSize = mib },
		"incorrect XLOG_BLCKSZ 4096":                 func(h *xlog.PageHeader) { h.BlockSize = 4096 },
		"a segment must have a long header":          func(h *xlog.PageHeader) { h.Info = 0 },
		"unexpected pageaddr 0/1000000":              func(h *xlog.PageHeader) { h.Address = 0x1000000 },
		"invalid info bits 8002":                     func(h *xlog.PageHeader) { h.Info = 0x8002 },
		"different database system: 1 instead of 71": func(h *xlog.PageHeader) { h.SystemID = 1 },
	} {
		h := long
		change(&h)
		require.ErrorContains(t, ok(h, long.Address), say)
	}
}

// Each of the flags is legal in every dialect, but the last in the old Greenplum build.
func TestPageHeaderFlags(t *testing.T) {
	t.Parallel()
	for _, d := range xlog.Dialects() {
		for bit := range 16 {
			h := xlog.PageHeader{
				Magic: d.PageMagic(), Info: 1<<bit | xlog.XLPLongHeader, Timeline: 1, Address: 64 * mib,
				SegmentSize: 64 * mib, BlockSize: uint32(d.WALBlockSize()),
			}
			legal := bit < 4 && (bit < 3 || d != xlog.Greenplum7Dev)
			require.Equal(t, legal, h.Validate(d, 64*mib, 0, 64*mib) == nil, "%s %#x", d, h.Info)
		}
	}
}

func FuzzPageHeader(f *testing.F) {
	short, long := shortHeader(), longHeader()
	f.Add(short.Append(nil))
	f.Add(long.Append(nil))
	f.Add(long.Append(nil)[:30])
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h xlog.PageHeader
		if h.Decode(raw) != nil {
			require.Less(t, len(raw), xlog.LongPageHeaderSize)
			return
		}
		again := h.Append(nil)
		var back xlog.PageHeader
		require.NoError(t, back.Decode(again))
		require.Equal(t, h, back)
		for _, d := range xlog.Dialects() {
			if h.Validate(d, d.SegmentSize(), 0, h.Address) == nil {
				require.Equal(t, d.PageMagic(), h.Magic)
			}
		}
	})
}
