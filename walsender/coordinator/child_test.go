// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/walsender"
)

// childVar makes the test's binary a coordinator on the directory that it names, which tests can kill; see child.
const childVar = "WALMIRROR_TEST_COORDINATOR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		if err := runChild(dir, os.Getenv(childVar+"_ADDRESS"), os.Getenv(childVar+"_SYNC")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild inserts one row after the other into gp_configuration_history until its standard input ends, and says which are
// committed: lines of numbers.
func runChild(dir, address, names string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	ctx := context.Background()
	c, err := Open(ctx, Config{
		Dir: dir, SynchronousStandbyNames: names, CheckpointBytes: 1 << 20,
		Serve: &walsender.Config{Listeners: []net.Listener{listener}},
	})
	if err != nil {
		return err
	}
	first, err := history(ctx, c)
	if err != nil {
		return err
	}
	fmt.Println("address", listener.Addr())
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
		c.end() // no commit waits any more
	}()
	for n := len(first) + 1; !over.Load(); n++ {
		if err := c.insertEvent(ctx, n); err != nil && !over.Load() {
			return err
		}
		fmt.Println(n)
	}
	return c.Close()
}

func (c *Coordinator) insertEvent(ctx context.Context, n int) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if err := tx.Insert(event(n%1000, fmt.Sprint(n))); err != nil {
		return err
	}
	_, err = tx.Commit(ctx)
	return err
}

// child is a coordinator in a process of its own, with a client that writes.
type child struct {
	t       testing.TB
	dir     string
	address string
	names   string
	cmd     *exec.Cmd
	stdin   io.Closer
	acked   atomic.Int64
	read    chan struct{} // closed when the process says nothing more
}

func startChild(t testing.TB, dir, names string) *child {
	c := &child{t: t, dir: dir, names: names, address: "127.0.0.1:0"}
	c.start()
	t.Cleanup(c.kill)
	return c
}

// start starts it, again on the same port.
func (c *child) start() {
	exe, err := os.Executable()
	require.NoError(c.t, err)
	c.cmd = exec.Command(exe)
	c.cmd.Env = append(os.Environ(), childVar+"="+c.dir, childVar+"_ADDRESS="+c.address, childVar+"_SYNC="+c.names)
	c.cmd.Stderr = os.Stderr
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(c.t, err)
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, c.cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(c.t, lines.Scan(), "the coordinator did not start")
	c.address = strings.TrimPrefix(lines.Text(), "address ")
	read := make(chan struct{})
	c.read = read
	go func() {
		defer close(read)
		for lines.Scan() {
			var n int64
			if _, err := fmt.Sscan(lines.Text(), &n); err == nil {
				c.acked.Store(n)
			}
		}
	}()
}

func (c *child) port() int {
	a, err := net.ResolveTCPAddr("tcp", c.address)
	require.NoError(c.t, err)
	return a.Port
}

// kill is SIGKILL; what was acknowledged before is in acked afterwards.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill()
	<-c.read
	_ = c.cmd.Wait()
	c.cmd = nil
}

// stop has it close.
func (c *child) stop() {
	require.NoError(c.t, c.stdin.Close())
	<-c.read
	require.NoError(c.t, c.cmd.Wait())
	c.cmd = nil
}

// history are the texts of gp_configuration_history.
func history(ctx context.Context, c *Coordinator) (list []string, err error) {
	err = c.View(ctx, historyOf(&list))
	return list, err
}
