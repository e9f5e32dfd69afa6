// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// backupWAL streams the log into the pg_wal of a backup while the backup runs, over a connection of its own.
type backupWAL struct {
	dir      *waldir.Dir
	sink     *backupSink
	receiver *Receiver
	cancel   context.CancelFunc
	done     chan struct{}
	err      error       // of the receiver; valid when done is closed
	started  atomic.Bool // the first stream has begun

	mu      sync.Mutex
	durable xlog.LSN
	moved   chan struct{} // closed and replaced when durable moves
}

// startWAL begins to stream at the start of the backup. When it fails later it calls abort, so that nobody waits for
// a backup that will have no WAL.
func startWAL(ctx context.Context, cfg *BackupConfig, id SystemIdentity, size xlog.SegmentSize, start Position,
	onEvent func(Event), abort context.CancelCauseFunc) (*backupWAL, error) {
	path := filepath.Join(cfg.Dir, "pg_wal")
	dir, err := waldir.Open(waldir.Config{Path: path, SegmentSize: size, NoSync: cfg.NoSync})
	if err != nil {
		return nil, err
	}
	w := &backupWAL{dir: dir, done: make(chan struct{}), moved: make(chan struct{})}
	w.sink = &backupSink{Dir: dir, wal: w, path: path, size: size}
	w.receiver, err = New(Config{
		ConnString: cfg.ConnString, ApplicationName: cfg.ApplicationName,
		Slot: cfg.Slot, CreateSlot: cfg.streamSlot(),
		Sink: w.sink, SystemID: id.SystemID, SegmentSize: size, Start: &start,
		Fatal: w.fatal, OnEvent: w.watch(onEvent), Verify: cfg.Verify,
	})
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() {
		defer close(w.done)
		w.err = w.receiver.Run(ctx)
		if ctx.Err() == nil {
			abort(fmt.Errorf("WAL streaming: %w", w.cause()))
		}
	}()
	return w, nil
}

// streamSlot says how the receiver comes to its slot: a permanent one is there by now.
func (cfg *BackupConfig) streamSlot() SlotCreation {
	if cfg.Slot == "" && !cfg.NoSlot {
		return SlotTemporary
	}
	return SlotMustExist
}

// fatal ends the streaming for a reason that will stay. Until the first stream has begun that is any reason but a
// standby that is not yet there: the server has just taken another connection, so it will be a setting of it.
func (w *backupWAL) fatal(err error) bool {
	return Permanent(err) || !w.started.Load() && !errors.Is(err, ErrServerBehind)
}

// watch notes when the first stream begins.
func (w *backupWAL) watch(onEvent func(Event)) func(Event) {
	return func(e Event) {
		if _, ok := e.(StreamStarted); ok {
			w.started.Store(true)
		}
		onEvent(e)
	}
}

func (w *backupWAL) cause() error {
	if w.err == nil {
		return errors.New("ended before the backup")
	}
	return w.err
}

// waitFor returns when everything below end is durable. It fails when nothing moves for as long as idle, if that is
// not 0.
func (w *backupWAL) waitFor(ctx context.Context, end xlog.LSN, idle time.Duration) error {
	for {
		w.mu.Lock()
		durable, moved := w.durable, w.moved
		w.mu.Unlock()
		if durable >= end {
			return nil
		}
		if err := waitMove(ctx, moved, idle); err != nil {
			if last := w.receiver.Status().LastError; last != nil {
				err = fmt.Errorf("%w, after %w", err, last)
			}
			return fmt.Errorf("WAL is needed up to %s and durable up to %s: %w", end, durable, err)
		}
	}
}

func waitMove(ctx context.Context, moved <-chan struct{}, idle time.Duration) error {
	var timeout <-chan time.Time
	if idle > 0 {
		timeout = time.After(idle)
	}
	select {
	case <-moved:
		return nil
	case <-timeout:
		return ErrTimeout
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends the streaming and closes the directory, which makes all of it durable.
func (w *backupWAL) stop() error {
	w.cancel()
	<-w.done
	if err := w.sink.headNext(); err != nil {
		return errors.Join(err, w.dir.Close())
	}
	return w.dir.Close()
}

func (w *backupWAL) synced(lsn xlog.LSN) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.durable = lsn
	close(w.moved)
	w.moved = make(chan struct{})
}

// backupSink tells how far the log is durable. Unlike Config.StopAt, which waits for more than its position, this
// also ends on a standby that has nothing after the end of the backup.
type backupSink struct {
	*waldir.Dir
	wal     *backupWAL
	path    string // of the directory
	size    xlog.SegmentSize
	begin   Position
	written xlog.LSN
}

func (s *backupSink) Begin(tli xlog.TimelineID, lsn xlog.LSN) error {
	s.begin, s.written = Position{Timeline: tli, LSN: lsn}, lsn
	return s.Dir.Begin(tli, lsn)
}

func (s *backupSink) Write(lsn xlog.LSN, p []byte) error {
	if err := s.Dir.Write(lsn, p); err != nil {
		return err
	}
	s.written = lsn.Add(len(p))
	return nil
}

func (s *backupSink) Sync() (xlog.LSN, error) {
	lsn, err := s.Dir.Sync()
	if err == nil {
		s.wal.synced(lsn)
	}
	return lsn, err
}

// The fields of a segment's first page header that differ from those of the segment before: XLogLongPageHeaderData in
// src/include/access/xlog_internal.h.
const (
	longHeaderSize    = 40
	pageInfoOffset    = 2
	pageAddressOffset = 8
	pageRemOffset     = 16
	longHeaderFlag    = 0x0002 // XLP_LONG_HEADER
)

// headNext gives the file behind the last full segment, once all has ended, the page header that it will begin with.
// A backup ends with a switch of segments, so an idle server leaves that file without a byte. waldir needs it to know
// that the full segment was acknowledged, but pg_waldump, which pg_verifybackup runs, may take just this file to learn
// the segment size from. Streaming goes on with this segment's first byte, so what is written here does not last.
func (s *backupSink) headNext() error {
	if s.written == s.begin.LSN || s.size.Offset(s.written) != 0 {
		return nil
	}
	header := make([]byte, longHeaderSize)
	if _, err := s.ReadAt(s.begin.Timeline, header, s.written-xlog.LSN(s.size)); err != nil {
		return err
	}
	binary.NativeEndian.PutUint16(header[pageInfoOffset:], longHeaderFlag)
	binary.NativeEndian.PutUint64(header[pageAddressOffset:], uint64(s.written))
	binary.NativeEndian.PutUint32(header[pageRemOffset:], 0)
	name := s.size.Name(s.begin.Timeline, s.size.Number(s.written))
	f, err := os.OpenFile(filepath.Join(s.path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(header, 0)
	return errors.Join(err, f.Sync(), f.Close())
}
