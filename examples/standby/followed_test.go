// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
)

// TestActivateServing: a standby that serves others is activated and goes on serving; then a server is started in its place.
// "status" says at each step what an operator has to know.
func TestActivateServing(t *testing.T) {
	t.Parallel()
	to := newTakeover(t, pgserver.DefaultMajor)
	listen := pgserver.FreePort()
	to.succeed(t, "init", "--primary", to.primary.ConnString(), "-D", to.dir, "--port", fmt.Sprint(to.port))
	to.runner = to.command("run", "-D", to.dir, "--listen", fmt.Sprintf("127.0.0.1:%d", listen))
	require.NoError(t, to.runner.Start())
	to.waitReplayed(t)

	follower := filepath.Join(filepath.Dir(to.dir), "follower")
	sender := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres sslmode=disable", listen)
	to.succeed(t, "init", "--primary", sender, "-D", follower)
	second := to.command("run", "-D", follower)
	require.NoError(t, second.Start())
	t.Cleanup(func() { _ = second.Process.Kill(); _ = second.Wait() })
	to.statusSays(t, to.dir, "state +streaming", `follower +walmirror at 127.0.0.1, streaming, .*, slot walmirror`)

	require.NoError(t, to.primary.Kill())
	require.Contains(t, to.succeed(t, "activate", "-D", to.dir, "-a"), "goes on serving those who follow it")
	to.statusSays(t, to.dir, "state +activated", `process +\d+, serves those who follow it`,
		"timeline +2, which left timeline 1 at 0/", `follower +walmirror at 127.0.0.1, streaming`)
	to.statusSays(t, follower, "state +streaming", `timeline +2\n`)
	out, err := to.command("run", "-D", to.dir).CombinedOutput()
	require.Error(t, err, "%s", out)

	to.succeed(t, "activate", "-D", to.dir, "-a", "--postgres", to.primary.BinDir)
	require.NoError(t, to.runner.Wait())
	to.statusSays(t, to.dir, "state +activated", fmt.Sprintf(`server +process \d+, port %d, ready`, to.port))
	conn := to.connect(t)
	defer conn.Close(t.Context())
	var slots int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_replication_slots").Scan(&slots))
	require.Equal(t, 1, slots)
	require.NoError(t, pgserver.StopDirectory(to.dir, pgserver.Fast))
	text, err := to.command("status", "-D", to.dir).Output()
	var ended *exec.ExitError
	require.ErrorAs(t, err, &ended)
	require.Equal(t, exitNotRunning, ended.ExitCode())
	require.Regexp(t, "server +none runs", string(text))
}

// TestActivateKilled: the standby is killed while it takes over. The order is carried out nevertheless.
func TestActivateKilled(t *testing.T) {
	t.Parallel()
	to := newTakeover(t, pgserver.DefaultMajor)
	to.succeed(t, "init", "--primary", to.primary.ConnString(), "-D", to.dir, "--port", fmt.Sprint(to.port))
	to.runner = to.command("run", "-D", to.dir, "--recovery-min-apply-delay", "24h")
	require.NoError(t, to.runner.Start())
	for range 20 {
		to.primary.SQL(t, "CREATE TABLE IF NOT EXISTS ledger (id int); INSERT INTO ledger SELECT generate_series(1, 10000)")
	}
	end := to.primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	require.Eventually(t, func() bool {
		return to.primary.Value(t, "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '"+end+"'") == "1"
	}, time.Minute, 50*time.Millisecond, "%s was never received", end)
	require.NoError(t, to.primary.Kill())

	activate := to.command("activate", "-D", to.dir, "-a", "--postgres", to.primary.BinDir)
	require.NoError(t, activate.Start())
	require.Eventually(t, func() bool {
		st, err := standby.ReadStatus(to.dir)
		return err == nil && (st.State == standby.StateActivating || st.State == standby.StateActivated)
	}, time.Minute, time.Millisecond)
	_ = to.runner.Process.Kill() // it may have ended just now
	_ = to.runner.Wait()
	require.NoError(t, activate.Wait())
	conn := to.connect(t)
	defer conn.Close(t.Context())
	var rows int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM ledger").Scan(&rows))
	require.Equal(t, 200000, rows)
}

// TestPgCtlPromote: PostgreSQL's own order to promote is one for the standby that holds the directory.
func TestPgCtlPromote(t *testing.T) {
	t.Parallel()
	to := newTakeover(t, pgserver.DefaultMajor)
	to.succeed(t, "init", "--primary", to.primary.ConnString(), "-D", to.dir, "--port", fmt.Sprint(to.port))
	to.runner = to.command("run", "-D", to.dir)
	require.NoError(t, to.runner.Start())
	to.waitReplayed(t)
	out, err := to.primary.Command(t.Context(), "pg_ctl", "promote", "-D", to.dir, "--no-wait").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, to.runner.Wait())
	text, err := to.command("status", "-D", to.dir).Output()
	require.Error(t, err) // nothing runs there
	require.Regexp(t, "state +activated", string(text))
}

// succeed runs the program and gives what it prints.
func (to *takeover) succeed(t *testing.T, args ...string) string {
	t.Helper()
	out, err := to.command(args...).Output()
	require.NoError(t, err, "standby %v: %s", args, out)
	return string(out)
}

// waitReplayed waits until the standby has replayed what the primary has.
func (to *takeover) waitReplayed(t *testing.T) {
	t.Helper()
	end := to.primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	require.Eventually(t, func() bool {
		return to.primary.Value(t, "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '"+end+"'") == "1"
	}, time.Minute, 50*time.Millisecond, "%s was never replayed", end)
}

// statusSays waits until status is a success and shows lines that match.
func (to *takeover) statusSays(t *testing.T, dir string, lines ...string) {
	t.Helper()
	var said []byte
	require.Eventually(t, func() bool {
		var err error
		if said, err = to.command("status", "-D", dir).Output(); err != nil {
			return false
		}
		for _, line := range lines {
			if !matches(line, said) {
				return false
			}
		}
		return true
	}, time.Minute, 100*time.Millisecond, "status of %s never says %q", dir, lines)
	t.Logf("%s", said)
}

func matches(line string, said []byte) bool { return regexp.MustCompile(line).Match(said) }
