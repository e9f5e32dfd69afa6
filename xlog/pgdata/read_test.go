// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// TestMultiXactUpdater asks which member of a multixact changes the row: also of the last one, behind which nothing is
// noted yet, and of one whose members go on behind the last place of all.
func TestMultiXactUpdater(t *testing.T) {
	t.Parallel()
	for _, d := range []*xlog.Dialect{xlog.Postgres12, xlog.Postgres18, xlog.Greenplum7} {
		m := &openTransactions(t, transactionsDir(t, d), 3).MultiXacts
		require.NoError(t, m.ZeroOffsetsPage(0))
		for _, place := range []uint32{0, maxMultiXactOffset} {
			require.NoError(t, m.ZeroMembersPage(int64(place/m.membersPerPage)))
		}
		create := func(id, place uint32, members ...uint32) { // an id, and the status in the upper half
			require.NoError(t, m.Create(id, place, uint32(len(members))))
			for _, x := range members {
				require.NoError(t, m.SetMember(place, x&0xFFFF, uint8(x>>16)))
				place = max(place+1, 1)
			}
		}
		create(7, maxMultiXactOffset, 100, 5<<16|101, 102)
		create(8, 3, 103, 104)
		create(9, 5, 105, 106, 4<<16|107)
		for id, want := range map[uint32]uint32{7: 101, 8: 0, 9: 107} {
			got, err := m.Updater(id)
			require.NoError(t, err)
			require.Equal(t, want, got, "%s, multixact %d", d, id)
		}
		create(10, 8, 108)
		got, err := m.Updater(10)
		require.NoError(t, err)
		require.Zero(t, got)
		_, err = m.Updater(6)
		require.ErrorIs(t, err, ErrMultiXact)
		_, err = m.Updater(1 << 20)
		require.ErrorIs(t, err, ErrMultiXact, "its page does not exist")
	}
}

func TestParseRelMap(t *testing.T) {
	t.Parallel()
	for _, d := range xlog.Dialects() {
		slots, tail := d.RelMapSlots()
		slots = max(slots, 64)
		size := 8
		if d.RelNodeSize() == 16 {
			size = 16
		}
		content := make([]byte, relMapHead+slots*size+4+tail)
		binary.LittleEndian.PutUint32(content, relMapMagic)
		binary.LittleEndian.PutUint32(content[4:], 2)
		for i, oid := range []uint32{1259, 1249} {
			binary.LittleEndian.PutUint32(content[relMapHead+i*size:], oid)
			binary.LittleEndian.PutUint32(content[relMapHead+i*size+size/2:], oid+5)
		}
		at := len(content) - 4 - tail
		binary.LittleEndian.PutUint32(content[at:], crc(content[:at]))
		got, err := parseRelMap(content, d)
		require.NoError(t, err, d)
		require.Equal(t, map[uint32]uint64{1259: 1264, 1249: 1254}, got)
		for i := range content[:at+4] {
			content[i] ^= 0x81
			_, err := parseRelMap(content, d)
			require.ErrorIs(t, err, ErrRelMap)
			content[i] ^= 0x81
			_, err = parseRelMap(content[:i], d)
			require.ErrorIs(t, err, ErrRelMap)
		}
	}
}
