// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
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
	Dir string
	// BinDir is the directory of postgres and pg_ctl: the server is started in the end, on the standby's port. Empty: the
	// directory is left shut down.
	BinDir string
	// Force goes on while the primary answers, and when log that was acknowledged cannot be read.
	Force bool

	// ProbeTimeout limits the question to the primary. Default 5 s.
	ProbeTimeout time.Duration
	// Timeout limits every other step: replay and the new timeline, the server's start. Default: none but the context's.
	Timeout time.Duration
	// CacheBytes is the budget of the page cache for replay; 0: pgdata.DefaultBudget.
	CacheBytes int64
	// OnStep is told what begins. May be nil.
	OnStep func(step string)
}

// Activation is what happened.
type Activation struct {
	redo.Promotion
	Took time.Duration `json:"took_ns"` // from the order until the last step was done
	// Serving is the process of the Standby that goes on sending to those who follow it; 0 for none. It holds the directory:
	// a server starts on it when it has ended.
	Serving int `json:"serving_pid,omitempty"`
	// Command starts the server, when none was started.
	Command string `json:"command,omitempty"`

	// Of the server, when one was started.
	Port      int    `json:"port,omitempty"`
	PID       int    `json:"pid,omitempty"` // of the postmaster
	SocketDir string `json:"socket_directory,omitempty"`
	BinDir    string `json:"postgres,omitempty"`
}

const defaultProbeTimeout = 5 * time.Second

// Activate turns the standby in cfg.Dir into a primary, without a PostgreSQL installation: it makes sure that the old
// primary does not answer, replays everything that is durable in pg_wal, begins a new timeline there, and leaves the
// directory shut down, so that a server starts on it with nothing to recover. With BinDir it starts that server.
//
// A Standby that runs on the directory does it itself, and goes on serving those who follow it; with BinDir it ends. Of
// Greenplum and Cloudberry the server of BinDir, when it is given, does the last step.
//
// Interrupted at any point it can be run again; see redo.Redo.Promote. On a directory that was activated it only starts the
// server. PostgreSQL refuses to run as root: for root the files and the server are those of the directory's owner.
func Activate(ctx context.Context, cfg ActivateConfig) (Activation, error) {
	if cfg.ProbeTimeout == 0 {
		cfg.ProbeTimeout = defaultProbeTimeout
	}
	if cfg.OnStep == nil {
		cfg.OnStep = func(string) {}
	}
	a, err := newActivator(ctx, cfg)
	if err != nil {
		return Activation{}, err
	}
	for _, step := range a.steps() {
		cfg.OnStep(step.name)
		if err := a.limited(ctx, step.run); err != nil {
			return Activation{}, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	a.result.Took = time.Since(a.began)
	return a.result, nil
}

// activator carries one activation from step to step.
type activator struct {
	cfg    ActivateConfig
	data   *pgdata.DataDir
	server server // of BinDir
	again  bool   // the directory was activated before
	began  time.Time
	result Activation
}

type step struct {
	name string
	run  func(context.Context) error
}

// newActivator looks at everything that can be looked at before something is changed.
func newActivator(ctx context.Context, cfg ActivateConfig) (*activator, error) {
	a := &activator{cfg: cfg, began: time.Now()}
	var err error
	if a.data, err = openStandby(cfg.Dir); errors.Is(err, ErrActivated) && cfg.BinDir != "" {
		a.again = true
		a.data, err = openDir(cfg.Dir)
	}
	if err != nil {
		return nil, err
	}
	if a.data.CatalogOnly {
		return nil, fmt.Errorf("%s: %w", a.data.Path, pgdata.ErrCatalogOnly)
	}
	if cfg.BinDir == "" {
		return a, nil
	}
	if err := checkPostgres(ctx, cfg.BinDir, a.data.Major); err != nil {
		return nil, err
	}
	a.result.BinDir = cfg.BinDir
	a.server, err = newServer(a.data, cfg.BinDir)
	return a, err
}

func (a *activator) steps() []step {
	var list []step
	switch {
	case a.again:
		list = append(list, step{"ending the standby that serves the directory", a.stopRunner},
			step{"looking back", a.lookBack})
	case a.byServer():
		list = append(list, step{"asking the primary whether it is alive", a.checkPrimary},
			step{"ending the receiver", a.stopRunner},
			step{"making the received log durable", a.secureLog},
			step{"starting the server and replaying the log", a.server.startStandby},
			step{"promoting", a.server.promote}, step{"looking back", a.lookBack},
			step{"waiting for connections", a.waitReady})
		return list
	default:
		list = append(list, step{"asking the primary whether it is alive", a.checkPrimary},
			step{"replaying the log and beginning a new timeline", a.promote})
	}
	if a.cfg.BinDir == "" {
		return append(list, step{"looking for a server", a.suggest})
	}
	return append(list, step{"starting the server", a.startServer}, step{"waiting for connections", a.waitReady})
}

// byServer tells whether the server's own promotion does the last step: Greenplum's changes rows of a catalog then.
func (a *activator) byServer() bool {
	return a.cfg.BinDir != "" && a.data.Dialect.Flavour() != xlog.PostgreSQL
}

func openDir(dir string) (*pgdata.DataDir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return pgdata.Open(vfs.OS, dir)
}

// openStandby opens the directory of a standby that has not been activated.
func openStandby(dir string) (*pgdata.DataDir, error) {
	data, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	if ok, err := pgdata.StandbySignal.Exists(vfs.OS, data.Path); err != nil || ok {
		return data, err
	}
	if tli := data.Control.CheckPointCopy.ThisTimeLineID; tli > 1 {
		return nil, fmt.Errorf("%w: %s has no %s and is on timeline %s", ErrActivated, data.Path, pgdata.StandbySignal, tli)
	}
	return nil, fmt.Errorf("%w: %s has no %s", ErrNotStandby, data.Path, pgdata.StandbySignal)
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

const pollInterval = 20 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
