// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// Config says how a Standby runs. Only Dir is needed: everything else it has from the directory.
type Config struct {
	Dir string
	// Primary replaces primary_conninfo, Slot replaces primary_slot_name.
	Primary, Slot string
	// StatusInterval and ReceiveTimeout are walreceiver's.
	StatusInterval, ReceiveTimeout time.Duration
	Backoff                        walreceiver.Backoff
	Replay                         ReplayConfig
	// Serve makes the standby one that others follow; nil does not. Its Source and Slots are the standby's. The standby
	// closes the listeners. Hot standby feedback of clients is passed on to the primary.
	Serve *walsender.Config
	// OnChanges is called for every transaction that changed catalogs, by the goroutine of replay, which waits for it; see
	// package changes. The last ones before a restart may come again after it. May be nil; see Watch too.
	OnChanges func(*changes.Transaction)
	// OnEvent is called for everything worth a line in a log. May be nil.
	OnEvent func(Event)
}

// Standby keeps a standby's directory current. New takes hold of the directory, Run works until it is told to end.
type Standby struct {
	cfg     Config
	data    *pgdata.DataDir
	lock    *pgdata.Lock
	events  func(Event)
	applier *applier
	cascade *cascade // nil: nobody follows this standby

	takeover *takeover
	saving   sync.Mutex // the status file is written
	kept     []string   // slots that a server on the directory would have; of the goroutine that works in Run

	mu        sync.Mutex // guards what follows
	receiver  *walreceiver.Receiver
	wal       *waldir.Dir // while receiver is there
	status    Status
	lag       lagClock
	replayLag lagClock
}

// New opens the directory that Init made and takes hold of it: postmaster.pid, so that no server starts on it.
func New(cfg Config) (*Standby, error) {
	data, err := openStandby(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Standby{cfg: cfg, data: data, events: cfg.OnEvent, takeover: newTakeover()}
	if s.events == nil {
		s.events = func(Event) {}
	}
	if s.status, err = statusAtRest(data); err != nil {
		return nil, err
	}
	if err := s.configure(); err != nil {
		return nil, err
	}
	if s.lock, err = data.Lock(s.status.Port); err != nil {
		return nil, err
	}
	old, err := loadStatus(data.Path)
	if err != nil {
		old = Status{} // a status that cannot be read is replaced
	}
	s.status.Starts = old.Starts + 1
	s.status.Server, s.status.ServerVersionNum = old.Server, old.ServerVersionNum
	s.status.State, s.status.Running, s.status.PID = StateStarting, true, os.Getpid()
	s.status.StartedAt = time.Now()
	s.applier = s.newApplier()
	if err := errors.Join(dropUnbegun(vfs.OS, data), checkLog(data), s.save(), s.serve()); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// serve prepares to serve others.
func (s *Standby) serve() error {
	if s.cfg.Serve == nil {
		return nil
	}
	var err error
	cfg := *s.cfg.Serve
	cfg.Catalogs, cfg.WALReceiver = newSQLCatalogs(s), s.receiverStat
	s.cascade, err = newCascade(cfg, s.data, s.applier, s.status.Server, s.status.ServerVersionNum)
	return err
}

// configure takes what the caller did not say from the directory.
func (s *Standby) configure() error {
	var err error
	if s.cfg.Primary == "" {
		if s.cfg.Primary, _, err = s.data.Conf("primary_conninfo"); err != nil {
			return err
		}
		if s.cfg.Primary == "" {
			return fmt.Errorf("%w: %s has no primary_conninfo; say where the primary is with --primary",
				ErrNotStandby, s.data.Path)
		}
	}
	if s.cfg.Slot == "" {
		s.cfg.Slot, _, err = s.data.Conf("primary_slot_name")
	}
	return err
}

// statusAtRest is what the directory alone says.
func statusAtRest(data *pgdata.DataDir) (Status, error) {
	st := Status{
		State: StateStopped, DataDirectory: data.Path, SystemIdentifier: data.SystemID,
		Timeline: data.Control.CheckPointCopy.ThisTimeLineID, CatalogOnly: data.CatalogOnly,
	}
	conninfo, _, err := data.Conf("primary_conninfo")
	if err != nil {
		return st, err
	}
	st.Primary = walreceiver.RedactConnInfo(conninfo)
	if st.Slot, _, err = data.Conf("primary_slot_name"); err != nil {
		return st, err
	}
	port, ok, err := data.Conf("port")
	if ok {
		st.Port, _ = strconv.Atoi(port)
	}
	return st, err
}

// Run streams and replays until ctx ends or something happens that needs a person. A lost connection, a primary that is
// down and a full disk are not such things; neither is a record that cannot be redone: it ends replay, and receiving goes
// on. After Activate Run goes on serving. Run lets go of the directory; a Standby runs once.
func (s *Standby) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.takeover.finish()
	var g errgroup.Group
	if err := s.begin(ctx); err != nil {
		return errors.Join(err, s.end())
	}
	for _, watch := range []func(context.Context) error{s.keepStatus, s.awaitOrder, s.serveWatchers} {
		g.Go(func() error {
			defer cancel()
			return watch(ctx)
		})
	}
	if s.cascade != nil {
		g.Go(func() error {
			defer cancel()
			return s.cascade.run(ctx)
		})
	}
	g.Go(func() error {
		s.applier.run(ctx)
		return nil
	})
	g.Go(func() error {
		defer cancel()
		return s.follow(ctx)
	})
	err := g.Wait()
	s.finish(err)
	return errors.Join(err, s.save(), s.end())
}

// begin makes what log there is durable, and offers it to others.
func (s *Standby) begin(ctx context.Context) error {
	if err := waldir.SyncAll(ctx, vfs.OS, s.data.WALPath()); err != nil || s.cascade == nil {
		return err
	}
	return s.cascade.scan()
}

// end lets go of everything that New took hold of.
func (s *Standby) end() error {
	var err error
	if s.cascade != nil {
		if s.isActivated() {
			err = s.keepSlots()
		}
		err = errors.Join(err, s.cascade.close())
	}
	return errors.Join(err, s.lock.Close())
}

func (s *Standby) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Running = false
	if s.status.Activation == nil {
		s.status.State = StateStopped
	}
	if err != nil {
		s.status.State = StateFailed
		s.status.LastError, s.status.LastErrorTime = err.Error(), time.Now()
	}
}

