// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// diskWait is how long a full disk is left alone.
const diskWait = 5 * time.Second

// sink is the archive, which tells the sender what is durable.
type sink struct {
	*waldir.Dir
	source *walsender.DirSource
	tli    xlog.TimelineID
}

// Begin implements walreceiver.Sink.
func (s *sink) Begin(tli xlog.TimelineID, lsn xlog.LSN) error {
	err := s.Dir.Begin(tli, lsn)
	if err == nil {
		s.tli = tli
	}
	return err
}

// Sync implements walreceiver.Sink.
func (s *sink) Sync() (xlog.LSN, error) {
	lsn, err := s.Dir.Sync()
	if err == nil {
		err = s.source.SetFlush(s.tli, lsn)
	}
	return lsn, err
}

// receive follows the server until ctx ends. A full disk is waited for, as a lost connection is.
func (r *relayer) receive(ctx context.Context, wal *waldir.Dir) error {
	finished := make(chan struct{}, 1) // signalled when a segment is full
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.removeOld(ctx, wal, finished) })
	g.Go(func() error {
		for {
			err := r.receiveOnce(ctx, wal, finished)
			if err == nil {
				return errEnded
			}
			if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
				return err
			}
			r.log.Warn("the disk is full", "error", err.Error(), "retry_in", diskWait)
			select {
			case <-ctx.Done():
				return errEnded
			case <-time.After(diskWait):
			}
		}
	})
	return g.Wait()
}

func (r *relayer) receiveOnce(ctx context.Context, wal *waldir.Dir, finished chan<- struct{}) error {
	receiver, err := walreceiver.New(walreceiver.Config{
		ConnString:     r.o.primary,
		Slot:           r.o.slot,
		CreateSlot:     r.o.slotCreation(),
		Sink:           &sink{Dir: wal, source: r.source},
		SystemID:       r.source.Identity().SystemID,
		SegmentSize:    r.source.Identity().SegmentSize,
		StatusInterval: r.o.interval,
		ReceiveTimeout: r.o.timeout,
		Feedback:       r.feedback,
		Verify:         &walreceiver.VerifyConfig{},
		OnEvent: func(e walreceiver.Event) {
			logReceiver(r.log, e)
			if _, ok := e.(walreceiver.SegmentFinished); ok {
				select {
				case finished <- struct{}{}:
				default:
				}
			}
		},
	})
	if err != nil {
		return err
	}
	return receiver.Run(ctx)
}

// feedback passes on to the server what the clients need of its rows.
func (r *relayer) feedback() (protocol.HotStandbyFeedback, bool) {
	f := r.server.Feedback()
	return f, f.Xmin != 0 || f.CatalogXmin != 0
}

// removeOld removes after each full segment those that nobody needs, if that is asked for.
func (r *relayer) removeOld(ctx context.Context, wal *waldir.Dir, finished <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-finished:
		}
		if !r.o.remove {
			continue
		}
		keep, err := r.server.Retain(r.source.Position().Flush)
		if err == nil {
			_, err = wal.RemoveBefore(keep)
		}
		if err != nil {
			r.log.Warn("old log was not removed", "error", err.Error())
		}
	}
}

// logReceiver gives an event the level that an operator expects.
func logReceiver(log *slog.Logger, e walreceiver.Event) {
	switch e := e.(type) {
	case walreceiver.SegmentFinished:
		log.Debug(e.String())
	case walreceiver.Disconnected:
		level := slog.LevelWarn
		if e.Permanent {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, e.String(), "failures", e.Failures)
	case walreceiver.ServerNotice:
		log.Warn(e.String())
	default:
		log.Info(e.String())
	}
}
