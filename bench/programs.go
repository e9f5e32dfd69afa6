// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// bench is one run of this program: its options, and our programs, built for it.
type bench struct {
	options
	dir string // temporary, with our programs
}

func newBench(opts options) (*bench, error) {
	if opts.runs < 1 || opts.secs < 1 {
		return nil, errors.New("at least one run and one second are needed")
	}
	if _, err := pgserver.BinDir(opts.major); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "walmirror-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: opts, dir: dir}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, errors.Join(err, b.close())
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", "github.com/walmirror/walmirror/examples/receivewal").CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build receivewal: %w: %s", err, out), b.close())
	}
	return b, nil
}

func (b *bench) close() error { return os.RemoveAll(b.dir) }

func (b *bench) program(name string) string { return filepath.Join(b.dir, name) }

// usage is what a finished program took.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // bytes of resident memory
}

// measure runs a program to its end, as the servers' user.
func measure(ctx context.Context, program string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	pgserver.RunAs(cmd)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	u := usage{wall: time.Since(began)}
	if err != nil {
		return u, fmt.Errorf("%s: %w: %s", filepath.Base(program), err, out)
	}
	return u, u.add(cmd.ProcessState)
}

func (u *usage) add(p *os.ProcessState) error {
	u.cpu = p.UserTime() + p.SystemTime()
	ru, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not say what a process used")
	}
	u.peak = ru.Maxrss * 1024 // Linux counts in KiB
	return nil
}