// diskWait is how long a full disk is left alone.
const diskWait = 5 * time.Second

// receiveForever begins again when the disk was full. Every other failure of the disk is final: what the page cache
// holds after a failed fsync is not what the disk holds.
func (s *Standby) receiveForever(ctx context.Context) error {
	for {
		err := s.receive(ctx)
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
			return err
		}
		s.waiting(err)
		if sleep(ctx, diskWait) != nil {
			return nil
		}
	}
}

func (s *Standby) waiting(err error) {
	s.mu.Lock()
	s.status.State = StateWaiting
	s.status.LastError, s.status.LastErrorTime = err.Error(), time.Now()
	s.mu.Unlock()
	s.events(DiskFull{Err: err, RetryIn: diskWait})
}

// receive opens pg_wal and streams into it from the start of its newest segment.
func (s *Standby) receive(ctx context.Context) error {
	wal, err := waldir.Open(waldir.Config{Path: s.data.WALPath(), SegmentSize: s.data.SegmentSize})
	if err != nil {
		return err
	}
	r, err := walreceiver.New(s.receiverConfig(wal))
	if err != nil {
		return errors.Join(err, wal.Close())
	}
	s.watch(r, wal)
	err = r.Run(ctx)
	s.watch(nil, nil)
	return errors.Join(err, wal.Close())
}

func (s *Standby) receiverConfig(wal *waldir.Dir) walreceiver.Config {
	cfg := walreceiver.Config{
		ConnString:     s.cfg.Primary,
		Slot:           s.cfg.Slot,
		Sink:           &watchedDir{Dir: wal, log: s.applier.log, cascade: s.cascade},
		Applied:        s.applier.applied,
		SystemID:       s.data.SystemID,
		SegmentSize:    s.data.SegmentSize,
		StatusInterval: s.cfg.StatusInterval,
		ReceiveTimeout: s.cfg.ReceiveTimeout,
		Backoff:        s.cfg.Backoff,
		OnEvent:        s.receiverEvent,
		Verify:         &walreceiver.VerifyConfig{Dialect: s.data.Dialect},
	}
	if s.cascade != nil {
		cfg.Feedback = s.cascade.feedback
	}
	return cfg
}

func (s *Standby) receiverEvent(e walreceiver.Event) {
	if s.cascade != nil {
		s.cascade.heard(e)
	}
	s.events(e)
}

// Event is something that happened: one of the events of package walreceiver, or a DiskFull. Its String is a line for a
// log.
type Event = fmt.Stringer

// DiskFull tells that the disk is full and when receiving begins again.
type DiskFull struct {
	Err     error
	RetryIn time.Duration
}

func (e DiskFull) String() string {
	return fmt.Sprintf("the disk is full: %v; next attempt in %s", e.Err, e.RetryIn)
}

// Restarted tells that a restartpoint was made: what was applied is on disk.
type Restarted struct {
	Keep xlog.LSN // oldest position of the log that is still needed
}

func (e Restarted) String() string {
	return fmt.Sprintf("restartpoint: everything applied is on disk, a restart replays from %s on", e.Keep)
}

// LogNotRemoved tells that log which is not needed any more could not be removed.
type LogNotRemoved struct{ Err error }

func (e LogNotRemoved) String() string { return fmt.Sprintf("old log was not removed: %v", e.Err) }
