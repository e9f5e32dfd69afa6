// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender/coordinator"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// How long the demonstration's client writes, before and after its commits wait for the standby.
const (
	demoBefore = time.Second
	demoAfter  = 2 * time.Second
)

// demo is the demonstration: a coordinator with a client that writes, a standby of it, and the coordinator's end.
type demo struct {
	out     io.Writer
	began   time.Time
	primary *demoPrimary
	dir     string // of the standby
}

// demonstrate shows what standbys are for, and ends within seconds. It needs no PostgreSQL.
func demonstrate(ctx context.Context, out io.Writer) (err error) {
	parent, err := os.MkdirTemp("", "walmirror-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(parent)) }()
	d := demo{out: out, began: time.Now(), dir: filepath.Join(parent, "standby")}
	if d.primary, err = startDemoPrimary(ctx, filepath.Join(parent, "coordinator")); err != nil {
		return err
	}
	defer d.primary.kill()
	d.say("a coordinator in Go, process %d, serves its log on port %d; a client commits rows", d.primary.pid(), d.primary.port)
	return d.play(ctx)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%6.2f s  "+format+"\n", append([]any{time.Since(d.began).Seconds()}, args...)...)
}

func (d *demo) play(ctx context.Context) error {
	if err := d.snapshot(ctx); err != nil {
		return err
	}
	if err := d.follow(ctx); err != nil {
		return err
	}
	if err := d.compare(ctx); err != nil {
		return err
	}
	if err := d.goOn(ctx); err != nil {
		return err
	}
	d.say("next: go run ./examples/standby init --primary 'host=HOST user=USER' -D DIR    (of a server of yours)")
	return nil
}

// snapshot makes the standby while the client writes.
func (d *demo) snapshot(ctx context.Context) error {
	before := d.primary.committed()
	cfg := standby.InitConfig{Primary: d.primary.conninfo()}
	cfg.Backup.Dir = d.dir
	snap, err := standby.Init(ctx, cfg)
	if err != nil {
		return err
	}
	d.say("init: %d files, %s, while the client committed %d rows; log from %s to %s", snap.Files, byteCount(snap.Bytes),
		d.primary.committed()-before, snap.Start.LSN, snap.End.LSN)
	return nil
}

// follow runs the standby until it has taken over.
func (d *demo) follow(ctx context.Context) error {
	s, err := standby.New(standby.Config{Dir: d.dir})
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	done := make(chan error, 1)
	go func() {
		err := s.Run(ctx)
		end(err)
		done <- err
	}()
	err = d.lose(ctx, s)
	end(nil)
	return errors.Join(err, <-done)
}

// lose shows how the standby follows, makes commits wait for it, kills the coordinator, and has the standby take over.
func (d *demo) lose(ctx context.Context, s *standby.Standby) error {
	view := newDemoView(d.out, d.began, d.primary, s)
	if err := view.show(ctx, demoBefore); err != nil {
		return err
	}
	if err := d.primary.order("wait"); err != nil {
		return err
	}
	d.say("from now on a commit waits until the standby has it on disk")
	if err := view.show(ctx, demoAfter); err != nil {
		return err
	}
	d.primary.kill()
	d.say("the coordinator was killed (SIGKILL) after it had acknowledged %d rows", d.primary.committed())
	began := time.Now()
	a, err := s.Activate(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if _, err := view.line(ctx, true); err != nil {
		return err
	}
	d.say("the standby took over within %s: its timeline %s leaves timeline %s at %s", took.Round(time.Millisecond),
		a.NewTimeline, a.OldTimeline, a.Switch)
	return nil
}

// compare reads the standby's catalog back: every row that the client saw committed must be there.
func (d *demo) compare(ctx context.Context) error {
	var there map[int]bool
	var segments []catalog.SegmentConfiguration
	err := standby.ReadCatalog(ctx, d.dir, func(c *catalog.Catalog) (err error) {
		if there, err = demoRows(c); err != nil {
			return err
		}
		db, err := c.Database(coordinator.Database)
		if err != nil {
			return err
		}
		segments, err = catalog.Rows[catalog.SegmentConfiguration](db)
		return err
	})
	if err != nil {
		return err
	}
	acked := d.primary.committed()
	for n := 1; n <= acked; n++ {
		if !there[n] {
			return fmt.Errorf("row %d was acknowledged and is not there", n)
		}
	}
	d.say("its catalog has all %d rows that were acknowledged, and the cluster's configuration:", acked)
	slices.SortFunc(segments, func(a, b catalog.SegmentConfiguration) int { return cmp.Compare(a.DBID, b.DBID) })
	fmt.Fprintf(d.out, "          %4s %7s %4s %6s %5s  %s\n", "dbid", "content", "role", "status", "port", "hostname")
	for _, s := range segments {
		fmt.Fprintf(d.out, "          %4d %7d %4c %6c %5d  %s\n", s.DBID, s.Content, s.Role, s.Status, s.Port, s.Hostname)
	}
	return nil
}

// demoRows are the numbers in gp_configuration_history.
func demoRows(c *catalog.Catalog) (map[int]bool, error) {
	db, err := c.Database(coordinator.Database)
	if err != nil {
		return nil, err
	}
	rows, err := catalog.Rows[catalog.ConfigurationHistory](db)
	there := make(map[int]bool, len(rows))
	for _, r := range rows {
		if n, err := strconv.Atoi(r.Description); err == nil {
			there[n] = true
		}
	}
	return there, err
}

// goOn starts a coordinator on what the standby has become.
func (d *demo) goOn(ctx context.Context) error {
	c, err := coordinator.Open(ctx, coordinator.Config{Dir: d.dir})
	if err != nil {
		return err
	}
	err = demoCommit(ctx, c, d.primary.committed()+1)
	d.say("a coordinator on the standby's directory commits the next row, at %s", c.Position())
	return errors.Join(err, c.Close())
}
