// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/coordinator"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// demoCommand is the hidden command by which the demonstration starts this program once more, as the coordinator, which can
// then be killed as a process is killed.
const demoCommand = "demo-coordinator"

func newDemoCoordinator() *cobra.Command {
	return &cobra.Command{
		Use: demoCommand + " DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDemoCoordinator(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// runDemoCoordinator runs a coordinator and a client that writes, until in ends. It says its port, and every commit.
func runDemoCoordinator(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	if err := coordinator.Create(dir); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := coordinator.Open(ctx, coordinator.Config{
		Dir: dir, Serve: &walsender.Config{Listeners: []net.Listener{listener}},
	})
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	go func() {
		defer end()
		for lines := bufio.NewScanner(in); lines.Scan(); { // the only order is to wait for the standby
			_ = c.SetSynchronousStandbyNames(standby.ApplicationName)
		}
	}()
	fmt.Fprintln(out, listener.Addr().(*net.TCPAddr).Port)
	return errors.Join(demoWrite(ctx, c, out), c.Close())
}

// demoWrite is the client.
func demoWrite(ctx context.Context, c *coordinator.Coordinator, out io.Writer) error {
	if err := demoSegments(ctx, c); err != nil {
		return err
	}
	pause := time.NewTicker(3 * time.Millisecond)
	defer pause.Stop()
	for n := 1; ; n++ {
		if err := demoCommit(ctx, c, n); err != nil {
			return err
		}
		fmt.Fprintln(out, n, uint64(c.Position()))
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// demoSegments describes a cluster.
func demoSegments(ctx context.Context, c *coordinator.Coordinator) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	for dbid := int16(1); dbid <= 5; dbid++ {
		s := catalog.SegmentConfiguration{
			DBID: dbid, Content: dbid - 2, Role: 'p', PreferredRole: 'p', Mode: 's', Status: 'u', Port: 6000 + int32(dbid),
			Hostname: fmt.Sprintf("sdw%d", dbid-1), Address: fmt.Sprintf("sdw%d", dbid-1), DataDir: "/data/primary",
		}
		if s.Content == -1 {
			s.Port, s.Hostname, s.Address = 5432, "cdw", "cdw"
		}
		if err := tx.Insert(s); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	_, err = tx.Commit(ctx)
	return err
}

// demoCommit commits row n, and what it tells of: now and then a segment goes down, or comes up.
func demoCommit(ctx context.Context, c *coordinator.Coordinator, n int) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	dbid := int16(2 + n/20%4)
	if n%20 == 0 {
		if err := demoFlip(tx, dbid); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	err = tx.Insert(catalog.ConfigurationHistory{Time: time.Now(), DBID: dbid, Description: strconv.Itoa(n)})
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	_, err = tx.Commit(ctx)
	return err
}

func demoFlip(tx *coordinator.Tx, dbid int16) error {
	_, err := tx.Update(coordinator.SegmentConfiguration, func(row *catalog.Row) (catalog.Struct, error) {
		var s catalog.SegmentConfiguration
		if err := row.ScanStruct(&s); err != nil || s.DBID != dbid {
			return nil, err
		}
		s.Status ^= 'u' ^ 'd'
		return s, nil
	})
	return err
}

// demoPrimary is the coordinator as the demonstration sees it: another process.
type demoPrimary struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	port   int
	rows   atomic.Int64 // that are acknowledged
	lsn    atomic.Uint64
	killed bool
	silent chan struct{} // closed when it says nothing more
}

func startDemoPrimary(ctx context.Context, dir string) (*demoPrimary, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &demoPrimary{cmd: exec.CommandContext(ctx, exe, demoCommand, dir), silent: make(chan struct{})}
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	if lines.Scan() {
		p.port, err = strconv.Atoi(lines.Text())
	}
	go p.listen(lines)
	if err != nil || p.port == 0 {
		p.kill()
		return nil, errors.Join(err, errors.New("the coordinator did not start"))
	}
	return p, nil
}

// listen takes note of what is acknowledged.
func (p *demoPrimary) listen(lines *bufio.Scanner) {
	defer close(p.silent)
	for lines.Scan() {
		var n int64
		var lsn uint64
		if _, err := fmt.Sscan(lines.Text(), &n, &lsn); err == nil {
			p.lsn.Store(lsn)
			p.rows.Store(n)
		}
	}
}

func (p *demoPrimary) pid() int                 { return p.cmd.Process.Pid }
func (p *demoPrimary) committed() int           { return int(p.rows.Load()) }
func (p *demoPrimary) position() xlog.LSN       { return xlog.LSN(p.lsn.Load()) }
func (p *demoPrimary) order(order string) error { _, err := fmt.Fprintln(p.stdin, order); return err }

func (p *demoPrimary) conninfo() string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres sslmode=disable", p.port)
}

func (p *demoPrimary) state() string {
	if p.killed {
		return "killed"
	}
	return "writing"
}

// alive says when it has ended, and nobody killed it.
func (p *demoPrimary) alive() error {
	if p.killed {
		return nil
	}
	select {
	case <-p.silent:
		return errors.New("the coordinator ended by itself")
	default:
		return nil
	}
}

// kill is SIGKILL. What it acknowledged before is known afterwards.
func (p *demoPrimary) kill() {
	if p.killed {
		return
	}
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.silent
	_ = p.cmd.Wait()
}
