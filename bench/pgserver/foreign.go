// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// FreePort picks a port for a server that somebody else will start.
func FreePort() int { return freePort() }

// StopDirectory ends the server that somebody else, such as pg_ctl, started on a data directory, and waits until it is
// gone; after a minute it is killed. It is no error that none runs.
func StopDirectory(dir string, mode Mode) error {
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || pid <= 1 {
		return fmt.Errorf("%s: no process id in postmaster.pid: %q", dir, line)
	}
	if err := syscall.Kill(pid, syscall.Signal(mode)); err != nil {
		return ignoreGone(err)
	}
	for end := time.Now().Add(stopTimeout); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return ignoreGone(syscall.Kill(pid, syscall.SIGKILL))
		}
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
