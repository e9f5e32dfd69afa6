// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// patience is how long a loaded machine may take.
const patience = 3 * time.Minute

func historyOf(list *[]string) func(*catalog.Catalog) error {
	return func(cat *catalog.Catalog) error {
		rows, err := readRows[catalog.ConfigurationHistory](cat)
		for _, r := range rows {
			*list = append(*list, r.Description)
		}
		return err
	}
}

// serverDir is newDir where the servers' user can go.
func serverDir(t testing.TB) string {
	dir := filepath.Join(pgserver.TempDir(t), "coordinator")
	require.NoError(t, Create(dir))
	return dir
}

// attach makes a standby with pg_basebackup, while rows are written, and starts it.
func attach(t *testing.T, port int, name string) *pgserver.Server {
	parent := pgserver.TempDir(t)
	require.NoError(t, pgserver.Chown(parent))
	dir := filepath.Join(parent, "standby")
	conninfo := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres application_name=%s", port, name)
	out, err := pgserver.Command(t.Context(), 15, "pg_basebackup", "-d", conninfo, "-D", dir, "-R", "-X", "stream",
		"-C", "-S", name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = pgserver.Command(t.Context(), 15, "pg_verifybackup", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return pgserver.Adopt(t, dir, pgserver.Options{Settings: map[string]string{"wal_retrieve_retry_interval": "200ms"}})
}

// waitRows waits until a server has at least n rows, and looks whether it has each of them once.
func waitRows(t *testing.T, s *pgserver.Server, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		return s.Value(t, "SELECT (count(*) >= $1::int8)::int FROM gp_configuration_history", n) == "1"
	}, patience, 20*time.Millisecond)
	require.Equal(t, "1", s.Value(t, `SELECT (count(*) = max("desc"::int8) AND count(*) = count(DISTINCT "desc"))::int
		FROM gp_configuration_history`))
}

// TestPostgresStandby is a server of PostgreSQL 15 as the standby of a coordinator: it shows the rows as they come, over
// SIGKILLs and a shutdown of the coordinator, and it can take its place. Commits wait for it.
func TestPostgresStandby(t *testing.T) {
	pgserver.Require(t)
	t.Parallel()
	dir := serverDir(t)
	c := startChild(t, dir, "")
	s := attach(t, c.port(), "real")
	waitRows(t, s, c.acked.Load())
	require.Equal(t, "1", s.Value(t, "SELECT pg_is_in_recovery()::int"))

	c.names = "real"
	for range 3 {
		c.kill()
		acked := c.acked.Load()
		c.start()
		waitRows(t, s, acked+20)
	}
	c.kill()
	acked := c.acked.Load() // and the standby had them before they were acknowledged
	waldump(t, dir)
	require.NoError(t, s.Promote())
	waitRows(t, s, acked)
	s.SQL(t, `INSERT INTO gp_configuration_history SELECT now(), 1, n
		FROM generate_series((SELECT count(*) FROM gp_configuration_history) + 1, 19999) n`)
	s.SQL(t, "VACUUM")
	check(t, s)
	t.Logf("%d rows", acked)
}

// check has PostgreSQL look at everything in a server's directory.
func check(t *testing.T, s *pgserver.Server) {
	s.SQL(t, "CREATE EXTENSION amcheck")
	out, err := s.Command(t.Context(), "pg_amcheck", "-h", "127.0.0.1", "-p", fmt.Sprint(s.Port), "-U", "postgres",
		"--all", "--heapallindexed").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, s.Stop(pgserver.Fast))
	out, err = s.Command(t.Context(), "pg_checksums", "--check", "-D", s.DataDir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "Bad checksums:  0")
}

// waldump reads the log with pg_waldump, from the last checkpoint to its end.
func waldump(t *testing.T, dir string) {
	data, err := pgdata.Open(vfs.OS, dir)
	require.NoError(t, err)
	require.NoError(t, pgserver.Chown(dir))
	redo := data.Control.CheckPointCopy.Redo
	segments, err := filepath.Glob(filepath.Join(data.WALPath(), "0000*"))
	require.NoError(t, err)
	for _, name := range segments { // pg_waldump would take the segments' size from one that has no content yet
		if content, err := os.ReadFile(name); err == nil && content[0] == 0 {
			require.NoError(t, os.Remove(name))
		}
	}
	cmd := pgserver.Command(t.Context(), 15, "pg_waldump", "-p", data.WALPath(), "-s", redo.String())
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.Error(t, err, "it complains about the end")
	require.Regexp(t, "invalid record length at .*wanted 24, got 0|could not find file", said.String())
	require.Contains(t, string(out), "RUNNING_XACTS")
	t.Logf("%d records", strings.Count(string(out), "\n"))
}

// TestPostgresGoesOn starts PostgreSQL on the coordinator's own directory: shut down, and as a crash left it.
func TestPostgresGoesOn(t *testing.T) {
	pgserver.Require(t)
	t.Parallel()
	dir := serverDir(t)
	c := startChild(t, dir, "")
	require.Eventually(t, func() bool { return c.acked.Load() > 100 }, patience, 5*time.Millisecond)
	c.kill()
	crashed := filepath.Join(pgserver.TempDir(t), "crashed")
	require.NoError(t, os.CopyFS(crashed, os.DirFS(dir)))
	require.NoError(t, os.RemoveAll(filepath.Join(crashed, "postmaster.pid")))
	acked := c.acked.Load()

	s := pgserver.Adopt(t, crashed, pgserver.Options{})
	waitRows(t, s, acked)
	require.Contains(t, s.Log(), "redo done at")
	check(t, s)

	c.start()
	require.Eventually(t, func() bool { return c.acked.Load() > acked+100 }, patience, 5*time.Millisecond)
	c.stop()
	s = pgserver.Adopt(t, dir, pgserver.Options{})
	waitRows(t, s, c.acked.Load())
	require.NotContains(t, s.Log(), "redo")
	require.Equal(t, "1", s.Value(t, "SELECT timeline_id FROM pg_control_checkpoint()"))
	check(t, s)
	t.Logf("%d rows after the crash, %d after the shutdown", acked, c.acked.Load())
}
