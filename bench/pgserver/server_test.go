// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/walmirror/walmirror/bench/pgserver"
)

func TestMain(m *testing.M) {
	if os.Getenv(orphanVar) != "" {
		os.Exit(orphanMain())
	}
	goleak.VerifyTestMain(m)
}

// TestEachMajor is the life of a server of every version: SQL, a crash with recovery, a standby that is promoted, and
// nothing left behind.
func TestEachMajor(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})
		require.Equal(t, strconv.Itoa(major), s.Value(t, "SELECT current_setting('server_version_num')::int / 10000"))
		require.Equal(t, "on", s.Value(t, "SHOW data_checksums"))

		s.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
		pid := s.PID()
		require.NoError(t, s.Kill())
		require.False(t, s.Running())
		require.Empty(t, below(pid))
		require.NoError(t, s.Start())
		require.Contains(t, s.Log(), "automatic recovery in progress")
		require.Equal(t, "1000", s.Value(t, "SELECT count(*) FROM t"))

		standby := s.Standby(t, pgserver.Options{})
		require.Equal(t, "t", standby.Value(t, "SELECT pg_is_in_recovery()"))
		s.SQL(t, "INSERT INTO t SELECT generate_series(1001, 2000)")
		lsn := s.Value(t, "SELECT pg_current_wal_flush_lsn()")
		require.Eventually(t, func() bool {
			return standby.Value(t, "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn) == "t"
		}, time.Minute, 20*time.Millisecond)

		require.NoError(t, s.Kill())
		require.NoError(t, standby.Promote())
		standby.SQL(t, "INSERT INTO t VALUES (2001)")
		require.Equal(t, "2001", standby.Value(t, "SELECT count(*) FROM t"))
		require.Contains(t, standby.Value(t, "SELECT pg_walfile_name(pg_current_wal_lsn())"), "00000002")
	})
}

// below lists the processes whose parent is pid.
func below(pid int) []string {
	var found []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if fields[1] == strconv.Itoa(pid) {
			found = append(found, name)
		}
	}
	return found
}

var _ = context.Background
var _ = syscall.SIGKILL
