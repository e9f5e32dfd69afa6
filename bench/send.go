// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
)

// send measures how fast a backlog is sent: by PostgreSQL's walsender and by ours, over the same segments, to
// pg_receivewal; and the two pairs of sender and receiver.
func send(ctx context.Context, b *bench) (report, error) {
	log, err := makeBacklog(ctx, b)
	if err != nil {
		return report{}, err
	}
	defer log.server.Close()
	pair, err := newSenders(ctx, b, log)
	if err != nil {
		return report{}, err
	}
	defer pair.ours.stop()
	figures := []figure{}
	for _, c := range pair.cases(b) {
		wall := figure{What: c.name + ", elapsed", Unit: "s"}
		cpu := figure{What: c.name + ", sender's CPU per GiB", Unit: "s"}
		both := figure{What: c.name + ", both ends' CPU per GiB", Unit: "s"}
		for range b.runs {
			theirs, err := pair.run(ctx, pair.theirs, c.theirs, c)
			if err != nil {
				return report{}, err
			}
			ours, err := pair.run(ctx, pair.ours, c.ours, c)
			if err != nil {
				return report{}, err
			}
			gib := pair.gib()
			wall.add(theirs.wall.Seconds(), ours.wall.Seconds())
			cpu.add(theirs.sender.Seconds()/gib, ours.sender.Seconds()/gib)
			both.add((theirs.sender+theirs.cpu).Seconds()/gib, (ours.sender+ours.cpu).Seconds()/gib)
		}
		figures = append(figures, wall, cpu, both)
	}
	return report{
		Subject: fmt.Sprintf("%.2f GiB of WAL in segments of PostgreSQL %d over loopback, sent by its walsender and by ours; "+
			"files compared after each run", pair.gib(), log.server.Major),
		Figures: figures,
	}, nil
}

// sendCase is a way to receive: which program takes the log from PostgreSQL's sender, and which from ours.
type sendCase struct {
	name         string
	theirs, ours string
	parent       string   // where the files go; "" is the disk
	args         []string // more arguments
}

func (p *senders) cases(b *bench) []sendCase {
	tool, receivewal, noSync := p.log.server.Tool("pg_receivewal"), b.program("receivewal"), []string{"--no-sync"}
	cases := []sendCase{{name: "to pg_receivewal, synced", theirs: tool, ours: tool}}
	if st, err := os.Stat(memoryDir); err == nil && st.IsDir() {
		cases = append(cases, sendCase{"to pg_receivewal, in memory", tool, tool, memoryDir, noSync},
			sendCase{"sender and receiver, in memory", tool, receivewal, memoryDir, noSync})
	}
	return append(cases, sendCase{name: "sender and receiver, synced", theirs: tool, ours: receivewal})
}

// memoryDir is a directory on a filesystem in memory.
const memoryDir = "/dev/shm"

// senders are the two that are compared, and what they send: whole segments.
type senders struct {
	log          *backlog
	theirs, ours walSender
}

// walSender is a sender that runs. Its CPU time is what it took so far.
type walSender interface {
	conninfo() string
	cpu() (time.Duration, error)
	stop() error
}

// sendUsage is what a run took: usage is that of the receiver.
type sendUsage struct {
	usage
	sender time.Duration
}

func newSenders(ctx context.Context, b *bench, log *backlog) (*senders, error) {
	s := log.server
	log.start = xlog.DefaultSegmentSize.RoundDown(log.start) + xlog.LSN(xlog.DefaultSegmentSize)
	if _, err := s.Query(ctx, "CHECKPOINT"); err != nil { // both have something behind the end
		return nil, err
	}
	flush, err := queryLSN(ctx, s, "SELECT pg_current_wal_flush_lsn()")
	if err != nil {
		return nil, err
	}
	version, err := s.Query(ctx, "SHOW server_version_num")
	if err != nil {
		return nil, err
	}
	ours, err := startSendwal(b.program("sendwal"), s.DataDir, version[0][0], flush)
	if err != nil {
		return nil, err
	}
	return &senders{log: log, theirs: postgresSender{s}, ours: ours}, nil
}

func (p *senders) gib() float64 { return float64(p.log.end-p.log.start) / (1 << 30) }

// run receives everything into a directory of its own, which ends up removed.
func (p *senders) run(ctx context.Context, from walSender, program string, c sendCase) (u sendUsage, err error) {
	dir, err := p.makeDir(c.parent)
	if err != nil {
		return u, err
	}
	defer os.RemoveAll(dir)
	before, err := from.cpu()
	if err != nil {
		return u, err
	}
	args := append([]string{"-D", dir, "--endpos", p.log.end.String(), "-n", "-w", "-d", from.conninfo()}, c.args...)
	if u.usage, err = measure(ctx, program, args...); err != nil {
		return u, err
	}
	time.Sleep(100 * time.Millisecond) // until a walsender that has ended is waited for
	after, err := from.cpu()
	u.sender = after - before
	return u, errors.Join(err, p.log.compare(dir))
}

// makeDir makes a directory with the segment before the first: a receiver goes on behind it.
func (p *senders) makeDir(parent string) (dir string, err error) {
	if parent == "" {
		dir, err = p.log.server.MakeDir("received")
	} else {
		dir, err = os.MkdirTemp(parent, "walmirror-bench-")
	}
	if err != nil {
		return "", err
	}
	size := xlog.DefaultSegmentSize
	name := size.Name(1, size.Number(p.log.start)-1)
	content, err := os.ReadFile(filepath.Join(p.log.server.DataDir, "pg_wal", name))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), content, 0o644)
	}
	if err == nil {
		err = errors.Join(pgserver.Chown(dir), pgserver.Chown(filepath.Join(dir, name)))
	}
	return dir, err
}

// postgresSender is the walsender of a server. A walsender that has ended counts among the postmaster's children.
type postgresSender struct{ server *pgserver.Server }

func (s postgresSender) conninfo() string { return s.server.ConnString() }
func (s postgresSender) stop() error      { return nil }
func (s postgresSender) cpu() (time.Duration, error) {
	return processCPU(s.server.PID(), childrenUser, childrenSystem)
}

// ownSender is our sender in a process of its own.
type ownSender struct {
	cmd  *exec.Cmd
	port int
}

func startSendwal(program, data, version string, end xlog.LSN) (*ownSender, error) {
	cmd := exec.Command(program, "-data", data, "-version", version, "-end", end.String())
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	pgserver.RunAs(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &ownSender{cmd: cmd}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		s.port, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sendwal has not started: %w", err), s.stop())
	}
	return s, nil
}

func (s *ownSender) conninfo() string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres sslmode=disable", s.port)
}

func (s *ownSender) cpu() (time.Duration, error) {
	return processCPU(s.cmd.Process.Pid, ownUser, ownSystem)
}

func (s *ownSender) stop() error {
	return errors.Join(s.cmd.Process.Signal(syscall.SIGTERM), s.cmd.Wait())
}

// Fields of /proc/PID/stat, counted from the one behind the name, in hundredths of a second.
const (
	ownUser        = 11
	ownSystem      = 12
	childrenUser   = 13
	childrenSystem = 14
)

// processCPU is the sum of times in /proc/PID/stat.
func processCPU(pid int, fields ...int) (sum time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	all := strings.Fields(rest)
	if !ok || len(all) <= childrenSystem {
		return 0, io.ErrUnexpectedEOF
	}
	for _, f := range fields {
		n, err := strconv.ParseInt(all[f], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum, nil
}
