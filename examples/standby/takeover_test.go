// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
)

// TestTakeover is the promise of the program, on real servers: a standby is made while clients write; its process is
// killed and started again ten times; the primary is killed; the standby is activated; and every transaction that a
// client saw committed is there, on a cluster that PostgreSQL's own tools find sound.
func TestTakeover(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		newTakeover(t, major).play(t)
	})
}

const (
	takeoverKills   = 10
	takeoverClients = 3
)

// takeover is one run of the story.
type takeover struct {
	primary *pgserver.Server
	program string // this package, built
	dir     string // of the standby
	port    int
	ledger  ledger
	runner  *exec.Cmd
	log     *os.File
}

// ledger is what clients saw committed.
type ledger struct {
	sync.Mutex
	acked []int64
}

func newTakeover(t *testing.T, major int) *takeover {
	primary := pgserver.Start(t, pgserver.Options{Major: major, Settings: map[string]string{"synchronous_commit": "on"}})
	parent := pgserver.TempDir(t)
	require.NoError(t, pgserver.Chown(parent))
	to := &takeover{primary: primary, program: buildProgram(t), dir: filepath.Join(parent, "data"), port: pgserver.FreePort()}
	var err error
	to.log, err = os.Create(filepath.Join(parent, "standby.log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		to.log.Close()
		if text, err := os.ReadFile(to.log.Name()); err == nil && t.Failed() {
			t.Logf("the standby's log:\n%s", text[max(0, len(text)-8000):])
		}
		require.NoError(t, pgserver.StopDirectory(to.dir, pgserver.Immediate))
	})
	return to
}

// buildDir has the program once a test has asked for it.
var buildDir string

var build = sync.OnceValues(func() (program string, err error) {
	if buildDir, err = os.MkdirTemp("", "walmirror-standby-"); err != nil {
		return "", err
	}
	if err := os.Chmod(buildDir, 0o755); err != nil {
		return "", err
	}
	program = filepath.Join(buildDir, "standby")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return program, err
})

// TestMain removes what buildProgram made. It lets the demonstration start this binary as its coordinator.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == demoCommand {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	code := m.Run()
	os.RemoveAll(buildDir)
	os.Exit(code)
}

func buildProgram(t *testing.T) string {
	t.Helper()
	program, err := build()
	require.NoError(t, err)
	return program
}

// command is the program with arguments, run as the servers' user and with the log as standard error.
func (to *takeover) command(args ...string) *exec.Cmd {
	cmd := exec.Command(to.program, args...)
	cmd.Stderr = to.log
	cmd.Dir = "/"
	pgserver.RunAs(cmd)
	return cmd
}

func (to *takeover) play(t *testing.T) {
	to.primary.SQL(t, "CREATE TABLE ledger (id bigint PRIMARY KEY, filler text)")
	writing, stop := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for i := range takeoverClients {
		clients.Go(func() { to.write(writing, int64(i)) })
	}
	defer clients.Wait()
	defer stop()
	load := to.pgbench(t)

	_, err := to.command("init", "--primary", to.primary.ConnString(), "-D", to.dir, "--slot", "takeover",
		"--port", fmt.Sprint(to.port)).Output()
	require.NoError(t, err)
	to.run(t)
	to.primary.SQL(t, "ALTER SYSTEM SET synchronous_standby_names = 'walmirror'")
	to.primary.SQL(t, "SELECT pg_reload_conf()")
	to.waitSynchronous(t)
	to.ledger.reset() // from here on a commit waits for the standby
	to.killOften(t)
	to.waitSynchronous(t)
	time.Sleep(300 * time.Millisecond)

	require.NoError(t, to.primary.Kill())
	stop()
	clients.Wait()
	_ = load.Wait() // ends with an error: its server is gone
	to.activate(t)
	to.compare(t)
	to.check(t)
}

// write commits rows of its own until the primary is gone, and notes what it saw committed.
func (to *takeover) write(ctx context.Context, client int64) {
	conn, err := to.primary.Connect(ctx)
	if err != nil {
		return
	}
	defer conn.Close(context.Background())
	for n := client; ; n += takeoverClients {
		if _, err := conn.Exec(ctx, "INSERT INTO ledger VALUES ($1, repeat('x', $2))", n, rand.IntN(3000)); err != nil {
			return
		}
		to.ledger.add(n)
	}
}

func (l *ledger) add(n int64) {
	l.Lock()
	defer l.Unlock()
	l.acked = append(l.acked, n)
}

func (l *ledger) reset() {
	l.Lock()
	defer l.Unlock()
	l.acked = nil
}

func (l *ledger) count() int {
	l.Lock()
	defer l.Unlock()
	return len(l.acked)
}

