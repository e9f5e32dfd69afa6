// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver"
)

// TestReceive compares what is received with the server's own files, and what the server shows of us with our status.
func TestReceive(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, small(major, nil))
		fill(t, s, 2)
		dir, path := archive(t)
		r := receive(t, walreceiver.Config{
			ConnString: s.ConnString(), Sink: dir, Slot: "s", CreateSlot: walreceiver.SlotPermanent,
			ApplicationName: "receive_test",
		})
		r.until("streaming", func(s walreceiver.Status) bool { return s.State == walreceiver.StateStreaming })
		fill(t, s, 4)
		end := r.has(s)

		eventually(t, "the server has heard of it", func() bool {
			row := s.SQL(t, `SELECT state, write_lsn, flush_lsn, coalesce(replay_lsn::text, '') FROM pg_stat_replication
				WHERE application_name = 'receive_test'`)
			return reflect.DeepEqual(row, [][]string{{"streaming", end.String(), end.String(), ""}})
		})
		eventually(t, "the slot has moved", func() bool {
			return s.Value(t, "SELECT restart_lsn FROM pg_replication_slots") == end.String()
		})
		st := r.Status()
		require.Equal(t, "s", st.Slot)
		require.Equal(t, s.Port, st.SenderPort)
		require.Equal(t, end, st.WrittenLSN)
		require.NotZero(t, st.SystemID)
		require.Equal(t, 1, st.Connections)

		r.stop()
		require.Equal(t, walreceiver.StateStopped, r.Status().State)
		require.GreaterOrEqual(t, sameFiles(t, segments(t, path), segments(t, filepath.Join(s.DataDir, "pg_wal"))), 3)
	})
}

// TestSyncCommit: a commit that waits for us waits for the disk and the network, not for a timer.
func TestSyncCommit(t *testing.T) {
	for _, mode := range []string{"remote_write", "on"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := pgserver.Start(t, small(0, map[string]string{
				"synchronous_standby_names": "sync_test", "synchronous_commit": "local",
			}))
			s.SQL(t, "CREATE TABLE c (i int)")
			dir, _ := archive(t)
			r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, ApplicationName: "sync_test"})
			r.until("streaming", func(s walreceiver.Status) bool { return s.State == walreceiver.StateStreaming })
			eventually(t, "sync", func() bool {
				rows := s.SQL(t, "SELECT sync_state FROM pg_stat_replication")
				return len(rows) == 1 && rows[0][0] == "sync"
			})
			conn, err := s.Connect(context.Background())
			require.NoError(t, err)
			defer conn.Close(context.Background())
			_, err = conn.Exec(context.Background(), "SET synchronous_commit = "+mode)
			require.NoError(t, err)
			begin := time.Now()
			const commits = 200
			for i := range commits {
				_, err = conn.Exec(context.Background(), "INSERT INTO c VALUES ($1)", i)
				require.NoError(t, err)
			}
			took := time.Since(begin)
			t.Logf("%d commits in %s, %d syncs, %d replies", commits, took, r.Status().Syncs, r.Status().Replies)
			require.Less(t, took, walreceiver.DefaultStatusInterval)
			r.stop()
		})
	}
}
