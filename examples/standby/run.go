// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/walmirror/walmirror/examples/internal/bytesize"
	"github.com/walmirror/walmirror/examples/internal/serve"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender"
)

func newRun() *cobra.Command {
	var cfg standby.Config
	var format, level string
	var cache bytesize.Size
	var target targetFlags
	var serving serve.Flags
	var feed changesFile
	cmd := &cobra.Command{
		Use:   "run -D DIR",
		Short: "Follow the primary until told to end",
		Long: `Stream the primary's write-ahead log into the standby and apply it until told to end by SIGINT or SIGTERM. A lost
connection and a primary that is down are waited for. When a record cannot be applied, or the recovery target is
reached, receiving goes on. Changes of state are logged on standard error.

With --listen other standbys, pg_receivewal and pg_basebackup may follow and copy this one: it is to them as a hot standby
of PostgreSQL. Their slots are kept in the data directory; SIGHUP makes it read host rules and users again.

"standby watch" shows what transactions change in the catalogs. With --changes all of that goes to a file besides, from
where the standby is consistent on; after a restart the last lines may come again.

While it runs no PostgreSQL server starts on the directory; "pg_ctl stop -m fast" ends it too. After "standby activate" it
goes on serving those who follow it, under the new timeline, until it is ended; without --listen it ends by itself.`,
		Example: `  standby run -D /data/standby
  standby run -D /data/standby --listen :5433 --users users --http 127.0.0.1:9187`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(cmd.ErrOrStderr(), format, level)
			if err != nil {
				return usageError{err}
			}
			cfg.Replay.CacheBytes = int64(cache)
			if cfg.Replay.Target, err = target.parse(); err != nil {
				return usageError{err}
			}
			if err := serving.Check(); err != nil {
				return usageError{err}
			}
			if cfg.OnChanges, err = feed.open(); err != nil {
				return fmt.Errorf("run: %w", err)
			}
			return errors.Join(follow(cmd, cfg, &serving, log), feed.close())
		},
	}
	dirFlag(cmd, &cfg.Dir)
	fl := cmd.Flags()
	fl.StringVar(&cfg.Primary, "primary", "", "connection string or URL (default: primary_conninfo of the directory)")
	fl.StringVarP(&cfg.Slot, "slot", "S", "", "replication slot (default: primary_slot_name of the directory)")
	fl.DurationVarP(&cfg.StatusInterval, "status-interval", "s", walreceiver.DefaultStatusInterval,
		"longest time between two replies to the primary")
	fl.DurationVar(&cfg.ReceiveTimeout, "receive-timeout", walreceiver.DefaultReceiveTimeout,
		"give a silent connection up after this time")
	fl.Var(&cache, "cache", "memory for pages, such as 512M")
	fl.DurationVar(&cfg.Replay.MinApplyDelay, "recovery-min-apply-delay", 0, "apply a commit so long after it was made")
	fl.BoolVar(&cfg.Replay.CheckConsistency, "check-consistency", false,
		"compare pages with the images that the primary's wal_consistency_checking writes")
	target.add(fl)
	serving.Register(fl)
	feed.add(fl)
	fl.StringVar(&format, "log-format", "text", "text or json")
	fl.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var opts slog.HandlerOptions
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	opts.Level = l
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &opts)), nil
	}
	return nil, fmt.Errorf("--log-format is text or json, not %q", format)
}

// follow keeps the standby current, and serves others if asked for.
func follow(cmd *cobra.Command, cfg standby.Config, serving *serve.Flags, log *slog.Logger) error {
	cfg.OnEvent = func(e standby.Event) { logEvent(log, e) }
	if len(serving.Listen) > 0 {
		sender, err := serving.Config()
		if err != nil {
			return fmt.Errorf("run: %w", err)
		}
		defer serve.Close(sender.Listeners)
		sender.OnEvent = func(e walsender.Event) { serve.Log(log, e) }
		cfg.Serve = &sender
	}
	s, err := standby.New(cfg)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	st := s.Status()
	signal.Ignore(syscall.SIGUSR1) // comes with the order of pg_ctl promote, which is a file
	log.Info("standby starts", "data_directory", st.DataDirectory, "system_identifier", st.SystemIdentifier,
		"primary", st.Primary, "slot", st.Slot, "starts", st.Starts)
	if err = work(cmd.Context(), s, serving, log); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	st = s.Status()
	log.Info("standby ends", "state", st.State, "timeline", st.Timeline, "flushed_lsn", st.FlushedLSN.String(),
		"uptime", time.Since(st.StartedAt).Round(time.Second).String())
	return nil
}

// work runs the standby, with the page of metrics and the reloading of host rules beside it.
func work(ctx context.Context, s *standby.Standby, serving *serve.Flags, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		return s.Run(ctx)
	})
	g.Go(func() error { logCatchup(ctx, s, log); return nil })
	if len(serving.Listen) > 0 {
		g.Go(func() error { serving.Reload(ctx, log, s.Sender); return nil })
		g.Go(func() error {
			err := serving.Metrics(ctx, s.Sender)
			if err != nil {
				cancel()
			}
			return err
		})
	}
	return g.Wait()
}

// logCatchup says now and then how far a standby that is a segment or more behind has come, with the rate and the
// time left at that rate.
func logCatchup(ctx context.Context, s *standby.Standby, log *slog.Logger) {
	tick := time.NewTicker(progressLine)
	defer tick.Stop()
	for before := s.Status(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st := s.Status()
		behind := max(st.LagBytes, st.Replay.LagBytes)
		come := min(st.FlushedLSN.Sub(before.FlushedLSN), st.Replay.LSN.Sub(before.Replay.LSN))
		before = st
		if behind < 16<<20 || come <= 0 {
			continue
		}
		rate := float64(come) / progressLine.Seconds()
		log.Info("catching up", "flushed_lsn", st.FlushedLSN.String(), "replay_lsn", st.Replay.LSN.String(),
			"behind", byteCount(behind), "rate", byteCount(int64(rate))+"/s",
			"left", time.Duration(float64(behind)/rate*float64(time.Second)).Round(time.Second).String())
	}
}

// logEvent gives an event the level that an operator expects.
func logEvent(log *slog.Logger, e standby.Event) {
	switch e := e.(type) {
	case walreceiver.SegmentFinished:
		log.Debug(e.String())
	case walreceiver.Disconnected:
		if e.Permanent {
			log.Error(e.String(), "failures", e.Failures)
		} else {
			log.Warn(e.String(), "failures", e.Failures)
		}
	case standby.ReplayStopped:
		if e.Err != nil {
			log.Error(e.String())
		} else {
			log.Warn(e.String())
		}
	case standby.ChangesEnded:
		log.Error(e.String())
	case walreceiver.ServerNotice, standby.DiskFull, standby.LogNotRemoved, standby.TakingOver, standby.TakenOver,
		standby.NotWatched,
		standby.SlotsLeft:
		log.Warn(e.String())
	default:
		log.Info(e.String())
	}
}
