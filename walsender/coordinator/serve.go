// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/syncrep"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// slotsDir is where the slots are kept, beside PostgreSQL's own.
const slotsDir = "walmirror.slots"

// source is what standbys get: the log, and base backups, which begin at the last checkpoint.
type source struct {
	*walsender.DirSource
	*walsender.BackupDir
	c *Coordinator
}

// Position implements walsender.Source.
func (s *source) Position() walsender.Position {
	pos := s.DirSource.Position()
	pos.Redo = s.c.redo.Progress().Restartpoint
	return pos
}

// serve lets standbys in.
func (c *Coordinator) serve() error {
	d := c.data
	id := walsender.Identity{
		SystemID: d.SystemID, SegmentSize: d.SegmentSize, Dialect: d.Dialect, Flavour: d.Dialect.Flavour(),
		ServerVersion: ServerVersion, ServerVersionText: ServerVersionText, DataDirectoryMode: vfs.DirMode,
	}
	dir, err := walsender.NewDirSource(id, waldir.Config{Path: d.WALPath(), SegmentSize: d.SegmentSize})
	if err != nil {
		return err
	}
	c.source = &source{DirSource: dir, BackupDir: &walsender.BackupDir{Path: d.Path}, c: c}
	if c.sync, err = syncrep.New(syncrep.Config{Names: c.cfg.SynchronousStandbyNames}); err != nil {
		return err
	}
	cfg := *c.cfg.Serve
	cfg.Source, cfg.Sync = c.source, c.sync
	if cfg.Slots == nil {
		if c.slots, err = walsender.NewSlots(walsender.SlotsConfig{Dir: filepath.Join(d.Path, slotsDir)}); err != nil {
			return err
		}
		cfg.Slots = c.slots
	}
	if c.server, err = walsender.New(cfg); err != nil {
		return err
	}
	if err := c.announce(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop, c.served = stop, make(chan error, 1)
	go func() { c.served <- c.server.Run(ctx) }()
	return nil
}

// announce tells standbys how far the log is durable.
func (c *Coordinator) announce() error {
	if c.source == nil {
		return nil
	}
	tli, _ := c.redo.Position()
	return c.source.SetFlush(tli, c.primary.Position())
}

// stopServing lets standbys have everything that is there.
func (c *Coordinator) stopServing() error {
	if c.stop == nil {
		return nil
	}
	c.stop()
	return <-c.served
}

// SetSynchronousStandbyNames changes Config.SynchronousStandbyNames. With none, every commit goes on that waits.
func (c *Coordinator) SetSynchronousStandbyNames(names string) error {
	if c.sync == nil {
		return errors.New("the coordinator serves no standbys")
	}
	return c.sync.SetNames(names)
}

// Server is the sender; nil without Config.Serve.
func (c *Coordinator) Server() *walsender.Server { return c.server }

// removeLog removes log that neither a recovery nor a standby needs.
func (c *Coordinator) removeLog() error {
	keep := c.redo.KeepFrom()
	if c.server != nil {
		var err error
		if keep, err = c.server.Retain(keep); err != nil {
			return err
		}
	}
	_, err := c.log.RemoveBefore(keep)
	return err
}
