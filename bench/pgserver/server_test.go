// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// TestEachMajor is the life of a server of every version: SQL, a crash with recovery, a standby that is promoted.
func TestEachMajor(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})
		require.Equal(t, strconv.Itoa(major), s.Value(t, "SELECT current_setting('server_version_num')::int / 10000"))
		require.Equal(t, "on", s.Value(t, "SHOW data_checksums"))
		require.Equal(t, strconv.Itoa(s.Port), s.Value(t, "SHOW port"))

		s.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
		require.NoError(t, s.Kill())
		require.False(t, s.Running())
		require.Empty(t, workingIn(t, s.DataDir))
		require.NoError(t, s.Start())
		require.Contains(t, s.Log(), "automatic recovery in progress")
		require.Equal(t, "1000", s.Value(t, "SELECT count(*) FROM t"))

		standby := s.Standby(t, pgserver.Options{})
		require.Equal(t, "t", standby.Value(t, "SELECT pg_is_in_recovery()"))
		s.SQL(t, "INSERT INTO t SELECT generate_series(1001, 2000)")
		waitReplay(t, s, standby)

		require.NoError(t, s.Kill())
		require.NoError(t, standby.Promote())
		standby.SQL(t, "INSERT INTO t VALUES (2001)")
		require.Equal(t, "2001", standby.Value(t, "SELECT count(*) FROM t"))
		require.Contains(t, standby.Value(t, "SELECT pg_walfile_name(pg_current_wal_lsn())"), "00000002")
	})
}

func waitReplay(t *testing.T, primary, standby *pgserver.Server) {
	lsn := primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	require.Eventually(t, func() bool {
		return standby.Value(t, "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn) == "t"
	}, time.Minute, 20*time.Millisecond)
}

// TestNothingLeft looks for processes, shared memory and directories after a test that ended with servers running,
// killed and stopped.
func TestNothingLeft(t *testing.T) {
	pgserver.Require(t)
	var dirs []string
	var pids []int
	t.Run("servers", func(t *testing.T) {
		primary := pgserver.Start(t, pgserver.Options{})
		running := primary.Standby(t, pgserver.Options{})
		stopped := pgserver.Start(t, pgserver.Options{})
		for _, s := range []*pgserver.Server{primary, running, stopped} {
			dirs = append(dirs, filepath.Dir(s.LogFile))
			pids = append(pids, s.PID())
		}
		require.NoError(t, primary.Kill())
		require.NoError(t, stopped.Stop(pgserver.Fast))
	})
	for _, dir := range dirs {
		require.NoDirExists(t, dir)
		require.Empty(t, workingIn(t, dir))
	}
	for _, pid := range pids {
		require.NoDirExists(t, "/proc/"+strconv.Itoa(pid))
		require.NotContains(t, sharedMemoryCreators(t), strconv.Itoa(pid))
	}
}

// sharedMemoryCreators is the column cpid of /proc/sysvipc/shm.
func sharedMemoryCreators(t *testing.T) []string {
	data, err := os.ReadFile("/proc/sysvipc/shm")
	require.NoError(t, err)
	var pids []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			pids = append(pids, fields[4])
		}
	}
	return pids
}

func TestStopModes(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, pgserver.Options{})
	for _, mode := range []pgserver.Mode{pgserver.Smart, pgserver.Fast, pgserver.Immediate} {
		require.NoError(t, s.Restart(mode))
	}
	require.Equal(t, 1, strings.Count(s.Log(), "received smart shutdown request"))
	require.Equal(t, 1, strings.Count(s.Log(), "received fast shutdown request"))
	require.Equal(t, 1, strings.Count(s.Log(), "automatic recovery in progress"))
	require.Error(t, s.Start(), "it runs")
	require.NoError(t, s.Stop(pgserver.Fast))
	require.NoError(t, s.Stop(pgserver.Fast))
	require.NoError(t, s.Kill())
	require.Error(t, s.Reload())
	require.Error(t, s.Promote())
}

