// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/examples/internal/clitest"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// programVar makes the test program be receivewal.
const programVar = "WALMIRROR_TEST_RECEIVEWAL"

func TestMain(m *testing.M) {
	if os.Getenv(programVar) != "" {
		main()
	}
	os.Exit(m.Run())
}

const mib = xlog.SegmentSize(1 << 20)

// newServer has segments of 1 MiB and keeps them.
func newServer(t *testing.T, settings map[string]string) *pgserver.Server {
	t.Helper()
	all := map[string]string{"max_wal_size": "4GB", "wal_keep_size": "2GB", "autovacuum": "off"}
	for k, v := range settings {
		all[k] = v
	}
	return pgserver.Start(t, pgserver.Options{WALSegmentMB: 1, Settings: all})
}

// program is a running receivewal or pg_receivewal.
type program struct {
	*exec.Cmd
	t    *testing.T
	out  *clitest.Output
	done chan struct{}
	err  error
}

// ours starts receivewal.
func ours(t *testing.T, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), programVar+"=1")
	return start(t, cmd)
}

// theirs starts pg_receivewal.
func theirs(t *testing.T, args ...string) *program {
	t.Helper()
	return start(t, exec.Command(pgserver.RequireTool(t, "pg_receivewal"), args...))
}

func start(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{Cmd: cmd, t: t, out: new(clitest.Output), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	require.NoError(t, cmd.Start())
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.done
	})
	return p
}

// end waits for the program and returns its exit code, -1 after a signal.
func (p *program) end() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(3 * time.Minute):
		require.FailNow(p.t, "does not end", "%v\n%s", p.Args, p.out)
	}
	return p.ProcessState.ExitCode()
}

// ok waits for the program, which has to succeed, and returns what it printed.
func (p *program) ok() string {
	p.t.Helper()
	require.Zero(p.t, p.end(), "%v\n%s", p.Args, p.out)
	return p.out.String()
}

// fails waits for the program, which has to fail, and returns what it printed.
func (p *program) fails() string {
	p.t.Helper()
	require.Equal(p.t, 1, p.end(), "%v\n%s", p.Args, p.out)
	return p.out.String()
}

// waitFor waits until the program has printed something.
func (p *program) waitFor(pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	require.Eventually(p.t, func() bool { return re.MatchString(p.out.String()) }, 3*time.Minute, 5*time.Millisecond,
		"%s is missing in:\n%s", pattern, p.out)
}

// waitForSegmentBefore waits until the segment before the one with lsn was received.
func (p *program) waitForSegmentBefore(lsn xlog.LSN) {
	p.t.Helper()
	p.waitFor(fmt.Sprintf("finished segment at %s ", mib.RoundDown(lsn)))
}

func (p *program) kill() {
	p.t.Helper()
	require.NoError(p.t, p.Process.Kill())
	<-p.done
}

// fill makes the server write about mb megabytes of log and returns a position behind them, which is flushed.
func fill(t *testing.T, s *pgserver.Server, mb int) xlog.LSN {
	t.Helper()
	s.SQL(t, "CREATE TABLE IF NOT EXISTS filler (t text)")
	for range mb {
		s.SQL(t, "INSERT INTO filler SELECT repeat(md5(random()::text), 30) FROM generate_series(1, 1000)")
	}
	lsn, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	s.SQL(t, "INSERT INTO filler SELECT 'behind' FROM generate_series(1, 100)")
	return lsn
}

// list names the files of an archive but for lock files.
func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// requireSameArchives compares two archives that were both received up to end: complete segments and history files
// byte for byte, the partial segment up to end. It returns the number of complete segments.
func requireSameArchives(t *testing.T, want, got string, end xlog.LSN) int {
	t.Helper()
	require.Equal(t, list(t, want), list(t, got))
	segments := 0
	for _, name := range list(t, want) {
		a, err := os.ReadFile(filepath.Join(want, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(got, name))
		require.NoError(t, err)
		if strings.HasSuffix(name, xlog.PartialSuffix) {
			n := mib.Offset(end)
			a, b = a[:n], b[:n]
		} else if xlog.IsSegmentName(name) {
			segments++
			require.Len(t, a, int(mib))
		}
		require.True(t, bytes.Equal(a, b), "%s differs", name)
	}
	require.NotZero(t, segments)
	return segments
}

// requireOnServer compares the complete segments of an archive with the server's own. It returns their number.
func requireOnServer(t *testing.T, s *pgserver.Server, archive string) int {
	t.Helper()
	segments := 0
	for _, name := range list(t, archive) {
		if !xlog.IsSegmentName(name[:min(24, len(name))]) || strings.HasSuffix(name, xlog.PartialSuffix) {
			continue
		}
		want, err := os.ReadFile(filepath.Join(s.DataDir, "pg_wal", name[:24]))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, readSegment(t, filepath.Join(archive, name))), "%s differs", name)
		segments++
	}
	return segments
}

