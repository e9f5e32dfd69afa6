// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/examples/internal/clitest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
)

// How long a test waits for what must happen, and how often it looks.
const (
	patience = 60 * time.Second
	tick     = 20 * time.Millisecond
)

// programVar makes the test program be relay.
const programVar = "WALMIRROR_TEST_RELAY"

func TestMain(m *testing.M) {
	if os.Getenv(programVar) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"--listen :0":                              "use -D",
		"-D x":                                     "use --listen",
		"-D x --listen :0 extra":                   "unexpected argument",
		"-D x --listen :0 --slot s":                "need --dbname",
		"-D x --listen :0 -d host=h --rescan 1s":   "another program",
		"-D x --listen :0 -d host=h --create-slot": "needs --slot",
		"-D x --listen :0 --tls-key k":             "belong together",
		"-D x --listen :0 --log-level loud":        "--log-level",
		"-D x --listen :0 --wal-keep-size much":    "not a size",
		"-D x --listen :0 -d host=h -Z rar":        "unrecognized compression",
	} {
		var stderr bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), strings.Fields(args), &stderr, &stderr), args)
		require.Contains(t, stderr.String(), says, args)
	}
}

// program is a running relay.
type program struct {
	*exec.Cmd
	out  clitest.Output
	addr string
}

// startRelay runs the program at an address until it is stopped, or the test ends.
func startRelay(t *testing.T, addr string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(os.Args[0], append(args, "--listen", addr)...), addr: addr}
	p.Env = append(os.Environ(), programVar+"=1")
	p.Stderr = &p.out
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("the relay's log:\n%s", p.out.String())
		}
	})
	require.Eventually(t, func() bool { return strings.Contains(p.out.String(), "relay starts") }, patience, tick)
	return p
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	if p.ProcessState == nil {
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.NoError(t, p.Wait(), p.out.String())
	}
}

func freeAddr() string { return fmt.Sprintf("127.0.0.1:%d", pgserver.FreePort()) }

func (p *program) conninfo() string {
	_, port, _ := net.SplitHostPort(p.addr)
	return "host=127.0.0.1 user=mirror sslmode=prefer port=" + port
}

func newPrimary(t *testing.T) *pgserver.Server {
	return pgserver.Start(t, pgserver.Options{WALSegmentMB: 1, Settings: map[string]string{"wal_keep_size": "1GB"}})
}

// write makes about n MiB of log, and returns its end and the name of the last segment that is complete.
func write(t *testing.T, primary *pgserver.Server, n int) (last string) {
	t.Helper()
	primary.SQL(t, "CREATE TABLE IF NOT EXISTS load (filler text)")
	primary.SQL(t, "INSERT INTO load SELECT repeat(md5(i::text), 32) FROM generate_series(1, $1::int) i", n<<10)
	last = primary.Value(t, "SELECT pg_walfile_name(pg_switch_wal())")
	primary.SQL(t, "INSERT INTO load VALUES ('more')")
	return last
}

// pgReceivewal is pg_receivewal into dir until stop is called.
func pgReceivewal(t *testing.T, dir, conninfo string, args ...string) (stop func()) {
	t.Helper()
	require.NoError(t, pgserver.Chown(dir))
	var out clitest.Output
	cmd := exec.Command(pgserver.RequireTool(t, "pg_receivewal"), append([]string{"-D", dir, "-d", conninfo, "-v"}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD=secret", "HOME="+dir)
	cmd.Stderr = &out
	pgserver.RunAs(cmd)
	require.NoError(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("pg_receivewal: %s", out.String())
		}
	})
	t.Cleanup(stop)
	return stop
}

func waitFile(t *testing.T, dir, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}, patience, tick, "%s never came to %s", name, dir)
}

// requireSameSegments compares the complete segments of an archive with the primary's.
func requireSameSegments(t *testing.T, archive string, primary *pgserver.Server) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(archive, "????????????????????????"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(primary.DataDir, "pg_wal", filepath.Base(name)))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), filepath.Base(name))
	}
	t.Logf("%d segments are the primary's", len(names))
}

