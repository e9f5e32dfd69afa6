// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
)

const demoWriting = 2 * time.Second // how long the demonstration's client writes while the standby follows

// demo is the demonstration: a temporary primary with a client that writes, a standby of it, and the primary's end.
type demo struct {
	out     io.Writer
	began   time.Time
	primary *pgserver.Server
	dir     string // of the standby
	port    int    // of the standby
	acked   atomic.Int64
}

// demonstrate shows init, run, status and activate on a temporary server and ends within seconds.
func demonstrate(ctx context.Context, out io.Writer) (err error) {
	majors := pgserver.Majors()
	if len(majors) == 0 {
		return errors.New("the demonstration needs PostgreSQL 12 to 18 installed (Debian: apt-get install postgresql-15); " +
			"without it, point the program at a running server: standby init --help")
	}
	d := demo{out: out, began: time.Now()}
	d.primary, err = pgserver.New(ctx, pgserver.Options{Major: majors[len(majors)-1]})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.primary.Close()) }()
	parent, err := d.primary.MakeDir("standby")
	if err != nil {
		return err
	}
	d.dir, d.port = filepath.Join(parent, "data"), pgserver.FreePort()
	d.say("a temporary PostgreSQL %d accepts connections on port %d", d.primary.Major, d.primary.Port)
	return d.play(ctx)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%6.2f s  "+format+"\n", append([]any{time.Since(d.began).Seconds()}, args...)...)
}

func (d *demo) play(ctx context.Context) (err error) {
	if _, err := d.primary.Query(ctx, "CREATE TABLE ledger (n bigint PRIMARY KEY)"); err != nil {
		return err
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan error, 1)
	go func() { written <- d.write(writing) }()

	cfg := standby.InitConfig{Primary: d.primary.ConnString(), Port: d.port}
	cfg.Backup.Dir, cfg.Backup.FastCheckpoint = d.dir, true
	snap, err := standby.Init(ctx, cfg)
	if err != nil {
		return err
	}
	d.say("init: %d files, %s, while a client wrote; log from %s to %s", snap.Files, byteCount(snap.Bytes),
		snap.Start.LSN, snap.End.LSN)
	if err := d.follow(ctx); err != nil {
		return err
	}
	if err := <-written; err != nil {
		return err
	}
	if err := pgserver.Chown(d.dir); err != nil {
		return err
	}
	a, err := standby.Activate(ctx, standby.ActivateConfig{Dir: d.dir, BinDir: d.primary.BinDir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pgserver.StopDirectory(d.dir, pgserver.Fast)) }()
	d.say("activate: the standby accepts connections on port %d after %s, timeline %s from %s", a.Port,
		a.Took.Round(time.Millisecond), a.NewTimeline, a.Switch)
	return d.compare(ctx)
}

// write commits one row after the other until the primary is gone.
func (d *demo) write(ctx context.Context) error {
	conn, err := d.primary.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for n := int64(1); ; n++ {
		if _, err := conn.Exec(ctx, "INSERT INTO ledger VALUES ($1)", n); err != nil {
			return nil // killed, as planned
		}
		d.acked.Store(n)
	}
}

// follow runs the standby, makes the primary's commits wait for it, and kills the primary.
func (d *demo) follow(ctx context.Context) error {
	s, err := standby.New(standby.Config{Dir: d.dir})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(ctx)
	defer end()
	done := make(chan error, 1)
	go func() { done <- s.Run(running) }()
	for _, sql := range []string{
		"ALTER SYSTEM SET synchronous_standby_names = '" + standby.ApplicationName + "'",
		"SELECT pg_reload_conf()",
	} {
		if _, err := d.primary.Query(ctx, sql); err != nil {
			return err
		}
	}
	d.say("run: the primary's commits now wait until the standby has them on disk")
	select {
	case <-time.After(demoWriting):
	case err := <-done:
		return err
	}
	st := s.Status()
	d.say("status: %s, timeline %s, flushed %s, lag %d bytes, %d rows committed", st.State, st.Timeline, st.FlushedLSN,
		st.LagBytes, d.acked.Load())
	if err := d.primary.Kill(); err != nil {
		return err
	}
	d.say("the primary was killed")
	end()
	return <-done
}

// compare asks the new coordinator for every row that the client saw committed.
func (d *demo) compare(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", d.port))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var there int64
	acked := d.acked.Load()
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM ledger WHERE n <= $1", acked).Scan(&there); err != nil {
		return err
	}
	if there != acked {
		return fmt.Errorf("%d rows were committed and %d are there", acked, there)
	}
	d.say("all %d rows that were committed are there", there)
	d.say("next: standby init --primary 'host=... user=...' -D DIR")
	return nil
}
