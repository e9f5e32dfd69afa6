// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

var (
	// ErrPrimaryAlive: activation was refused because the primary still answers. Two servers of one system
	// identifier that both accept writes can never be joined again.
	ErrPrimaryAlive = errors.New("the primary still answers")
	// ErrActivated: the directory has been activated already.
	ErrActivated = errors.New("already activated")
)

// ActivateConfig says how a standby becomes the coordinator.
type ActivateConfig struct {
	Dir    string
	BinDir string // directory of postgres and pg_ctl; empty: looked for
	Force  bool   // also while the primary answers

	// ProbeTimeout limits the question to the primary. Default 5 s.
	ProbeTimeout time.Duration
	// Timeout limits every other step: the receiver's end, replay up to a consistent state, promotion. Default: none
	// but the context's.
	Timeout time.Duration
	// OnStep is told what begins. May be nil.
	OnStep func(step string)
}

// Activation is what happened.
type Activation struct {
	OldTimeline xlog.TimelineID `json:"old_timeline"`
	NewTimeline xlog.TimelineID `json:"new_timeline"`
	SwitchLSN   xlog.LSN        `json:"switch_lsn"` // where the new timeline leaves the old one
	Port        int             `json:"port"`
	PID         int             `json:"pid"` // of the postmaster
	SocketDir   string          `json:"socket_directory"`
	BinDir      string          `json:"postgres"`
	Took        time.Duration   `json:"took_ns"` // from the order until connections are accepted
}

const defaultProbeTimeout = 5 * time.Second