// TestRelay: pg_receivewal follows a primary through a relay, over TLS with a password and with a slot, and over a restart
// of the relay; the relay's host rules are read again at SIGHUP.
func TestRelay(t *testing.T) {
	t.Parallel()
	primary := newPrimary(t)
	verifier, err := walsender.MakeVerifier("secret")
	require.NoError(t, err)
	conf := t.TempDir()
	cert, key := certificate(t, conf)
	users, hba := filepath.Join(conf, "users"), filepath.Join(conf, "hba")
	require.NoError(t, os.WriteFile(users, fmt.Appendf(nil, "\"mirror\" \"%s\"\n", verifier), 0o600))
	require.NoError(t, os.WriteFile(hba, []byte("hostssl replication mirror all scram-sha-256\n"), 0o600))

	archive := filepath.Join(t.TempDir(), "archive")
	args := []string{"-D", archive, "-d", primary.ConnString(), "--slot", "relay", "--create-slot", "--users", users,
		"--hba", hba, "--tls-cert", cert, "--tls-key", key}
	relay := startRelay(t, freeAddr(), args...)
	makeSlot(t, relay.conninfo()+" sslmode=require password=secret", "client")

	far := pgserver.TempDir(t)
	pgReceivewal(t, far, relay.conninfo()+" sslmode=require channel_binding=require", "--slot", "client", "--synchronous")
	waitFile(t, far, write(t, primary, 3))
	relay.stop(t)
	write(t, primary, 3)
	relay = startRelay(t, relay.addr, args...)
	waitFile(t, far, write(t, primary, 3))
	requireSameSegments(t, archive, primary)
	requireSameSegments(t, far, primary)

	require.NoError(t, os.WriteFile(hba, []byte("host all all all reject\n"), 0o600))
	require.NoError(t, relay.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool { return strings.Contains(relay.out.String(), "read again") }, patience, tick)
	_, err = walreceiver.Connect(t.Context(), relay.conninfo()+" sslmode=require password=secret", walreceiver.ConnectOptions{})
	require.ErrorIs(t, err, walreceiver.ErrAuth)
	require.NotContains(t, relay.out.String(), "secret")
	require.NotContains(t, relay.out.String(), "SCRAM-SHA-256$")
}

// makeSlot makes a slot on a relay.
func makeSlot(t *testing.T, conninfo, name string) {
	t.Helper()
	conn, err := walreceiver.Connect(t.Context(), conninfo, walreceiver.ConnectOptions{})
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.CreateSlot(t.Context(), name, walreceiver.SlotOptions{}))
}

// TestArchive: an archive that pg_receivewal fills is served, compressed segments too, and a chain of relays behind it.
func TestArchive(t *testing.T) {
	t.Parallel()
	primary := newPrimary(t)
	archive := pgserver.TempDir(t)
	first := write(t, primary, 2)
	makeSlot(t, primary.ConnString(), "archive")
	stop := pgReceivewal(t, archive, primary.ConnString(), "--slot", "archive", "--compress", "gzip")
	write(t, primary, 2)
	waitFile(t, archive, write(t, primary, 2)+".gz")
	near := startRelay(t, freeAddr(), "-D", archive, "--rescan", "100ms")
	middle := startRelay(t, freeAddr(), "-D", filepath.Join(t.TempDir(), "middle"), "-d", near.conninfo())
	far := pgserver.TempDir(t)
	pgReceivewal(t, far, middle.conninfo())
	waitFile(t, far, write(t, primary, 2))
	stop()
	requireSameSegments(t, far, primary)
	_, err := os.Stat(filepath.Join(far, first))
	require.Error(t, err)
}

// TestRemove: a relay that removes old log keeps what a slot needs.
func TestRemove(t *testing.T) {
	t.Parallel()
	primary := newPrimary(t)
	archive := filepath.Join(t.TempDir(), "archive")
	relay := startRelay(t, freeAddr(), "-D", archive, "-d", primary.ConnString(), "--remove")
	first := write(t, primary, 2)
	require.Eventually(t, func() bool {
		write(t, primary, 1)
		_, err := os.Stat(filepath.Join(archive, first))
		return err != nil
	}, patience, 5*tick, "nothing was removed")

	waitStreaming(t, relay, archive)
	makeSlot(t, relay.conninfo(), "keeper")
	kept := write(t, primary, 1)
	last := write(t, primary, 4)
	waitFile(t, archive, last)
	waitFile(t, archive, write(t, primary, 1))
	_, err := os.Stat(filepath.Join(archive, kept))
	require.NoError(t, err)
	far := pgserver.TempDir(t)
	pgReceivewal(t, far, relay.conninfo(), "--slot", "keeper", "--synchronous")
	waitFile(t, far, write(t, primary, 1))
	requireSameSegments(t, far, primary)
	require.Eventually(t, func() bool {
		write(t, primary, 1)
		_, err := os.Stat(filepath.Join(archive, kept))
		return err != nil
	}, patience, 5*tick, "what the slot let go was not removed")
}

// waitStreaming waits until a relay has log to offer.
func waitStreaming(t *testing.T, relay *program, archive string) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := walreceiver.Connect(context.Background(), relay.conninfo(), walreceiver.ConnectOptions{})
		if err != nil {
			return false
		}
		defer conn.Close()
		id, err := conn.IdentifySystem(context.Background())
		return err == nil && id.XLogPos.Valid()
	}, patience, tick, "the relay of %s has no log", archive)
}
