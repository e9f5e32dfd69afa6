// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// stopRunner ends a Standby on the directory with SIGTERM and waits until it has let go of it.
func (a *activator) stopRunner(ctx context.Context) error {
	asked := 0
	for {
		pid, err := runner(a.data.Path)
		if err != nil || pid == 0 {
			return err // a real server stays: starting another finds out
		}
		if asked != pid {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("the standby runs as process %d, which cannot be told to end: %w", pid, err)
			}
			asked = pid
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return fmt.Errorf("the standby, process %d, does not end: %w", pid, err)
		}
	}
}

// lookBack finds out how the directory was activated: by somebody before, or by the server.
func (a *activator) lookBack(context.Context) error {
	data, err := openDir(a.data.Path)
	if err != nil {
		return err
	}
	tli, err := newestTimeline(data)
	if err != nil {
		return err
	}
	was, err := activationOf(data, tli)
	if err != nil {
		return err
	}
	a.result.Promotion = was.Promotion
	return giveToOwner(data)
}

// startServer starts the server, unless it runs.
func (a *activator) startServer(ctx context.Context) error {
	running, err := serverOn(a.data.Path, 0)
	if err != nil || running != nil {
		return err
	}
	return a.server.start(ctx)
}

// suggest says how to start the server that was not asked for.
func (a *activator) suggest(ctx context.Context) error {
	program := "pg_ctl"
	if dir, err := FindPostgres(ctx, a.data.Major); err == nil {
		program = filepath.Join(dir, program)
	}
	a.result.Command = fmt.Sprintf("%s start -D %s -l %s", shellQuote(program), shellQuote(a.data.Path),
		shellQuote(server{data: a.data}.logFile()))
	if options := serverOptions(a.data); options != "" {
		a.result.Command += " -o " + shellQuote(options)
	}
	return nil
}

// shellQuote is a word for a shell.
func shellQuote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// waitReady waits until the server accepts connections, which is when the standby has become the coordinator.
func (a *activator) waitReady(ctx context.Context) error {
	for {
		pid, err := pgdata.ReadPIDFile(vfs.OS, a.data.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the server is gone; see %s", a.server.logFile())
		}
		if err != nil {
			return err
		}
		if pid.Status == "ready" && accepts(ctx, pid) {
			a.result.PID, a.result.Port, a.result.SocketDir = pid.PID, pid.Port, pid.SocketDir
			return nil
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// newestTimeline is the newest of which pg_wal has a history file.
func newestTimeline(data *pgdata.DataDir) (xlog.TimelineID, error) {
	entries, err := vfs.OS.ReadDir(data.WALPath())
	if err != nil {
		return 0, err
	}
	newest := data.Control.CheckPointCopy.ThisTimeLineID
	for _, e := range entries {
		if t, err := xlog.ParseHistoryName(e.Name()); err == nil {
			newest = max(newest, t)
		}
	}
	return newest, nil
}
