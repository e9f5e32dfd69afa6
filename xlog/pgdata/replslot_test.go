// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestReplicationSlot: a slot's file is, byte for byte, what a server writes, and a server takes ours.
func TestReplicationSlot(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})
		text := s.SQL(t, "SELECT slot_name, lsn FROM pg_create_physical_replication_slot('theirs', true)")
		lsn, err := xlog.ParseLSN(text[0][1])
		require.NoError(t, err)
		require.NoError(t, s.Stop(pgserver.Fast))

		dir, err := Open(vfs.OS, s.DataDir)
		require.NoError(t, err)
		require.NoError(t, dir.WriteReplicationSlot(ReplicationSlot{Name: "ours", RestartLSN: 1, XMin: 700}))
		for range 2 { // the second time in place of the first
			require.NoError(t, dir.WriteReplicationSlot(ReplicationSlot{Name: "ours", RestartLSN: lsn}))
		}
		require.NoError(t, dir.WriteReplicationSlot(ReplicationSlot{Name: "gone", RestartLSN: lsn}))
		for range 2 {
			require.NoError(t, dir.RemoveReplicationSlot("gone"))
		}
		require.NoError(t, pgserver.Chown(s.DataDir))
		theirs, err := os.ReadFile(filepath.Join(s.DataDir, ReplicationSlotsDir, "theirs", slotStateName))
		require.NoError(t, err)
		require.Equal(t, theirs, ReplicationSlot{Name: "theirs", RestartLSN: lsn}.encode(slotLayoutOf(dir.Dialect)))

		require.NoError(t, s.Start())
		require.Equal(t, [][]string{{"ours", "physical", lsn.String(), ""}, {"theirs", "physical", lsn.String(), ""}},
			s.SQL(t, "SELECT slot_name, slot_type, restart_lsn, xmin FROM pg_replication_slots ORDER BY 1"))
	})
}