// Activate turns the standby in cfg.Dir into a primary: it makes sure that the old primary does not answer, ends the
// Standby that may run on the directory, makes the received log durable, starts the real server on the directory with
// no primary to connect to, lets it replay everything that is in pg_wal, promotes it, and waits until it accepts
// connections. Interrupted at any point it can be run again. A server that already runs on the directory as a standby
// is promoted as it is.
//
// PostgreSQL refuses to run as root: for root the server is started as the owner of the directory.
func Activate(ctx context.Context, cfg ActivateConfig) (Activation, error) {
	if cfg.ProbeTimeout == 0 {
		cfg.ProbeTimeout = defaultProbeTimeout
	}
	if cfg.OnStep == nil {
		cfg.OnStep = func(string) {}
	}
	began := time.Now()
	a, err := newActivator(ctx, cfg)
	if err != nil {
		return Activation{}, err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"asking the primary whether it is alive", a.checkPrimary},
		{"ending the receiver", a.stopRunner},
		{"making the received log durable", a.secureLog},
		{"starting the server and replaying the log", a.startServer},
		{"promoting", a.promote},
		{"waiting for connections", a.waitReady},
	} {
		cfg.OnStep(step.name)
		if err := a.limited(ctx, step.run); err != nil {
			return Activation{}, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	a.result.Took = time.Since(began)
	return a.result, nil
}

// activator carries one activation from step to step.
type activator struct {
	cfg    ActivateConfig
	data   *pgdata.DataDir
	server server
	result Activation
}

func newActivator(ctx context.Context, cfg ActivateConfig) (*activator, error) {
	data, err := openStandby(cfg.Dir)
	if err != nil {
		return nil, err
	}
	binDir, err := FindPostgres(ctx, cfg.BinDir, data.Major)
	if err != nil {
		return nil, err
	}
	srv, err := newServer(data, binDir)
	if err != nil {
		return nil, err
	}
	a := &activator{cfg: cfg, data: data, server: srv}
	a.result.BinDir = binDir
	return a, nil
}

// openStandby opens the directory of a standby that has not been activated.
func openStandby(dir string) (*pgdata.DataDir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	data, err := pgdata.Open(vfs.OS, dir)
	if err != nil {
		return nil, err
	}
	if ok, err := pgdata.StandbySignal.Exists(vfs.OS, dir); err != nil || !ok {
		if err == nil && data.Control.CheckPointCopy.ThisTimeLineID > 1 {
			err = fmt.Errorf("%w: %s has no %s and is on timeline %s", ErrActivated, dir, pgdata.StandbySignal,
				data.Control.CheckPointCopy.ThisTimeLineID)
		} else if err == nil {
			err = fmt.Errorf("%w: %s has no %s", ErrNotStandby, dir, pgdata.StandbySignal)
		}
		return nil, err
	}
	return data, nil
}

func (a *activator) limited(ctx context.Context, run func(context.Context) error) error {
	if a.cfg.Timeout <= 0 {
		return run(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.cfg.Timeout, fmt.Errorf("took longer than %s", a.cfg.Timeout))
	defer cancel()
	err := run(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// checkPrimary refuses while anything answers as the primary of this standby. It comes before the receiver is ended, so
// that a refusal changes nothing.
func (a *activator) checkPrimary(ctx context.Context) error {
	if a.cfg.Force {
		return nil
	}
	conninfo, ok, err := a.data.Conf("primary_conninfo")
	if err != nil || !ok || conninfo == "" {
		return err
	}
	return probePrimary(ctx, conninfo, a.data.SystemID, a.cfg.ProbeTimeout)
}

// stopRunner ends a Standby on the directory with SIGTERM and waits until it has let go of it.
func (a *activator) stopRunner(ctx context.Context) error {
	asked := 0
	for {
		holder, err := pgdata.ReadPIDFile(vfs.OS, a.data.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		st, err := loadStatus(a.data.Path)
		if err != nil {
			return err
		}
		if !holder.Running() || holder.PID != st.PID {
			return nil // stale, or a real server: startServer finds out
		}
		if asked != holder.PID {
			if err := syscall.Kill(holder.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("the standby runs as process %d, which cannot be told to end: %w", holder.PID, err)
			}
			asked = holder.PID
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return fmt.Errorf("the standby, process %d, does not end: %w", holder.PID, err)
		}
	}
}

const pollInterval = 20 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// secureLog makes what a killed receiver left in the page cache durable and removes what it had only begun.
func (a *activator) secureLog(ctx context.Context) error {
	if running, err := a.server.running(); err != nil || running {
		return err
	}
	lock, err := a.data.Lock(0)
	if err != nil {
		return err
	}
	defer lock.Close()
	dir, err := waldir.Open(waldir.Config{Path: a.data.WALPath(), SegmentSize: a.data.SegmentSize})
	if err != nil {
		return err
	}
	if tli, _, ok := dir.Resume(); ok {
		a.result.OldTimeline = tli
	}
	if err := dir.Close(); err != nil {
		return err
	}
	return waldir.SyncAll(ctx, vfs.OS, a.data.WALPath())
}

func (a *activator) startServer(ctx context.Context) error {
	running, err := a.server.running()
	if err != nil || running {
		return err
	}
	return a.server.start(ctx)
}

func (a *activator) promote(ctx context.Context) error {
	if err := a.server.promote(ctx); err != nil {
		return err
	}
	tli, err := newestHistory(a.data.WALPath())
	if err != nil {
		return err
	}
	a.result.NewTimeline = tli.Timeline
	if n := len(tli.Ancestors); n > 0 {
		a.result.OldTimeline, a.result.SwitchLSN = tli.Ancestors[n-1].Timeline, tli.Ancestors[n-1].LSN
	}
	return nil
}

// newestHistory reads the history file of the newest timeline, which is the one that promotion began.
func newestHistory(walPath string) (xlog.History, error) {
	entries, err := os.ReadDir(walPath)
	if err != nil {
		return xlog.History{}, err
	}
	var newest xlog.TimelineID
	for _, e := range entries {
		if t, err := xlog.ParseHistoryName(e.Name()); err == nil {
			newest = max(newest, t)
		}
	}
	if newest == 0 {
		return xlog.History{}, fmt.Errorf("promotion left no timeline history file in %s", walPath)
	}
	content, err := os.ReadFile(filepath.Join(walPath, newest.HistoryName()))
	if err != nil {
		return xlog.History{}, err
	}
	return xlog.ParseHistory(newest, content)
}

// waitReady waits until the server accepts connections, which is when the standby has become the coordinator.
func (a *activator) waitReady(ctx context.Context) error {
	for {
		pid, err := pgdata.ReadPIDFile(vfs.OS, a.data.Path)
		if err != nil {
			return fmt.Errorf("the server is gone; see %s: %w", a.server.logFile(), err)
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