func readSegment(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var r io.Reader = f
	switch filepath.Ext(path) {
	case ".gz":
		r, err = gzip.NewReader(f)
	case ".lz4":
		r = lz4.NewReader(f)
	case ".zst":
		var z *zstd.Decoder
		z, err = zstd.NewReader(f)
		r = z
	}
	require.NoError(t, err)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	return p
}

// TestSideBySide runs both programs against one server, through slots, and compares what they received.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	conn := []string{"-d", s.ConnString(), "--no-password"}
	a, b := t.TempDir(), t.TempDir()
	for _, slot := range []string{"a", "b"} { // pg_receivewal's would keep nothing before it is first used
		ours(t, append(conn, "-S", slot, "--create-slot")...).ok()
	}
	fill(t, s, 3)
	pa := theirs(t, append(conn, "-D", a, "-S", "a", "-v")...)
	pb := ours(t, append(conn, "-D", b, "-S", "b", "-v")...)
	pa.waitFor("starting log streaming")
	pb.waitFor("starting log streaming")
	end := fill(t, s, 5)
	pa.waitForSegmentBefore(end)
	pb.waitForSegmentBefore(end)
	require.NoError(t, pa.Process.Signal(os.Interrupt))
	require.NoError(t, pb.Process.Signal(os.Interrupt))
	require.Contains(t, pa.ok(), "received interrupt signal, exiting")
	require.Contains(t, pb.ok(), "received interrupt signal, exiting")

	end = fill(t, s, 3)
	said := theirs(t, append(conn, "-D", a, "-S", "a", "-v", "--endpos", end.String())...).ok()
	mine := ours(t, append(conn, "-D", b, "-S", "b", "-v", "--endpos", end.String())...).ok()
	require.Equal(t, messages(said), messages(mine))
	t.Logf("%d segments are the same", requireSameArchives(t, a, b, end))
	requireOnServer(t, s, b)

	// Each goes on where the other stopped.
	end = fill(t, s, 3)
	said = theirs(t, append(conn, "-D", b, "-S", "b", "-v", "--endpos", end.String())...).ok()
	mine = ours(t, append(conn, "-D", a, "-S", "a", "-v", "--endpos", end.String())...).ok()
	require.Equal(t, messages(said), messages(mine))
	t.Logf("%d segments are the same", requireSameArchives(t, a, b, end))
}

// messages are the lines without the program's name, and without the position at which streaming stopped, which
// depends on how the server cut its messages. pg_receivewal prints that line once or twice.
func messages(out string) []string {
	out = regexp.MustCompile(`(?m)^(pg_)?receivewal: `).ReplaceAllString(out, "")
	out = regexp.MustCompile(`stopped log streaming at \S+`).ReplaceAllString(out, "stopped log streaming at X")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := len(lines) - 1
	if slices.Index(lines, lines[last]) < last {
		lines = lines[:last]
	}
	return lines
}

