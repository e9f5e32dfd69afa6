// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walsender/syncrep"
)

// follow lets pg_receivewal stream until end is called.
func follow(t *testing.T, s *Server, args ...string) (end func()) {
	t.Helper()
	tool := pgserver.RequireTool(t, "pg_receivewal")
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, tool, append([]string{"-D", t.TempDir(), "-w", "-d", connString(s, "")}, args...)...)
	require.NoError(t, cmd.Start())
	end = func() {
		cancel()
		cmd.Wait()
	}
	t.Cleanup(end)
	return end
}

// TestPsqlShowsReplication lets psql show both views while pg_receivewal streams.
func TestPsqlShowsReplication(t *testing.T) {
	t.Parallel()
	psql := pgserver.RequireTool(t, "psql")
	names, err := syncrep.New(syncrep.Config{Names: "pg_receivewal"})
	require.NoError(t, err)
	source := NewMemSource(testIdentity(), 1, testSegment.Start(7))
	source.Append(noise(300_000))
	s := serve(t, Config{Source: source, Sync: names})
	end := follow(t, s, "--synchronous")
	flushed := testSegment.Start(7).Add(300_000)
	waitFor(t, "everything flushed", func() bool {
		all := s.Replication()
		return len(all) == 1 && all[0].FlushLSN == flushed && all[0].State == StateStreaming
	})
	for view, more := range map[string][2]string{
		"pg_stat_replication": {"", ""}, "gp_stat_replication": {"gp_segment_id    | -1", "sync_error       | none"},
	} {
		out, err := exec.CommandContext(t.Context(), psql, "-X", "-x", "-d", connString(s, ""),
			"-c", "SELECT * FROM "+view).CombinedOutput()
		require.NoError(t, err, string(out))
		for _, want := range []string{
			more[0], more[1], "usesysid         | 10", "usename          | u", "application_name | pg_receivewal",
			"client_addr      | 127.0.0.1", "state            | streaming", "sent_lsn         | " + flushed.String(),
			"flush_lsn        | " + flushed.String(), "flush_lag        | 00:00:00.", "sync_priority    | 1",
			"sync_state       | sync", "reply_time       | 20",
		} {
			require.Contains(t, string(out), want)
		}
	}
	end()
}

// TestCommitWaits lets a commit wait until pg_receivewal has flushed it, and go on when nobody is to be waited for.
func TestCommitWaits(t *testing.T) {
	t.Parallel()
	commits, err := syncrep.New(syncrep.Config{Names: "ANY 1 (pg_receivewal)"})
	require.NoError(t, err)
	source := NewMemSource(testIdentity(), 1, testSegment.Start(7))
	s := serve(t, Config{Source: source, Sync: commits})
	commit := func(timeout time.Duration) error {
		source.Append(noise(1000))
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		return commits.Wait(ctx, source.Position().Flush, syncrep.Flush)
	}
	require.ErrorIs(t, commit(20*time.Millisecond), context.DeadlineExceeded, "nobody is there")
	end := follow(t, s, "--synchronous")
	for range 20 {
		require.NoError(t, commit(time.Minute))
		all := s.Replication()
		require.Equal(t, "quorum", all[0].SyncState)
		require.GreaterOrEqual(t, all[0].FlushLSN, source.Position().Flush)
	}
	end()
	waitFor(t, "the end of the session", func() bool { return len(s.Replication()) == 0 })
	require.ErrorIs(t, commit(20*time.Millisecond), context.DeadlineExceeded, "nobody is there any more")
}

// TestCoordinatorCommit is Greenplum's rule with a standby that comes and goes.
func TestCoordinatorCommit(t *testing.T) {
	t.Parallel()
	commits, err := syncrep.New(syncrep.Config{Coordinator: true})
	require.NoError(t, err)
	source := NewMemSource(testIdentity(), 1, testSegment.Start(7))
	s := serve(t, Config{Source: source, Sync: commits})
	wait := func() error {
		source.Append(noise(1000))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return commits.Wait(ctx, source.Position().Flush, syncrep.Flush)
	}
	require.NoError(t, wait(), "nobody is there")
	conn := connect(t, s, "replication=true application_name=gp_walreceiver")
	go conn.Exec(t.Context(), "START_REPLICATION 0/700000 TIMELINE 1").ReadAll()
	waitFor(t, "streaming", func() bool { return s.Replication()[0].State == StateStreaming })
	waitFor(t, "a commit that waits, as this standby says nothing", func() bool { return wait() != nil })
	done := make(chan error, 1)
	go func() {
		done <- commits.Wait(t.Context(), source.Position().Flush, syncrep.Flush)
	}()
	waitFor(t, "a waiter", func() bool { return commits.Waiting() == 1 })
	conn.Conn().Close()
	require.NoError(t, <-done, "the standby has gone")
	require.NoError(t, wait())
}

// TestPgxReadsStates reads the view's types with pgx while a client streams.
func TestPgxReadsStates(t *testing.T) {
	t.Parallel()
	source := NewMemSource(testIdentity(), 1, testSegment.Start(7))
	source.Append(noise(200_000))
	s := serve(t, Config{Source: source})
	end := follow(t, s)
	waitFor(t, "streaming", func() bool {
		all := s.Replication()
		return len(all) == 1 && all[0].State == StateStreaming && all[0].WriteLSN != 0
	})
	for _, mode := range execModes {
		rows, err := connectPgx(t, s, mode).Query(t.Context(), "SELECT * FROM gp_stat_replication")
		require.NoError(t, err)
		all, err := pgx.CollectRows(rows, pgx.RowToMap)
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, int32(-1), all[0]["gp_segment_id"])
		require.Equal(t, "streaming", all[0]["state"])
		require.Equal(t, "async", all[0]["sync_state"])
		require.Len(t, all[0], 22)
		var names []string
		for _, f := range rows.FieldDescriptions() {
			names = append(names, f.Name)
		}
		require.Equal(t, "gp_segment_id pid usesysid usename application_name client_addr client_hostname client_port"+
			" backend_start backend_xmin state sent_lsn write_lsn flush_lsn replay_lsn write_lag flush_lag replay_lag"+
			" sync_priority sync_state reply_time sync_error", strings.Join(names, " "))
	}
	end()
}
