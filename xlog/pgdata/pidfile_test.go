// SPDX-License-Identifier: Apache-2.0

//go:build linux

package pgdata

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// helperVar makes the test program hold a data directory until SIGINT, in place of running tests.
const helperVar = "WALMIRROR_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVar); dir != "" {
		if err := hold(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func hold(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	d, err := Open(vfs.OS, dir)
	if err != nil {
		return err
	}
	l, err := d.Lock(5999)
	if err != nil {
		return err
	}
	fmt.Println("held")
	<-ctx.Done()
	return l.Close()
}

// holder is a process that holds a data directory.
type holder struct {
	*os.Process
	done chan struct{}
	err  error // how it ended, when done is closed
}

// end waits for the process, which is gone then and no zombie.
func (h *holder) end() error {
	<-h.done
	return h.err
}

// startHolder has a process of the server's user hold a data directory.
func startHolder(t *testing.T, dir string) *holder {
	t.Helper()
	program := filepath.Join(pgserver.TempDir(t), "holder")
	copyProgram(t, program)
	cmd := exec.Command(program)
	cmd.Env = []string{helperVar + "=" + dir}
	cmd.Stderr = os.Stderr
	pgserver.RunAs(cmd)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	h := &holder{Process: cmd.Process, done: make(chan struct{})}
	go func() {
		h.err = cmd.Wait()
		close(h.done)
	}()
	t.Cleanup(func() {
		_ = h.Kill()
		_ = h.end()
	})
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	return h
}

// copyProgram copies this program, by another one: a process that is forked here while the copy is written would have it
// open, and then it cannot be run ("text file busy").
func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	out, err := exec.Command("cp", self, to).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.Chmod(to, 0o755))
}

// pgCtl runs pg_ctl of the server's version and returns its output.
func pgCtl(t *testing.T, s *pgserver.Server, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := s.Command(ctx, "pg_ctl", append(args, "-D", s.DataDir)...).CombinedOutput()
	return string(out), err
}

// TestLockOracle: PostgreSQL and pg_ctl see us as a server, and we see them.
func TestLockOracle(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})

		p, err := ReadPIDFile(vfs.OS, s.DataDir)
		require.NoError(t, err)
		require.Equal(t, s.PID(), p.PID)
		require.Equal(t, s.Port, p.Port)
		require.Equal(t, "ready", p.Status)
		require.NotZero(t, p.ShmemKey)
		require.True(t, p.Running())
		require.True(t, sharedMemoryInUse(p.ShmemKey, p.ShmemID))
		_, err = Acquire(vfs.OS, s.DataDir, 0)
		requireLocked(t, err, s.PID())
		require.NoError(t, s.Stop(pgserver.Fast))
		require.False(t, sharedMemoryInUse(p.ShmemKey, p.ShmemID))

		h := startHolder(t, s.DataDir)
		out, err := pgCtl(t, s, "status")
		require.NoError(t, err, out)
		require.Contains(t, out, fmt.Sprintf("server is running (PID: %d)", h.Pid))
		require.Error(t, s.Start())
		require.Contains(t, s.Log(), `lock file "postmaster.pid" already exists`)
		require.Contains(t, s.Log(), fmt.Sprintf("Is another postmaster (PID %d)", h.Pid))
		_, err = Acquire(vfs.OS, s.DataDir, 0)
		requireLocked(t, err, h.Pid)

		out, err = pgCtl(t, s, "stop", "-m", "fast", "-w")
		require.NoError(t, err, out)
		require.NoError(t, h.end())
		require.NoFileExists(t, filepath.Join(s.DataDir, PIDFileName))

		h = startHolder(t, s.DataDir)
		require.NoError(t, h.Kill())
		require.Error(t, h.end())
		require.FileExists(t, filepath.Join(s.DataDir, PIDFileName))
		require.NoError(t, s.Start(), "a stale file of ours does not stop a server")
		require.Equal(t, "1", s.Value(t, "SELECT 1"))

		require.NoError(t, s.Kill())
		require.FileExists(t, filepath.Join(s.DataDir, PIDFileName))
		h = startHolder(t, s.DataDir) // takes over the stale file of a server
		require.NoError(t, h.Signal(os.Interrupt))
		require.NoError(t, h.end())
		require.NoError(t, s.Start())
	})
}

func requireLocked(t *testing.T, err error, pid int) {
	t.Helper()
	require.ErrorIs(t, err, vfs.ErrLocked)
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, pid, locked.PID)
	require.ErrorContains(t, err, PIDFileName)
}