// TestPromotion follows a standby that is promoted, next to pg_receivewal.
func TestPromotion(t *testing.T) {
	t.Parallel()
	primary := newServer(t, nil)
	standby := primary.Standby(t, pgserver.Options{})
	conn := []string{"-d", standby.ConnString(), "--no-password"}
	a, b := t.TempDir(), t.TempDir()
	for _, slot := range []string{"a", "b"} { // pg_receivewal's would keep nothing before it is first used
		ours(t, append(conn, "-S", slot, "--create-slot")...).ok()
	}
	pa := theirs(t, append(conn, "-D", a, "-S", "a", "-v")...)
	pb := ours(t, append(conn, "-D", b, "-S", "b", "-v")...)
	fill(t, primary, 3)
	pa.waitFor("finished segment")
	pb.waitFor("finished segment")
	require.NoError(t, primary.Stop(pgserver.Fast))
	require.NoError(t, standby.Promote())
	pa.waitFor("switched to timeline 2")
	pb.waitFor("switched to timeline 2")
	end := fill(t, standby, 3)
	for _, p := range []*program{pa, pb} {
		p.waitForSegmentBefore(end)
		require.NoError(t, p.Process.Signal(os.Interrupt))
		p.ok()
	}
	end = fill(t, standby, 2)
	theirs(t, append(conn, "-D", a, "-S", "a", "--endpos", end.String())...).ok()
	ours(t, append(conn, "-D", b, "-S", "b", "--endpos", end.String())...).ok()
	require.FileExists(t, filepath.Join(b, "00000002.history"))
	t.Logf("%d segments are the same", requireSameArchives(t, a, b, end))
}

// TestKill kills the program while log comes in, again and again.
func TestKill(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	dir := t.TempDir()
	conn := []string{"-d", s.ConnString(), "-w", "-S", "s"}
	ours(t, append(conn, "--create-slot")...).ok()
	writing, stop := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	go func() { wrote <- write(writing, s) }()
	for range 6 {
		p := ours(t, append(conn, "-D", dir, "--verify", "-v")...)
		p.waitFor("finished segment")
		time.Sleep(rand.N(300 * time.Millisecond))
		p.kill()
	}
	stop()
	require.NoError(t, <-wrote)
	end := fill(t, s, 1)
	ours(t, append(conn, "-D", dir, "--verify", "-E", end.String())...).ok()
	segments := requireOnServer(t, s, dir)
	require.GreaterOrEqual(t, segments, 6)
	first, _, err := mib.ParseName(list(t, dir)[0])
	require.NoError(t, err)
	require.EqualValues(t, 1, first)
	_, number, err := mib.ParseName(list(t, dir)[segments-1])
	require.NoError(t, err)
	require.Equal(t, mib.Number(end), number+1, "no segment is missing")
	t.Logf("%d segments are the server's", segments)
}

