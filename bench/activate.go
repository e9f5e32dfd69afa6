// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// takeovers are the two cases: the order comes while most of the log is still to be replayed, and when nothing is.
var takeovers = []struct {
	name    string
	backlog bool
	size    int64 // of the log at most
}{
	{"backlog", true, 500 << 20},
	{"caught up", false, 32 << 20},
}

// activate measures the time from the order to take over until PostgreSQL accepts connections that write, against the
// promotion of a real standby. Both run, have the same log in pg_wal, and their primary is gone.
func activate(ctx context.Context, b *bench) (report, error) {
	r := report{Subject: fmt.Sprintf("DDL-heavy WAL of PostgreSQL %d; %d MiB of page cache each; fsync on", b.major,
		redoCache>>20)}
	for _, t := range takeovers {
		small := *b
		small.size = min(b.size, t.size)
		base, err := redoLoads[0].write(ctx, &small)
		if err != nil {
			return r, err
		}
		took := figure{What: t.name + ": from the order until connections are accepted", Unit: "s"}
		err = base.compareTakeovers(ctx, b, t.backlog, &took)
		if err := errors.Join(err, os.RemoveAll(base.dir)); err != nil {
			return r, fmt.Errorf("%s: %w", t.name, err)
		}
		r.Subject += fmt.Sprintf("; %s: %.0f MiB of log", t.name, float64(base.end-base.start)/(1<<20))
		r.Figures = append(r.Figures, took)
	}
	return r, nil
}

func (base *redoBase) compareTakeovers(ctx context.Context, b *bench, backlog bool, took *figure) error {
	for run := range b.runs {
		dir := filepath.Join(base.dir, fmt.Sprintf("takeover%d", run))
		theirs, held, err := base.promoted(ctx, b, dir, backlog)
		if err != nil {
			return fmt.Errorf("promotion of a real standby: %w", err)
		}
		ours, got, err := base.activated(ctx, b, dir, backlog)
		if err != nil {
			return fmt.Errorf("standby activate: %w", err)
		}
		if held != got {
			return fmt.Errorf("the real standby has %s, ours %s", held, got)
		}
		took.add(theirs.Seconds(), ours.Seconds())
	}
	return nil
}

// standing makes dir a standby whose primary is gone, with all of the log. The log is copied, for who is promoted renames
// and reuses its files. Waiting for the disk here keeps it out of the time of what follows.
func (base *redoBase) standing(dir string, settings map[string]string) error {
	if err := base.Copy(dir); err != nil {
		return err
	}
	wal := filepath.Join(dir, pgdata.WALDir)
	if err := os.RemoveAll(wal); err != nil {
		return err
	}
	if err := os.CopyFS(wal, os.DirFS(base.WAL)); err != nil {
		return err
	}
	list := []pgdata.Setting{{Name: "primary_conninfo",
		Value: fmt.Sprintf("host=127.0.0.1 port=%d user=postgres", pgserver.FreePort())}}
	for name, value := range settings {
		list = append(list, pgdata.Setting{Name: name, Value: value})
	}
	if err := errors.Join(pgdata.SetAutoConf(vfs.OS, dir, list...), pgserver.Chown(dir)); err != nil {
		return err
	}
	syscall.Sync()
	return nil
}

// takeoverSettings are those of both servers.
func takeoverSettings() map[string]string {
	return map[string]string{
		"shared_buffers": strconv.Itoa(redoCache>>20) + "MB", "fsync": "on", "hot_standby": "on", "max_connections": "20",
		"max_wal_size": "64GB", "checkpoint_timeout": "5min",
	}
}

// promoted has a real standby promoted, as pg_ctl does.
func (base *redoBase) promoted(ctx context.Context, b *bench, dir string, backlog bool) (
	took time.Duration, held string, err error) {
	defer os.RemoveAll(dir)
	settings := takeoverSettings()
	if backlog {
		settings["recovery_min_apply_delay"] = "1d"
	}
	if err := base.standing(dir, settings); err != nil {
		return 0, "", err
	}
	s, err := pgserver.NewAdopted(ctx, dir, pgserver.Options{Major: b.major, Fsync: true, StartTimeout: 20 * time.Minute,
		Settings: map[string]string{"fsync": "on"}})
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = base.await(ctx, backlog, func() (xlog.LSN, error) { return queryLSN(ctx, s, "SELECT pg_last_wal_replay_lsn()") })
	if err != nil {
		return 0, "", err
	}
	began := time.Now()
	if err := s.Promote(); err != nil {
		return 0, "", err
	}
	took = time.Since(began)
	held, err = heldBy(ctx, s.ConnString())
	return took, held, err
}

// activated has the standby program take over, with a server on the directory at the end.
func (base *redoBase) activated(ctx context.Context, b *bench, dir string, backlog bool) (
	took time.Duration, held string, err error) {
	defer os.RemoveAll(dir)
	settings, port := takeoverSettings(), pgserver.FreePort()
	settings["port"], settings["listen_addresses"] = strconv.Itoa(port), "127.0.0.1"
	settings["unix_socket_directories"] = ""
	if err := base.standing(dir, settings); err != nil {
		return 0, "", err
	}
	binDir, err := pgserver.BinDir(b.major)
	if err != nil {
		return 0, "", err
	}
	stop, err := base.runStandby(ctx, b, dir, backlog)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, stop(), pgserver.StopDirectory(dir, pgserver.Immediate)) }()
	u, err := measure(ctx, b.program("standby"), "activate", "-D", dir, "-a", "--postgres", binDir)
	if err != nil {
		return 0, "", err
	}
	held, err = heldBy(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", port))
	return u.wall, held, err
}

// runStandby starts "standby run", and returns when it has replayed as much as it is to.
func (base *redoBase) runStandby(ctx context.Context, b *bench, dir string, backlog bool) (stop func() error, err error) {
	args := []string{"run", "-D", dir, "--cache", strconv.Itoa(redoCache>>20) + "M"}
	if backlog {
		args = append(args, "--recovery-min-apply-delay", "24h")
	}
	var words bytes.Buffer
	cmd := exec.CommandContext(ctx, b.program("standby"), args...)
	cmd.Dir, cmd.Stderr = "/", &words
	pgserver.RunAs(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() error {
		_ = cmd.Process.Kill() // it has ended by itself, unless something failed
		<-ended
		return nil
	}
	err = base.await(ctx, backlog, func() (xlog.LSN, error) {
		st, err := standby.ReadStatus(dir)
		if err == nil && !st.Running && st.Starts > 0 {
			err = errors.New("standby run has ended")
		}
		return st.Replay.LSN, err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errors.Join(err, stop()), words.String())
	}
	return stop, nil
}

// await waits until a standby is where the order is to find it: before the end of the first transaction, or at the end.
func (base *redoBase) await(ctx context.Context, backlog bool, replayed func() (xlog.LSN, error)) error {
	for {
		lsn, err := replayed()
		switch {
		case err != nil:
			return err
		case backlog && lsn.Sub(base.start) > 1<<20:
			return fmt.Errorf("the standby is at %s already", lsn)
		case backlog && lsn > base.start, lsn >= base.end:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// heldBy says what a new primary holds, and makes sure that it writes.
func heldBy(ctx context.Context, connString string) (held string, err error) {
	conn, err := pgx.Connect(ctx, connString)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT count(*) || ' relations, the last is ' || max(oid) FROM pg_class`).Scan(&held)
	if err == nil {
		_, err = conn.Exec(ctx, "CREATE TABLE taken_over (i int)")
	}
	return held, err
}
