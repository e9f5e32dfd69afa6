// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/walmirror/walmirror/examples/internal/serve"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// slotsDir is where in the directory the clients' slots are.
const slotsDir = "walmirror.slots"

// relayer is a running relay.
type relayer struct {
	o      *options
	log    *slog.Logger
	source *walsender.DirSource
	server *walsender.Server
}

// relay serves until ctx ends.
func relay(ctx context.Context, o *options, log *slog.Logger) error {
	if _, err := os.Stat(filepath.Join(o.dir, pgdata.ControlFileName)); err == nil {
		return relayData(ctx, o, log)
	}
	id, err := o.identity(ctx)
	if err != nil {
		return err
	}
	return relayDir(ctx, o, log, id, waldir.Config{
		Path: o.dir, SegmentSize: id.SegmentSize, Partial: true, Compress: o.compression,
	})
}

// relayData serves pg_wal of a data directory on which no server may start meanwhile.
func relayData(ctx context.Context, o *options, log *slog.Logger) (err error) {
	if o.primary != "" {
		return usageError{errors.New("--dbname is for an archive; \"standby run\" keeps a data directory current")}
	}
	data, err := pgdata.Open(vfs.OS, o.dir)
	if err != nil {
		return err
	}
	lock, err := data.Lock(0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	return relayDir(ctx, o, log, identityOfData(data), waldir.Config{Path: data.WALPath(), SegmentSize: data.SegmentSize})
}

// relayDir serves the segments in a directory, and receives into it if it is told from whom.
func relayDir(ctx context.Context, o *options, log *slog.Logger, id walsender.Identity, dir waldir.Config) (err error) {
	slots, err := walsender.NewSlots(walsender.SlotsConfig{Dir: filepath.Join(o.dir, slotsDir)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, slots.Close()) }()
	r := &relayer{o: o, log: log}
	if r.source, err = walsender.NewDirSource(id, dir); err != nil {
		return err
	}
	var wal *waldir.Dir
	if o.primary != "" {
		if wal, err = waldir.Open(dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, wal.Close()) }()
	}
	if err := r.source.Scan(); err != nil && o.primary == "" {
		return err
	}
	cfg, err := o.serve.Config()
	if err != nil {
		return err
	}
	cfg.Source, cfg.Slots = r.source, slots
	cfg.OnEvent = func(e walsender.Event) { serve.Log(log, e) }
	if r.server, err = walsender.New(cfg); err != nil {
		serve.Close(cfg.Listeners)
		return err
	}
	return r.run(ctx, wal)
}

// run serves, and receives if there is a directory to receive into.
func (r *relayer) run(ctx context.Context, wal *waldir.Dir) error {
	id, pos := r.source.Identity(), r.source.Position()
	r.log.Info("relay starts", "address", r.server.Addr().String(), "system_identifier", id.SystemID,
		"server_version", id.ServerVersionText, "timeline", pos.Timeline, "flushed_lsn", pos.Flush.String())
	g, ctx := errgroup.WithContext(ctx)
	server := func() *walsender.Server { return r.server }
	ended := func(f func() error) { // the first to end ends all
		g.Go(func() error {
			if err := f(); err != nil {
				return err
			}
			return errEnded
		})
	}
	ended(func() error { return r.server.Run(ctx) })
	if wal != nil {
		ended(func() error { return r.receive(ctx, wal) })
	}
	if r.o.rescan > 0 {
		g.Go(func() error { return r.rescan(ctx) })
	}
	g.Go(func() error { r.o.serve.Reload(ctx, r.log, server); return nil })
	g.Go(func() error { return r.o.serve.Metrics(ctx, server) })
	err := g.Wait()
	if errors.Is(err, errEnded) {
		err = nil
	}
	r.log.Info("relay ends", "flushed_lsn", r.source.Position().Flush.String())
	return err
}

// errEnded ends a group without a failure.
var errEnded = errors.New("ended")

// rescan looks for log that another program has written.
func (r *relayer) rescan(ctx context.Context) error {
	t := time.NewTicker(r.o.rescan)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := r.source.Scan(); err != nil {
			r.log.Warn("cannot find the end of the log", "error", err.Error())
		}
	}
}
