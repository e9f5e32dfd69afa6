// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is one PostgreSQL server and its directory. Its methods are not for concurrent use, but those that run SQL are.
type Server struct {
	Major     int
	Port      int
	BinDir    string
	DataDir   string
	SocketDir string // "" when its path is too long for a socket
	LogFile   string

	opts Options
	work *workDir
	proc *process // nil before the first start; its done is closed when it does not run
}

// Mode is a way to shut down; the number is the signal that asks the postmaster for it.
type Mode int

// The modes of pg_ctl stop.
const (
	Smart     = Mode(syscall.SIGTERM) // waits for clients to go
	Fast      = Mode(syscall.SIGINT)  // ends sessions, writes a checkpoint
	Immediate = Mode(syscall.SIGQUIT) // no checkpoint: recovery at the next start
)

// A server that has not ended in this time after it was asked to is killed.
const (
	stopTimeout  = time.Minute
	closeTimeout = 10 * time.Second
)

// New makes a data directory and starts a server on it. ctx bounds this call only. The caller closes the server.
func New(ctx context.Context, opts Options) (*Server, error) {
	s, err := prepare(opts)
	if err != nil {
		return nil, err
	}
	if err = s.initdb(ctx); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the directory around a server.
func prepare(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	bin, err := BinDir(opts.Major)
	if err != nil {
		return nil, err
	}
	work, err := newWorkDir()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Major:   opts.Major,
		Port:    opts.Port,
		BinDir:  bin,
		DataDir: filepath.Join(work.path, "data"),
		LogFile: filepath.Join(work.path, "server.log"),
		opts:    opts,
		work:    work,
	}
	sock, err := work.mkdir("sock")
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if len(sock) < 90 { // a socket's path has at most 107 bytes
		s.SocketDir = sock
	}
	return s, nil
}

func (s *Server) initdb(ctx context.Context) error {
	if _, err := s.work.mkdir("data"); err != nil {
		return err
	}
	template := s.template()
	copied, err := s.fromTemplate(template)
	if err == nil && !copied {
		err = s.makeData(ctx, template)
	}
	if err != nil {
		return err
	}
	if err := s.prependHBA(); err != nil {
		return err
	}
	return s.Configure(s.opts.settings())
}

// makeData runs initdb, and keeps what it made.
func (s *Server) makeData(ctx context.Context, template string) error {
	pwfile := filepath.Join(s.work.path, "password")
	if s.opts.Password != "" {
		if err := os.WriteFile(pwfile, []byte(s.opts.Password+"\n"), 0o600); err != nil {
			return err
		}
		defer os.Remove(pwfile)
		if err := Chown(pwfile); err != nil {
			return err
		}
	}
	out, err := s.Command(ctx, "initdb", s.opts.initdbArgs(s.DataDir, pwfile)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pgserver: initdb: %w\n%s", err, out)
	}
	if template == "" {
		return nil
	}
	return keep(s.DataDir, template)
}

func (s *Server) prependHBA() error {
	if len(s.opts.HBA) == 0 {
		return nil
	}
	name := filepath.Join(s.DataDir, "pg_hba.conf")
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, append([]byte(strings.Join(s.opts.HBA, "\n")+"\n"), old...), 0o600)
}

