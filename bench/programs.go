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
	"regexp"
	"strconv"
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
	const examples = "github.com/walmirror/walmirror/examples/"
	out, err := exec.Command("go", "build", "-o", dir+"/",
		examples+"receivewal", examples+"waldump", examples+"standby",
		"github.com/walmirror/walmirror/bench/sendwal").CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the programs: %w: %s", err, out), b.close())
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
	var words bytes.Buffer
	return measureCommand(exec.CommandContext(ctx, program, args...), &words)
}

// measureCommand is measure for a command, whose output goes to out; nil throws it away. What it complains about
// becomes part of the error.
func measureCommand(cmd *exec.Cmd, out *bytes.Buffer) (usage, error) {
	cmd.Dir = "/"
	pgserver.RunAs(cmd)
	words := new(bytes.Buffer)
	if cmd.Stderr = words; out != nil {
		cmd.Stdout = out
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	ended := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	u := usage{wall: time.Since(began)}
	close(ended)
	u.peak = <-peak
	if err != nil {
		return u, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, words.String())
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return u, nil
}

// watchPeak asks for a process's high-water mark of resident memory until it has ended. The ru_maxrss of wait4 would not
// do: it begins with what this process had when it started the other.
func watchPeak(pid int, ended <-chan struct{}) (peak int64) {
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-ended:
			tick.Stop()
			return peak
		case <-tick.C:
			peak = max(peak, highWater(pid))
		}
	}
}

var highWaterPattern = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

func highWater(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	m := highWaterPattern.FindSubmatch(text)
	if m == nil {
		return 0
	}
	kib, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kib << 10
}