// TestLockOrphans: the postmaster was killed, but a backend of it lives on and may still write.
func TestLockOrphans(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, pgserver.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Connect(ctx)
	require.NoError(t, err)
	defer conn.Close(ctx)
	var backend int
	require.NoError(t, conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend))
	require.NoError(t, syscall.Kill(backend, syscall.SIGSTOP))
	defer func() { _ = syscall.Kill(backend, syscall.SIGKILL) }()
	postmaster := s.PID()
	require.NoError(t, syscall.Kill(postmaster, syscall.SIGKILL))
	require.Eventually(t, func() bool { return !(&PIDFile{PID: postmaster}).Running() }, time.Minute, time.Millisecond)

	_, err = Acquire(vfs.OS, s.DataDir, 0)
	requireLocked(t, err, 0)
	require.ErrorContains(t, err, "shared memory")

	require.NoError(t, syscall.Kill(backend, syscall.SIGKILL))
	var l *Lock
	require.Eventually(t, func() bool {
		l, err = Acquire(vfs.OS, s.DataDir, 0)
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, l.Close())
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, PIDFileName)
	l, err := Acquire(vfs.OS, dir, 5432)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.Len(t, lines, 9)
	require.Equal(t, strconv.Itoa(os.Getpid()), lines[0])
	require.Equal(t, dir, lines[1])
	require.Equal(t, []string{"5432", "", "", "", "standby ", ""}, lines[3:])
	require.NoError(t, l.Check())

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	_, err = Acquire(vfs.OS, link, 0)
	requireLocked(t, err, os.Getpid())

	require.NoError(t, l.Close())
	require.NoFileExists(t, path)
	require.Error(t, l.Check())
	require.NoError(t, l.Close())

	_, err = Acquire(vfs.OS, filepath.Join(dir, "none"), 0)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestLockStale: what an older file says decides whether it is in the way.
func TestLockStale(t *testing.T) {
	t.Parallel()
	gone := exec.Command("true")
	require.NoError(t, gone.Run())
	stale := []string{
		fmt.Sprintf("%d\n", gone.Process.Pid),
		fmt.Sprintf("-%d\n/data\n", gone.Process.Pid),
		fmt.Sprintf("%d\n", os.Getpid()),
		fmt.Sprintf("%d\n", os.Getppid()),
		fmt.Sprintf("%d\n/data\n1\n5432\n/run\n127.0.0.1\n  5432001  2147483647\nready   \n", gone.Process.Pid),
	}
	for _, text := range stale {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, PIDFileName), []byte(text), 0o600))
		l, err := Acquire(vfs.OS, dir, 0)
		require.NoError(t, err, "%q", text)
		require.NoError(t, l.Close())
	}
	live := exec.Command("sleep", "600")
	require.NoError(t, live.Start())
	defer func() {
		_ = live.Process.Kill()
		_ = live.Wait()
	}()
	for text, pid := range map[string]int{
		"":                                     0,
		"x\n":                                  0,
		"0\n":                                  0,
		"\n12\n":                               0,
		"12 34\n":                              0,
		"1\n":                                  1,
		fmt.Sprintf("%d\n", live.Process.Pid):  live.Process.Pid,
		fmt.Sprintf("-%d\n", live.Process.Pid): live.Process.Pid,
	} {
		if pid == 1 && os.Getuid() != 0 {
			continue // another user's process is not in the way
		}
		dir := t.TempDir()
		path := filepath.Join(dir, PIDFileName)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Acquire(vfs.OS, dir, 0)
		requireLocked(t, err, pid)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(kept))
	}
}

// TestLockLost: somebody removed our file and made another.
func TestLockLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, PIDFileName)
	l, err := Acquire(vfs.OS, dir, 0)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("1\n"), 0o600))
	require.ErrorContains(t, l.Check(), "no longer ours")
	require.NoError(t, l.Close())
	require.FileExists(t, path)
}

func TestReadPIDFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := ReadPIDFile(vfs.OS, dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	path := filepath.Join(dir, PIDFileName)
	require.NoError(t, os.WriteFile(path, []byte("bogus\n"), 0o600))
	_, err = ReadPIDFile(vfs.OS, dir)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(path,
		[]byte("-12\n/data dir\n1700000000\n5433\n/run\n*\n   100        7\nstarting\n"), 0o600))
	p, err := ReadPIDFile(vfs.OS, dir)
	require.NoError(t, err)
	require.Equal(t, &PIDFile{
		PID: 12, Standalone: true, DataDir: "/data dir", StartTime: 1700000000, Port: 5433,
		SocketDir: "/run", ListenAddr: "*", ShmemKey: 100, ShmemID: 7, Status: "starting",
	}, p)
}
