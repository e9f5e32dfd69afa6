// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// allSegmentSizes are the eleven sizes that initdb accepts.
func allSegmentSizes() []xlog.SegmentSize {
	var list []xlog.SegmentSize
	for s := xlog.MinSegmentSize; s <= xlog.MaxSegmentSize; s *= 2 {
		list = append(list, s)
	}
	return list
}

func TestSegmentSizeValidate(t *testing.T) {
	t.Parallel()
	require.Len(t, allSegmentSizes(), 11)
	for _, s := range allSegmentSizes() {
		require.NoError(t, s.Validate())
	}
	for _, s := range []xlog.SegmentSize{0, 1, 512 << 10, mib + 1, 3 * mib, 2 << 30, math.MaxUint32} {
		require.ErrorIs(t, s.Validate(), xlog.ErrSegmentSize, "%d", s)
	}
}

// Names as pg_walfile_name gives them.
func TestSegmentName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size xlog.SegmentSize
		tli  xlog.TimelineID
		lsn  xlog.LSN
		name string
	}{
		{16 * mib, 1, 0x1000028, "000000010000000000000001"},
		{16 * mib, 1, 0xFFFFFFFF, "0000000100000000000000FF"},
		{16 * mib, 10, 0x1_00000000, "0000000A0000000100000000"},
		{64 * mib, 1, 0x0C000000, "000000010000000000000003"},
		{64 * mib, 2, 0x1_FFFFFFFF, "00000002000000010000003F"},
		{mib, 1, 0xFFFFFFFF, "000000010000000000000FFF"},
		{1 << 30, 1, 0x7_C0000000, "000000010000000700000003"},
		{16 * mib, math.MaxUint32, math.MaxUint64, "FFFFFFFFFFFFFFFF000000FF"},
	} {
		require.Equal(t, c.name, c.size.Name(c.tli, c.size.Number(c.lsn)))
		tli, n, err := c.size.ParseName(c.name)
		require.NoError(t, err)
		require.Equal(t, c.tli, tli)
		require.Equal(t, c.size.Number(c.lsn), n)
	}
}

func TestSegmentPositions(t *testing.T) {
	t.Parallel()
	for _, s := range allSegmentSizes() {
		for _, l := range []xlog.LSN{0, 1, xlog.LSN(s) - 1, xlog.LSN(s), 0xFFFFFFFF, 1 << 32, 0x123456789ABCDEF0, math.MaxUint64} {
			require.Equal(t, l, s.Start(s.Number(l))+xlog.LSN(s.Offset(l)))
			require.Equal(t, s.Start(s.Number(l)), s.RoundDown(l))
			if s.Number(l) > 0 {
				_, n, err := s.ParseName(s.Name(3, s.Number(l)))
				require.NoError(t, err)
				require.Equal(t, s.Number(l), n)
			}
		}
	}
}

func TestParseSegmentNameStrict(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "00000001000000000000000", "0000000100000000000000011", "00000001000000000000000g", "00000001000000000000000a",
		"000000010000000000000001.partial", "000000010000000000000100", "000000000000000000000001", "00000002.history",
		"0000000100000000 0000001", "+00000010000000000000001",
	} {
		_, _, err := xlog.DefaultSegmentSize.ParseName(name)
		require.ErrorIs(t, err, xlog.ErrSegmentName, "%q", name)
	}
}

func TestFileKinds(t *testing.T) {
	t.Parallel()
	const complete, partial, history, none = "complete", "partial", "history", ""
	for name, want := range map[string]string{
		"000000010000000000000001":                 complete,
		"FFFFFFFFFFFFFFFFFFFFFFFF":                 complete,
		"000000010000000000000001.partial":         partial,
		"00000002.history":                         history,
		"00000002.HISTORY":                         none,
		"0000002.history":                          none,
		"0000000a.history":                         none,
		"000000010000000000000001.partial.partial": none,
		"000000010000000000000001.gz":              none,
		"000000010000000000000001.00000028.backup": none,
		"archive_status":                           none,
		".partial":                                 none,
		".history":                                 none,
	} {
		require.Equal(t, want == complete, xlog.IsSegmentName(name), name)
		require.Equal(t, want == partial, xlog.IsPartialSegmentName(name), name)
		require.Equal(t, want == history, xlog.IsHistoryName(name), name)
	}
}

func FuzzParseSegmentName(f *testing.F) {
	f.Add("000000010000000000000001", uint8(4))
	f.Add("0000000A000000FF000000FF", uint8(0))
	f.Add("00000001000000000000000g", uint8(10))
	f.Fuzz(func(t *testing.T, name string, shift uint8) {
		size := xlog.MinSegmentSize << (shift % 11)
		tli, n, err := size.ParseName(name)
		if err == nil {
			require.Equal(t, name, size.Name(tli, n))
		}
	})
}
