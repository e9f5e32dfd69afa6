// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// ErrNotSupported says that a data directory is not one of a primary of PostgreSQL 15, the only version whose records are
// written.
var ErrNotSupported = errors.New("not a data directory of a PostgreSQL 15 primary")

// Open starts a coordinator on a directory that Create made, or that one ran on before, however that ended. A standby's
// directory will do too once it was activated.
func Open(ctx context.Context, cfg Config) (*Coordinator, error) {
	if cfg.CheckpointBytes == 0 {
		cfg.CheckpointBytes = DefaultCheckpointBytes
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = DefaultCacheBytes
	}
	c := &Coordinator{
		cfg: cfg, turn: make(chan struct{}, 1), gone: make(chan struct{}), tables: make(map[string]*catalog.Relation),
	}
	c.life, c.end = context.WithCancel(context.Background())
	if err := c.open(ctx); err != nil {
		c.end()
		return nil, fmt.Errorf("coordinator: %w", errors.Join(err, c.release()))
	}
	return c, nil
}

func (c *Coordinator) open(ctx context.Context) (err error) {
	if c.data, err = pgdata.Open(vfs.OS, c.cfg.Dir); err != nil {
		return err
	}
	if c.data.Major != ServerVersion/10000 || c.data.Dialect.Flavour() != xlog.PostgreSQL {
		return fmt.Errorf("%s: %w", c.cfg.Dir, ErrNotSupported)
	}
	if standby, err := pgdata.StandbySignal.Exists(vfs.OS, c.data.Path); standby || err != nil {
		return errors.Join(err, fmt.Errorf("%s: %w: it is a standby's, activate it first", c.cfg.Dir, ErrNotSupported))
	}
	if c.lock, err = c.data.Lock(c.port()); err != nil {
		return err
	}
	if err := c.recover(ctx); err != nil {
		return err
	}
	if err := c.goOn(); err != nil {
		return err
	}
	if c.cfg.Serve == nil {
		return nil
	}
	return c.serve()
}

func (c *Coordinator) port() int {
	if c.cfg.Serve != nil {
		for _, l := range c.cfg.Serve.Listeners {
			if a, ok := l.Addr().(*net.TCPAddr); ok {
				return a.Port
			}
		}
	}
	return 0
}

// recover replays what the log has.
func (c *Coordinator) recover(ctx context.Context) (err error) {
	if err := waldir.SyncAll(ctx, vfs.OS, c.data.WALPath()); err != nil { // a crash may have left it to the kernel
		return err
	}
	wal := redo.NewDirWAL(c.data.WALPath(), c.data.SegmentSize)
	defer wal.Close()
	if c.redo, err = redo.New(redo.Config{Dir: c.data.Path, WAL: wal, CacheBytes: c.cfg.CacheBytes}); err != nil {
		return err
	}
	_, err = c.redo.Replay(ctx, redo.ReplayConfig{})
	return err
}

// goOn opens the log for writing where it ends.
func (c *Coordinator) goOn() (err error) {
	tli, end := c.redo.Position()
	start := c.data.SegmentSize.RoundDown(end)
	before := make([]byte, end.Sub(start))
	wal := redo.NewDirWAL(c.data.WALPath(), c.data.SegmentSize)
	defer wal.Close()
	if _, err := wal.ReadAt(tli, before, start); err != nil && len(before) > 0 {
		return err
	}
	if err := c.cutLog(tli, end); err != nil {
		return err
	}
	c.log, err = waldir.Open(waldir.Config{Path: c.data.WALPath(), SegmentSize: c.data.SegmentSize})
	if err != nil {
		return err
	}
	if err := errors.Join(c.log.Begin(tli, start), c.log.Write(start, before)); err != nil {
		return err
	}
	if c.primary, err = c.redo.Primary(c.log); err != nil {
		return err
	}
	return c.checkpoint()
}

// cutLog removes what is behind the end of the log: a record of which a crash left a part, and perhaps others behind it.
// Nobody was sent that, and nobody is to take it for what follows the records that come in its place.
func (c *Coordinator) cutLog(tli xlog.TimelineID, end xlog.LSN) error {
	size, dir := c.data.SegmentSize, c.data.WALPath()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if t, n, err := size.ParseName(e.Name()); err == nil && t == tli && n > size.Number(end) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := vfs.OS.SyncDir(dir); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, size.Name(tli, size.Number(end))), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) { // the log ends with a segment
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, uint32(size)-size.Offset(end)), int64(size.Offset(end)))
	return errors.Join(err, f.Sync(), f.Close())
}

// Close shuts the coordinator down: when the transaction that runs has ended, everything is written, and standbys have had
// it all or are gone. Commits that wait for standbys do not any more.
func (c *Coordinator) Close() error {
	c.end()
	select {
	case c.turn <- struct{}{}:
	case <-c.gone:
		return nil
	}
	defer func() { <-c.turn }()
	c.working.Lock()
	defer c.working.Unlock()
	if c.closed {
		return nil
	}
	if c.failed != nil {
		return errors.Join(c.failed, c.abort())
	}
	c.closed = true
	err := c.primary.Shutdown()
	if err == nil {
		err = c.announce()
	} else if c.server != nil {
		c.server.StopFast()
	}
	return errors.Join(err, c.stopServing(), c.release())
}

// Abort ends the coordinator as a crash would: nothing more is written. The transaction that runs is lost.
func (c *Coordinator) Abort() error {
	c.end()
	c.working.Lock()
	defer c.working.Unlock()
	if c.closed {
		return nil
	}
	return c.abort()
}

func (c *Coordinator) abort() error {
	c.closed = true
	close(c.gone)
	if c.server != nil {
		c.server.StopFast()
	}
	return errors.Join(c.stopServing(), c.release())
}

// release lets go of files.
func (c *Coordinator) release() error {
	var err error
	if c.redo != nil {
		err = c.redo.Close()
	}
	if c.log != nil {
		err = errors.Join(err, c.log.Close())
	}
	if c.slots != nil {
		err = errors.Join(err, c.slots.Close())
	}
	if c.lock != nil {
		err = errors.Join(err, c.lock.Close())
	}
	return err
}
