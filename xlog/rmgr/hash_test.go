// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func FuzzHash(f *testing.F) { fuzzIndex(f, Hash) }

func TestHashSqueezePage(t *testing.T) {
	main := le(uint32(3), uint32(0xFFFFFFFF), uint16(2), true, true)
	p, text := decodeParts(t, xlog.Postgres15, Hash, 0x80, main,
		block(1, le(uint16(10), uint16(11)), itup(16), itup(24)), block(5, le(uint32(6))), block(6, le(uint32(2))))
	require.Equal(t, &HashSqueezePage{
		Prev: 3, Next: 0xFFFFFFFF, ToPrimary: true, ToPrevious: true, HasBit: true, Bit: 6, HasFree: true, FirstFree: 2,
		HashMoved: HashMoved{NTuples: 2, HasData: true, Offsets: Uint16s(le(uint16(10), uint16(11))),
			Tuples: append(itup(16), itup(24)...)},
	}, p)
	require.Equal(t, "prevblkno 3, nextblkno 4294967295, ntups 2, is_primary T", text)
}

func TestHashSplitAllocatePage(t *testing.T) {
	main := le(uint32(9), uint16(1), uint16(2), uint8(3))
	p, _ := decodeParts(t, xlog.Postgres18, Hash, 0x40, main,
		block(2, le(uint32(7), uint32(15), uint32(4), uint32(1))))
	require.Equal(t, &HashSplitAllocatePage{NewBucket: 9, OldFlag: 1, NewFlag: 2, Flags: 3, HasData: true,
		LowMask: 7, HighMask: 15, OvflPoint: 4, OvflPages: 1}, p)
}

func TestHashTexts(t *testing.T) {
	old := le(uint32(500), int32(2), uint16(3), uint16(4))
	full := le(uint32(500), uint16(2), true, uint8(0), uint16(3), uint16(4))
	texts(t, Hash, []textCase{
		{xlog.Postgres12, 0xC0, old, nil, "ntuples 2, latest removed xid 500"},
		{xlog.CloudberryDB, 0xC0, old, nil, "ntuples 2, latestRemovedXid 500"},
		{xlog.Postgres16, 0xC0, full, nil, "ntuples 2, snapshotConflictHorizon 500"},
		{xlog.Postgres18, 0xC0, full, nil, "ntuples 2, snapshotConflictHorizon 500, isCatalogRel T"},
		{xlog.Postgres12, 0xB0, le(1e7), nil, "ntuples 1e+07"},
	})
}
