// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// receiver is pg_receivewal, or ours, which receives synchronously into a directory of its own.
type receiver struct {
	cmd   *exec.Cmd
	dir   string
	words bytes.Buffer
}

// startReceiver starts a program as the servers' user.
func startReceiver(ctx context.Context, b *bench, program, conninfo string) (*receiver, error) {
	dir, err := os.MkdirTemp(b.dir, "received-")
	if err != nil {
		return nil, err
	}
	r := &receiver{cmd: exec.CommandContext(ctx, program, "-D", dir, "--synchronous", "-w", "-d", conninfo), dir: dir}
	r.cmd.Dir, r.cmd.Stderr = "/", &r.words
	pgserver.RunAs(r.cmd)
	if err = pgserver.Chown(dir); err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, nil
}

func (r *receiver) signal(sig syscall.Signal) error { return r.cmd.Process.Signal(sig) }

// end stops the program, which may be a stopped one, and removes what it received.
func (r *receiver) end() error {
	err := errors.Join(r.signal(syscall.SIGINT), r.signal(syscall.SIGCONT), r.cmd.Wait())
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(r.cmd.Path), err, r.words.String())
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}