func TestOptions(t *testing.T) {
	for _, major := range []int{12, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			s := pgserver.Start(t, pgserver.Options{
				Major:        major,
				Settings:     map[string]string{"application_name": "it's"},
				HBA:          []string{"host nobody all 127.0.0.1/32 reject"},
				Password:     `a 'b' \c`,
				WALSegmentMB: 1,
				NoChecksums:  true,
				Fsync:        true,
			})
			require.Equal(t, [][]string{{"off", "1MB", "on", "it's"}}, s.SQL(t, "SELECT current_setting('data_checksums'),"+
				" current_setting('wal_segment_size'), current_setting('fsync'), current_setting('application_name')"))
			require.Equal(t, [][]string{{"1", ""}, {"2", "x"}}, s.SQL(t, "SELECT 0; VALUES (1, NULL), (2, 'x')"))

			_, err := s.Connect(t.Context(), "password=wrong")
			require.ErrorContains(t, err, "28P01")
			_, err = s.Connect(t.Context(), "dbname=nobody")
			require.ErrorContains(t, err, "pg_hba.conf rejects")

			require.NoError(t, s.Configure(map[string]string{"work_mem": "1MB"}))
			require.NoError(t, s.Reload())
			require.Eventually(t, func() bool { return s.Value(t, "SHOW work_mem") == "1MB" }, time.Minute, 10*time.Millisecond)

			standby := s.Standby(t, pgserver.Options{Fsync: true})
			require.Equal(t, "t", standby.Value(t, "SELECT pg_is_in_recovery()"))
		})
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	pgserver.Require(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = pgserver.New(t.Context(), pgserver.Options{Port: l.Addr().(*net.TCPAddr).Port})
	require.ErrorContains(t, err, "the port is taken")
}

// TestStandbyWithoutConnections promotes a standby that cannot be asked anything, and that has a tablespace.
func TestStandbyWithoutConnections(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, pgserver.Options{})
	space, err := s.MakeDir("space")
	require.NoError(t, err)
	s.SQL(t, "CREATE TABLESPACE space LOCATION '"+space+"'")
	s.SQL(t, "CREATE TABLE t TABLESPACE space AS SELECT generate_series(1, 1000)")
	standby := s.Standby(t, pgserver.Options{Settings: map[string]string{"hot_standby": "off"}})
	_, err = standby.Connect(t.Context())
	require.ErrorContains(t, err, "57P03")
	require.NoError(t, standby.Promote())

	s.SQL(t, "DROP TABLE t")
	require.Equal(t, "1000", standby.Value(t, "SELECT count(*) FROM t"))
}

// TestAdopt runs the data directory of a base backup, which stays when the server has gone.
func TestAdopt(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, pgserver.Options{})
	s.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, 1000)")
	pgserver.RequireTool(t, "pg_basebackup")
	dir := pgserver.TempDir(t)
	require.NoError(t, pgserver.Chown(dir))
	backup := filepath.Join(dir, "backup")
	out, err := s.Command(t.Context(), "pg_basebackup", "-d", s.ConnString(), "-D", backup, "-c", "fast").CombinedOutput()
	require.NoError(t, err, "%s", out)

	t.Run("runs", func(t *testing.T) {
		adopted := pgserver.Adopt(t, backup, pgserver.Options{Settings: map[string]string{"work_mem": "1MB"}})
		require.NotEqual(t, s.Port, adopted.Port)
		require.Equal(t, "1MB", adopted.Value(t, "SHOW work_mem"))
		require.Equal(t, "1000", adopted.Value(t, "SELECT count(*) FROM t"))
	})
	require.DirExists(t, backup)
	require.NoFileExists(t, filepath.Join(backup, "postmaster.pid"))

	require.NoError(t, os.Remove(filepath.Join(backup, "global", "pg_control")))
	_, err = pgserver.NewAdopted(t.Context(), backup, pgserver.Options{})
	require.ErrorContains(t, err, "pg_control")
}

// TestRequire looks at what a test is told about a version that nobody can have.
func TestRequire(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"", "skip: pgserver: PostgreSQL 99 is not installed: run .ci/install-servers to enable this test"},
		{"1", "fatal: pgserver: PostgreSQL 99 is not installed: run .ci/install-servers"},
	} {
		t.Setenv("WALMIRROR_REQUIRE_SERVERS", c.value)
		told := &listener{TB: t}
		pgserver.Require(told, 99)
		require.Equal(t, c.want, told.said)
	}
	_, err := pgserver.New(context.Background(), pgserver.Options{Major: 99})
	require.ErrorContains(t, err, "not installed")
	require.ErrorContains(t, pgserver.Command(t.Context(), 15, "pg_nonsense").Run(), "pg_nonsense is not installed")
}
