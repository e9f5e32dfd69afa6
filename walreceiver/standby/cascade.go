// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// SlotsDir is the directory in the data directory for the slots of those that follow the standby. A server does not know
// it: activation makes of them slots that it does. They do not come with a base backup.
const SlotsDir = "walmirror.slots"

// cascade serves the standby's log, and base backups of it, to others, as a hot standby of PostgreSQL with
// max_wal_senders does. It is the walsender.Source: pg_wal as far as it is durable, which replay never overtakes.
type cascade struct {
	*walsender.DirSource
	*walsender.BackupDir
	id      walsender.Identity // complete once known is closed
	cfg     walsender.Config
	applier *applier

	primary atomic.Bool // nobody else writes the log any more

	known chan struct{} // closed when the primary's version is known
	once  sync.Once     // closes known

	mu     sync.Mutex
	server *walsender.Server // nil until the version is known
}

// newCascade loads the slots, and finds out what log there is before more comes. server and version are what an earlier
// run has learnt of the primary.
func newCascade(cfg walsender.Config, data *pgdata.DataDir, a *applier, server string, version int) (*cascade, error) {
	c := &cascade{
		BackupDir: &walsender.BackupDir{Path: data.Path}, cfg: cfg, applier: a, known: make(chan struct{}),
	}
	c.BackupDir.Restartpoint, c.BackupDir.FullPageWritesOff = c.restartpoint, c.fullPageWritesOff
	c.id = walsender.Identity{
		SystemID: data.SystemID, SegmentSize: data.SegmentSize, Dialect: data.Dialect, Flavour: data.Dialect.Flavour(),
		DataDirectoryMode: vfs.DirMode,
	}
	c.learn(strings.TrimPrefix(server, c.id.Flavour.String()+" "), version)
	var err error
	c.DirSource, err = walsender.NewDirSource(c.id, waldir.Config{Path: data.WALPath(), SegmentSize: data.SegmentSize})
	if err != nil {
		return nil, err
	}
	c.cfg.Source = c
	c.cfg.Slots, err = walsender.NewSlots(walsender.SlotsConfig{Dir: filepath.Join(data.Path, SlotsDir)})
	return c, err
}

// learn takes the version of the primary, which is the one that the standby presents itself as.
func (c *cascade) learn(text string, version int) {
	if version == 0 {
		return
	}
	c.once.Do(func() {
		c.id.ServerVersionText, c.id.ServerVersion = text, version
		close(c.known)
	})
}

// heard looks for the primary's version in the receiver's events.
func (c *cascade) heard(e walreceiver.Event) {
	if e, ok := e.(walreceiver.Connected); ok {
		c.learn(e.Server.VersionText, e.Server.Version)
	}
}

// Identity implements walsender.Source.
func (c *cascade) Identity() walsender.Identity { return c.id }

// Position implements walsender.Source.
func (c *cascade) Position() walsender.Position {
	pos := c.DirSource.Position()
	pos.InRecovery = !c.primary.Load()
	if r := c.applier.redoer(); r != nil {
		p := r.Progress()
		pos.Replay, pos.Redo, pos.LastXact = p.LSN, p.Restartpoint, p.LastXact
	}
	return pos
}

// restartpoint is made where a base backup begins. Where nothing is replayed any more, the files are what they are.
func (c *cascade) restartpoint() error {
	r := c.applier.redoer()
	if r == nil {
		return nil
	}
	if err := r.RestartpointBeside(); !errors.Is(err, redo.ErrClosed) {
		return err
	}
	return nil
}

// fullPageWritesOff is what replay has seen of the primary's full_page_writes, for base backups.
func (c *cascade) fullPageWritesOff() xlog.LSN {
	if r := c.applier.redoer(); r != nil {
		return r.Progress().FullPageWritesOff
	}
	return 0
}

// scan finds out what log there is. It comes before the receiver.
func (c *cascade) scan() error {
	if err := c.Scan(); err != nil {
		return fmt.Errorf("look for the end of the log: %w", err)
	}
	return nil
}

// run serves until ctx ends. Until the version of the primary is known, which is only on a new standby, clients wait.
func (c *cascade) run(ctx context.Context) error {
	select {
	case <-c.known:
	case <-ctx.Done():
		return nil
	}
	server, err := walsender.New(c.cfg)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.server = server
	c.mu.Unlock()
	return server.Run(ctx)
}

// close lets go of the listeners and of the slots.
func (c *cascade) close() error {
	for _, l := range c.cfg.Listeners {
		l.Close() // most often closed already
	}
	return c.cfg.Slots.Close()
}

// activated goes on under the timeline that the standby has begun.
func (c *cascade) activated(p redo.Promotion) error {
	c.primary.Store(true)
	return c.SetFlush(p.NewTimeline, p.End)
}

// stopFast ends every session at once.
func (c *cascade) stopFast() {
	if server := c.sender(); server != nil {
		server.StopFast()
	}
}

func (c *cascade) sender() *walsender.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server
}

// errNotServing keeps the log while it is not known who needs it.
var errNotServing = errors.New("the clients of the standby are not served yet")

// retain says from where on the log is kept when the standby itself needs it from need on.
func (c *cascade) retain(need xlog.LSN) (xlog.LSN, error) {
	server := c.sender()
	if server == nil {
		return 0, errNotServing
	}
	return server.Retain(need)
}

// feedback is what the clients need of the primary's rows, for the primary.
func (c *cascade) feedback() (protocol.HotStandbyFeedback, bool) {
	server := c.sender()
	if server == nil {
		return protocol.HotStandbyFeedback{}, false
	}
	f := server.Feedback()
	return f, f.Xmin != 0 || f.CatalogXmin != 0
}

// Sender is the server for those that follow this standby; nil without Config.Serve, and until the version of the primary
// is known.
func (s *Standby) Sender() *walsender.Server {
	if s.cascade == nil {
		return nil
	}
	return s.cascade.sender()
}