// pgbench adds load of another shape.
func (to *takeover) pgbench(t *testing.T) *exec.Cmd {
	args := []string{"-h", "127.0.0.1", "-p", fmt.Sprint(to.primary.Port), "-U", "postgres", "-n"}
	init := to.primary.Command(t.Context(), "pgbench", append(args, "-i", "-s", "1", "postgres")...)
	out, err := init.CombinedOutput()
	require.NoError(t, err, "%s", out)
	args = append(args, "-c", "2", "-T", "600", "-R", "200", "postgres")
	load := to.primary.Command(context.Background(), "pgbench", args...)
	require.NoError(t, load.Start())
	return load
}

// run starts "standby run".
func (to *takeover) run(t *testing.T) {
	to.runner = to.command("run", "-D", to.dir)
	require.NoError(t, to.runner.Start())
}

func (to *takeover) waitSynchronous(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return to.primary.Value(t, "SELECT count(*) FROM pg_stat_replication "+
			"WHERE sync_state = 'sync' AND state = 'streaming'") == "1"
	}, time.Minute, 50*time.Millisecond, "the standby never became synchronous")
}

// killOften kills the running standby at random moments and starts it again. Each time clients must get on.
func (to *takeover) killOften(t *testing.T) {
	for range takeoverKills {
		before := to.ledger.count()
		time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
		require.NoError(t, to.runner.Process.Signal(syscall.SIGKILL))
		_ = to.runner.Wait()
		to.run(t)
		require.Eventually(t, func() bool { return to.ledger.count() > before }, time.Minute, 20*time.Millisecond,
			"no commit since the standby was started again")
	}
}

func (to *takeover) activate(t *testing.T) {
	out, err := to.command("activate", "-D", to.dir, "--postgres", to.primary.BinDir, "-a", "--json").Output()
	require.NoError(t, err, "%s", out)
	var a standby.Activation
	require.NoError(t, json.Unmarshal(out, &a))
	require.Equal(t, to.port, a.Port)
	require.EqualValues(t, 1, a.OldTimeline)
	require.EqualValues(t, 2, a.NewTimeline)
	require.NoError(t, to.runner.Wait(), "run ends cleanly when the standby is activated")
	t.Logf("activated in %s at %s", a.Took, a.Switch)
}

// connect is a connection to the new coordinator.
func (to *takeover) connect(t *testing.T) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(),
		fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", to.port))
	require.NoError(t, err)
	return conn
}

// compare asks the new coordinator for every row that a client saw committed.
func (to *takeover) compare(t *testing.T) {
	conn := to.connect(t)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "SELECT id FROM ledger")
	require.NoError(t, err)
	there, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	have := make(map[int64]bool, len(there))
	for _, id := range there {
		have[id] = true
	}
	lost := 0
	for _, id := range to.ledger.acked {
		if !have[id] {
			lost++
		}
	}
	require.NotZero(t, len(to.ledger.acked), "nothing was committed")
	require.Zero(t, lost, "acknowledged rows are missing")
	t.Logf("PostgreSQL %d: %d acknowledged rows, all there (%d rows in all)", to.primary.Major,
		len(to.ledger.acked), len(there))
}

// check lets PostgreSQL's own tools look at the new coordinator: amcheck at the running server, pg_checksums after it was
// stopped; pg_checksums 15 reads the control files of 13 to 16.
func (to *takeover) check(t *testing.T) {
	if to.primary.Major < 14 {
		to.checkIndexes(t)
	} else {
		amcheck := to.primary.Command(t.Context(), "pg_amcheck", "-h", "127.0.0.1", "-p", fmt.Sprint(to.port), "-U",
			"postgres", "--all", "--install-missing", "--heapallindexed", "--parent-check")
		out, err := amcheck.CombinedOutput()
		require.NoError(t, err, "pg_amcheck: %s", out)
		t.Logf("pg_amcheck is clean")
	}
	require.NoError(t, pgserver.StopDirectory(to.dir, pgserver.Fast))
	if to.primary.Major < 13 || to.primary.Major > 16 {
		t.Logf("pg_checksums 15 does not read the control file of %d", to.primary.Major)
		return
	}
	out, err := to.primary.Command(t.Context(), "pg_checksums", "--check", "-D", to.dir).CombinedOutput()
	require.NoError(t, err, "pg_checksums: %s", out)
	t.Logf("pg_checksums is clean: %s", lastWords(out))
}

// checkIndexes does what pg_amcheck 15 cannot with the amcheck of 12 and 13: every btree index, with its whole table.
func (to *takeover) checkIndexes(t *testing.T) {
	conn := to.connect(t)
	defer conn.Close(context.Background())
	_, err := conn.Exec(t.Context(), "CREATE EXTENSION amcheck")
	require.NoError(t, err)
	var n int
	err = conn.QueryRow(t.Context(), `
		SELECT count(bt_index_parent_check(c.oid, true, true)::text)
		FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relkind = 'i' AND a.amname = 'btree'`).Scan(&n)
	require.NoError(t, err)
	require.NotZero(t, n)
	t.Logf("amcheck is clean for %d indexes", n)
}

func lastWords(out []byte) string {
	if len(out) > 200 {
		out = out[len(out)-200:]
	}
	return string(out)
}
