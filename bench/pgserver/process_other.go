// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package pgserver

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

const sigPromote = syscall.Signal(0)

var errLinuxOnly = errors.New("pgserver: servers run on Linux only")

// RunAs does nothing here.
func RunAs(*exec.Cmd) {}

// Chown does nothing here.
func Chown(string) error { return nil }

type process struct {
	pid  int
	done chan struct{}
	err  error
}

func launch(*exec.Cmd) (*process, error)     { return nil, errLinuxOnly }
func (*process) signal(syscall.Signal) error { return errLinuxOnly }
func (*process) kill() error                 { return errLinuxOnly }
func removeSharedMemory(int)                 {}
func lockFile(string) (*os.File, error)      { return nil, errLinuxOnly }

func alive(int) bool { return false }
