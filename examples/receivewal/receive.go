// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// retryPause is the most that is waited before the next attempt, RECONNECT_SLEEP_TIME of pg_receivewal.
const retryPause = 5 * time.Second

// receive does what the options ask for. It returns nil when it was interrupted.
func receive(ctx context.Context, o *options, log *logger) error {
	conn, err := o.server.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	id, err := conn.IdentifySystem(ctx)
	if err != nil {
		return err
	}
	if o.slotAction() {
		return slotAction(ctx, conn, o, log)
	}
	size, err := conn.SegmentSize(ctx)
	if err != nil {
		return err
	}
	conn.Close()
	log.size = size
	dir, err := waldir.Open(waldir.Config{
		Path: o.directory, SegmentSize: size, Partial: true, Compress: o.compression, NoSync: o.noSync, Direct: true,
	})
	if err != nil {
		return err
	}
	log.problems(dir)
	err = stream(ctx, o, dir, id.SystemID, log)
	err = errors.Join(err, dir.Close())
	log.problems(dir)
	return err
}

func slotAction(ctx context.Context, conn *walreceiver.Conn, o *options, log *logger) error {
	if o.dropSlot {
		log.infof("dropping replication slot %q", o.slot)
		return conn.DropSlot(ctx, o.slot, false)
	}
	log.infof("creating replication slot %q", o.slot)
	return conn.CreateSlot(ctx, o.slot, walreceiver.SlotOptions{IfNotExists: o.ifNotExists})
}

// stream receives until it is interrupted or the end position is reached. Connections are made again by the
// Receiver; what is tried again here is a full disk, which somebody may clear.
func stream(ctx context.Context, o *options, dir *waldir.Dir, systemID uint64, log *logger) error {
	for {
		err := streamOnce(ctx, o, dir, systemID, log)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if o.noLoop && !errors.Is(err, walreceiver.ErrSink) {
			log.errorf("%v", err)
			return errors.New("disconnected")
		}
		if o.noLoop || !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		log.errorf("%v", err)
		log.alwaysf("disconnected; waiting %d seconds to try again", retryPause/time.Second)
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

func streamOnce(ctx context.Context, o *options, dir *waldir.Dir, systemID uint64, log *logger) error {
	r, err := walreceiver.New(walreceiver.Config{
		ConnString:     o.server.connString(),
		Slot:           o.slot,
		Sink:           dir,
		SystemID:       systemID,
		StopAt:         o.stopAt,
		AllowFork:      true,
		StatusInterval: o.statusInterval(),
		Backoff:        walreceiver.Backoff{Min: retryPause, Max: retryPause},
		NoReconnect:    o.noLoop,
		OnEvent:        log.event,
		Verify:         o.verification(),
	})
	if err != nil {
		return err
	}
	if err := r.Run(ctx); err != nil {
		return err
	}
	log.ended(ctx.Err() == nil, r.Status())
	return nil
}

// logger writes the program's messages as pg_receivewal words them. It is used by one goroutine at a time.
type logger struct {
	w         io.Writer
	verbose   bool
	continued bool             // the stream that starts next follows a switch of the timeline
	printed   int              // of the directory's problems
	size      xlog.SegmentSize // of the server's segments
}

func (l *logger) infof(format string, args ...any) {
	if l.verbose {
		l.alwaysf(format, args...)
	}
}

func (l *logger) alwaysf(format string, args ...any) {
	fmt.Fprintf(l.w, "%s: %s\n", progname, fmt.Sprintf(format, args...))
}

func (l *logger) errorf(format string, args ...any) {
	l.alwaysf("error: %s", fmt.Sprintf(format, args...))
}

// problems prints what the directory passed over and was not yet told.
func (l *logger) problems(dir *waldir.Dir) {
	all := dir.Problems()
	for _, p := range all[l.printed:] {
		l.alwaysf("warning: %v", p)
	}
	l.printed = len(all)
}

// event prints what happened to the Receiver.
func (l *logger) event(e walreceiver.Event) {
	switch e := e.(type) {
	case walreceiver.StreamStarted:
		if !l.continued {
			l.infof("starting log streaming at %s (timeline %s)", e.Start.LSN, e.Start.Timeline)
		}
		l.continued = false
	case walreceiver.SegmentFinished:
		l.infof("finished segment at %s (timeline %s)", e.End.LSN, e.End.Timeline)
	case walreceiver.TimelineSwitched:
		l.infof("switched to timeline %s at %s", e.To, e.At)
		l.continued = true
	case walreceiver.Disconnected:
		l.errorf("%v", e.Err)
		l.alwaysf("disconnected; waiting %.0f seconds to try again", e.RetryIn.Seconds())
		l.continued = false
	case walreceiver.ServerNotice:
		l.alwaysf("%v", e.Notice)
	}
}

// ended prints why and where a stream ended in order.
func (l *logger) ended(stopped bool, s walreceiver.Status) {
	if stopped {
		l.infof("stopped log streaming at %s (timeline %s)", s.WrittenLSN, s.ReceivedTimeline)
	} else {
		l.infof("received interrupt signal, exiting")
	}
	if l.size.Offset(s.WrittenLSN) != 0 {
		name := l.size.Name(s.ReceivedTimeline, l.size.Number(s.WrittenLSN)) + xlog.PartialSuffix
		l.alwaysf("not renaming %q, segment is not complete", name)
	}
}