// Configure adds settings to the end of postgresql.conf. They count from the next start, or Reload, on.
func (s *Server) Configure(settings map[string]string) error {
	f, err := os.OpenFile(filepath.Join(s.DataDir, "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(confLines(settings))
	return errors.Join(err, f.Close())
}

// Reload makes a running server read its configuration again.
func (s *Server) Reload() error {
	if !s.Running() {
		return fmt.Errorf("pgserver: reload: the server does not run")
	}
	return s.proc.signal(syscall.SIGHUP)
}

// Start starts a server that was stopped or killed, on the same port, and returns when it accepts connections, or,
// with hot_standby off, follows its primary.
func (s *Server) Start() error { return s.start(context.Background()) }

func (s *Server) start(ctx context.Context) error {
	if s.Running() {
		return fmt.Errorf("pgserver: the server runs already")
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	pick := s.Port == 0
	for attempt := 1; ; attempt++ {
		if pick {
			s.Port = freePort()
		}
		err := s.startOnce(ctx)
		if err == nil || !pick || attempt == 5 || !errors.Is(err, errPortTaken) {
			return err
		}
	}
}

var errPortTaken = errors.New("the port is taken")

func (s *Server) startOnce(ctx context.Context) error {
	log, err := os.OpenFile(s.LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	before, err := log.Seek(0, 2)
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(s.BinDir, "postgres"), "-D", s.DataDir, "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+s.SocketDir)
	cmd.Dir, cmd.Env = s.DataDir, cleanEnv()
	cmd.Stdout, cmd.Stderr = log, log
	if s.proc, err = launch(cmd); err != nil {
		return err
	}
	if err = s.waitReady(ctx); err == nil {
		return nil
	}
	said := s.Log()[before:]
	if strings.Contains(said, "Address already in use") {
		err = errors.Join(err, errPortTaken)
	}
	return fmt.Errorf("pgserver: PostgreSQL %d did not start: %w\n%s", s.Major, err, said)
}

// waitReady follows the last line of postmaster.pid, as pg_ctl does: "ready" accepts connections, "standby" replays
// and accepts none (miscadmin.h, PM_STATUS_*).
func (s *Server) waitReady(ctx context.Context) error {
	for {
		switch status := s.status(); status {
		case "ready", "standby":
			return nil
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("it ended: %w", endError(s.proc.err))
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Kill())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func endError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// status is the postmaster's own word in postmaster.pid; "" when the file is not that of the running postmaster.
func (s *Server) status() string {
	lines := s.pidFile()
	if len(lines) < 8 || lines[0] != strconv.Itoa(s.proc.pid) {
		return ""
	}
	return strings.TrimSpace(lines[7])
}

// pidFile is the lines of postmaster.pid (miscadmin.h, LOCK_FILE_LINE_*).
func (s *Server) pidFile() []string {
	data, err := os.ReadFile(filepath.Join(s.DataDir, "postmaster.pid"))
	if err != nil {
		return nil
	}
	return strings.Split(string(data), "\n")
}

// Running says whether the postmaster runs.
func (s *Server) Running() bool {
	if s.proc == nil {
		return false
	}
	select {
	case <-s.proc.done:
		return false
	default:
		return true
	}
}

// PID is the postmaster's process id, 0 when it does not run.
func (s *Server) PID() int {
	if !s.Running() {
		return 0
	}
	return s.proc.pid
}

// Stop shuts the server down and waits for its end. Stopping one that does not run is no error.
func (s *Server) Stop(mode Mode) error { return s.stop(mode, stopTimeout) }

func (s *Server) stop(mode Mode, timeout time.Duration) error {
	if !s.Running() {
		return nil
	}
	if err := s.proc.signal(syscall.Signal(mode)); err != nil {
		return err
	}
	select {
	case <-s.proc.done:
		return nil
	case <-time.After(timeout):
		return errors.Join(fmt.Errorf("pgserver: not stopped within %v, killed", timeout), s.Kill())
	}
}

// Kill ends the postmaster and every process below it with SIGKILL, as a crash of the machine's memory would.
func (s *Server) Kill() error {
	if !s.Running() {
		return nil
	}
	return s.proc.kill()
}

// Restart stops the server, if it runs, and starts it again on the same port.
func (s *Server) Restart(mode Mode) error {
	if err := s.Stop(mode); err != nil {
		return err
	}
	return s.Start()
}

// Close ends the server and removes everything that was made for it. An adopted data directory stays.
func (s *Server) Close() error {
	err := s.stop(Immediate, closeTimeout)
	if lines := s.pidFile(); s.proc != nil && len(lines) > 6 && lines[0] == strconv.Itoa(s.proc.pid) {
		removeShared(lines[6])
	}
	return errors.Join(err, s.work.remove())
}

// removeShared takes the line "KEY ID" of postmaster.pid.
func removeShared(line string) {
	if fields := strings.Fields(line); len(fields) == 2 {
		if id, err := strconv.Atoi(fields[1]); err == nil {
			removeSharedMemory(id)
		}
	}
}

// Log is what the server has written since it was made.
func (s *Server) Log() string {
	data, err := os.ReadFile(s.LogFile)
	if err != nil {
		return ""
	}
	return string(bytes.ToValidUTF8(data, []byte("?")))
}

// MakeDir makes a directory for the server's use, such as a tablespace. It is removed with the server.
func (s *Server) MakeDir(name string) (string, error) { return s.work.mkdir(name) }

// Tool is the path of a PostgreSQL program for this server, as ToolPath finds it; a program that is not installed
// gives a name that says so when it is run.
func (s *Server) Tool(name string) string {
	path, err := ToolPath(s.Major, name)
	if err != nil {
		return filepath.Join(s.BinDir, name)
	}
	return path
}

// Command prepares a PostgreSQL program to be run by the server's user, see the function Command.
func (s *Server) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return Command(ctx, s.Major, name, args...)
}

// RunAs makes a command run as the server's user.
func (s *Server) RunAs(cmd *exec.Cmd) { RunAs(cmd) }

// freePort picks a port that is free at the moment. It lies below the ports that Linux gives to outgoing connections:
// a client that tries again and again to reach a stopped server there could be given that very port and meet itself.
func freePort() int {
	for {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
}

// cleanEnv is an environment in which no variable of the caller changes what a PostgreSQL program does.
func cleanEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=/"}
}