// write inserts until ctx ends.
func write(ctx context.Context, s *pgserver.Server) error {
	conn, err := s.Connect(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(context.WithoutCancel(ctx), "CREATE TABLE filler (t text)")
	for err == nil && ctx.Err() == nil {
		_, err = conn.Exec(context.WithoutCancel(ctx),
			"INSERT INTO filler SELECT repeat(md5(random()::text), 30) FROM generate_series(1, 300)")
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func TestCompress(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	conn := []string{"-d", s.ConnString(), "-w", "-v"}
	for _, method := range []struct{ option, suffix string }{
		{"gzip:1", ".gz"}, {"6", ".gz"}, {"lz4", ".lz4"}, {"zstd:3", ".zst"},
	} {
		dir := t.TempDir()
		slot := "s" + strings.NewReplacer(":", "_").Replace(method.option)
		ours(t, append(conn, "-S", slot, "--create-slot")...).ok()
		end := fill(t, s, 4)
		receive := append(conn, "-D", dir, "-S", slot, "-Z", method.option, "-E")
		ours(t, append(receive, end.String())...).ok()
		compressed := 0
		for _, name := range list(t, dir) {
			if strings.HasSuffix(name, method.suffix) {
				compressed++
			}
		}
		require.Equal(t, compressed, requireOnServer(t, s, dir), "%v", list(t, dir))
		require.GreaterOrEqual(t, compressed, 2)
		if method.suffix == ".gz" {
			out, err := exec.Command("gunzip", "-t", filepath.Join(dir, list(t, dir)[0])).CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		next := end
		if method.suffix != ".zst" { // which pg_receivewal does not know
			next = fill(t, s, 2)
			said := theirs(t, append(receive, next.String())...).ok()
			require.Contains(t, said, fmt.Sprintf("starting log streaming at %s (timeline 1)", mib.RoundDown(end)))
			requireOnServer(t, s, dir)
		}
		end = fill(t, s, 2)
		said := ours(t, append(receive, end.String())...).ok()
		require.Contains(t, said, fmt.Sprintf("starting log streaming at %s (timeline 1)", mib.RoundDown(next)))
		t.Logf("%s: %d segments are the server's", method.option, requireOnServer(t, s, dir))
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	conn := []string{"-d", s.ConnString(), "-w", "-v", "--slot=s1"}
	slots := func() [][]string {
		return s.SQL(t, "SELECT slot_name, slot_type, temporary, restart_lsn IS NOT NULL FROM pg_replication_slots")
	}
	require.Contains(t, ours(t, append(conn, "--create-slot")...).ok(), `creating replication slot "s1"`)
	require.Equal(t, [][]string{{"s1", "physical", "f", "t"}}, slots())
	require.Contains(t, ours(t, append(conn, "--create-slot")...).fails(), `replication slot "s1" already exists`)
	ours(t, append(conn, "--create-slot", "--if-not-exists")...).ok()
	require.Contains(t, ours(t, append(conn, "--drop-slot")...).ok(), `dropping replication slot "s1"`)
	require.Empty(t, slots())
	require.Contains(t, ours(t, append(conn, "--drop-slot")...).fails(), `replication slot "s1" does not exist`)
	out := ours(t, append(conn, "-D", t.TempDir(), "--no-loop")...).fails()
	require.Contains(t, out, "does not exist")
	require.Contains(t, out, "receivewal: error: disconnected\n")
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	dir := t.TempDir()
	p := ours(t, "-d", s.ConnString(), "-w", "-v", "-D", dir, "-s", "1")
	p.waitFor("starting log streaming")
	fill(t, s, 2)
	once := ours(t, "-d", s.ConnString(), "-w", "-v", "-D", t.TempDir(), "--no-loop")
	once.waitFor("starting log streaming")

	second := ours(t, "-d", s.ConnString(), "-w", "-D", dir).fails()
	require.Contains(t, second, fmt.Sprintf("PID %d", p.Process.Pid))

	require.NoError(t, s.Restart(pgserver.Immediate))
	require.Contains(t, once.fails(), "receivewal: error: disconnected\n")
	p.waitFor(`disconnected; waiting [2-5] seconds to try again`)
	p.waitFor(`(?s)disconnected.*starting log streaming`)
	end := fill(t, s, 2)
	p.waitForSegmentBefore(end)
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	p.ok()
	t.Logf("%d segments are the server's", requireOnServer(t, s, dir))
}

// TestFullDisk fills the disk, and clears it while the program waits.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	ours(t, "-d", s.ConnString(), "-w", "-S", "s", "--create-slot").ok()
	end := fill(t, s, 8)
	disk := faultfs.New()
	require.NoError(t, disk.Mkdir("/wal", vfs.DirMode))
	disk.SetSpace(4 << 20)
	dir, err := waldir.Open(waldir.Config{Path: "/wal", FS: disk, SegmentSize: mib, Partial: true})
	require.NoError(t, err)
	defer dir.Close()
	out := new(clitest.Output)
	o := &options{slot: "s", stopAt: end, server: server{dbname: s.ConnString()}, interval: 10}
	o.noLoop = true
	err = stream(t.Context(), o, dir, 0, &logger{w: out, size: mib})
	require.ErrorIs(t, err, syscall.ENOSPC)
	o.noLoop = false
	done := make(chan error, 1)
	go func() { done <- stream(t.Context(), o, dir, 0, &logger{w: out, size: mib}) }()
	require.Eventually(t, func() bool {
		return strings.Contains(out.String(), "disconnected; waiting 5 seconds to try again")
	}, time.Minute, time.Millisecond)
	require.Contains(t, out.String(), syscall.ENOSPC.Error())
	disk.Heal()
	require.NoError(t, <-done, out)
	flushed, err := dir.Sync()
	require.NoError(t, err)
	require.Greater(t, flushed, end)

	got := make([]byte, mib)
	segments := 0
	for n := mib.Number(end) - 5; n < mib.Number(end); n++ {
		_, err := dir.ReadAt(1, got, mib.Start(n))
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(s.DataDir, "pg_wal", mib.Name(1, n)))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "segment %d", n)
		segments++
	}
	t.Logf("%d segments are the server's", segments)
}

func TestPassword(t *testing.T) {
	t.Parallel()
	const secret = "pa'ss\\ w%2Frd"
	s := pgserver.Start(t, pgserver.Options{Password: secret})
	with := func(password string, args ...string) *program {
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.Command(self, append(args, "-h", "127.0.0.1", "-p", fmt.Sprint(s.Port), "-U", "postgres", "-S", "s")...)
		cmd.Env = append(os.Environ(), programVar+"=1")
		cmd.Stdin = strings.NewReader(password + "\n")
		return start(t, cmd)
	}
	with(secret, "--create-slot", "-W").ok()
	with(secret, "--drop-slot", "-W", "-d", "postgresql://nobody@nowhere:1/").ok()
	for _, args := range [][]string{{"--create-slot", "-W"}, {"--create-slot", "-W", "-d", "postgresql:///"}} {
		out := with("wrong-one", args...).fails()
		require.Contains(t, out, "password authentication failed")
		require.NotContains(t, out, "wrong-one")
	}
	with(secret, "--create-slot", "-w").fails()
	require.Contains(t, with("", "--create-slot", "-W").fails(), "could not read a password")
}

// TestUsage needs no server.
func TestUsage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, tt := range []struct {
		args string
		want string
		hint bool
	}{
		{"", "no target directory specified", true},
		{"-D d more", `too many command-line arguments (first is "more")`, true},
		{"--create-slot --drop-slot -S s", "cannot use --create-slot together with --drop-slot", true},
		{"--create-slot", "--create-slot needs a slot to be specified using --slot", true},
		{"--drop-slot", "--drop-slot needs a slot to be specified using --slot", true},
		{"-D d --synchronous --no-sync", "cannot use --synchronous together with --no-sync", true},
		{"-D d -w -W", "cannot use --password together with --no-password", true},
		{"-D d --unknown", "unknown flag", true},
		{"-D d -s -1", "must be in range 0..2147483", false},
		{"-D d -E 12", `could not parse end position "12"`, false},
		{"-D d -Z lzma", `unrecognized compression algorithm "lzma"`, false},
		{"-D d -Z gzip:11", "compression level", false},
		{"-D /nonexistent", "could not open directory", false},
		{"-D " + file, "could not open directory", false},
		{"-S s --create-slot -d postgresql://u:secret@[", "invalid connection string", false},
		{"-S s --create-slot -w -h 127.0.0.1 -p 1", "connect", false},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(t.Context(), strings.Fields(tt.args), &stdout, &stderr), tt.args)
		require.Empty(t, stdout.String())
		require.Contains(t, stderr.String(), "receivewal: error: ", tt.args)
		require.Contains(t, stderr.String(), tt.want, tt.args)
		require.Equal(t, tt.hint, strings.Contains(stderr.String(), `hint: Try "receivewal --help"`), tt.args)
		require.NotContains(t, stderr.String(), "secret")
	}
	for _, flag := range []string{"--help", "-?", "--version", "-V"} {
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(t.Context(), []string{flag}, &stdout, &stderr))
		require.Contains(t, stdout.String(), "receivewal")
		require.Empty(t, stderr.String())
	}
}

func TestConnString(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s    server
		want string
	}{
		{server{}, " fallback_application_name='receivewal'"},
		{server{dbname: "template1", host: "h"}, " host='h' fallback_application_name='receivewal'"},
		{
			server{dbname: "host=a port=1", port: "2", user: `o'b\`, password: "p w"},
			`host=a port=1 port='2' user='o\'b\\' password='p w' fallback_application_name='receivewal'`,
		},
		{
			server{dbname: "postgresql://a@b:1/?sslmode=disable", port: "2", user: "c d"},
			"postgresql://a@b:1/?sslmode=disable&port=2&user=c%20d&fallback_application_name=receivewal",
		},
		{
			server{dbname: "postgres://a,b/d", host: "&=+%"},
			"postgres://a,b/d?host=%26%3D%2B%25&fallback_application_name=receivewal",
		},
	} {
		require.Equal(t, tt.want, tt.s.connString())
	}
}
