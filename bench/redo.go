// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// ddlScript is a short transaction as schema migrations and temporary structures make them, for pgbench.
const ddlScript = `BEGIN;
CREATE TABLE d_:client_id (id serial PRIMARY KEY, a int NOT NULL, b text, c timestamptz DEFAULT now());
CREATE INDEX ON d_:client_id (a, b);
CREATE INDEX ON d_:client_id (c);
CREATE SEQUENCE s_:client_id;
INSERT INTO d_:client_id (a, b) SELECT i, md5(i::text) FROM generate_series(1, 20) i;
ALTER TABLE d_:client_id ADD COLUMN d int DEFAULT 7;
ALTER TABLE d_:client_id ALTER COLUMN a TYPE bigint USING a::bigint, DROP COLUMN c;
CREATE VIEW v_:client_id AS SELECT a, count(*) FROM d_:client_id GROUP BY a;
COMMIT;
DROP TABLE d_:client_id CASCADE;
DROP SEQUENCE s_:client_id;
`

// A redoLoad is a kind of WAL to replay, with what it is measured by.
type redoLoad struct {
	name    string
	prepare []string // arguments of a first pgbench, run before the base backup; none when empty
	run     []string // arguments of the pgbench that writes the WAL
	script  string   // of that pgbench; empty for its own
}

var redoLoads = []redoLoad{
	{name: "DDL", run: []string{"-n", "-c", "4", "-t", "250"}, script: ddlScript},
	{name: "pgbench", prepare: []string{"-i", "-q", "-s", "20"}, run: []string{"-n", "-c", "4", "-t", "20000"}},
}

// redoCache is the memory in bytes for pages, of both.
const redoCache = 512 << 20

// redoWAL measures how fast WAL is replayed, against PostgreSQL's startup process.
func redoWAL(ctx context.Context, b *bench) (report, error) {
	r := report{Subject: fmt.Sprintf("at least %s of WAL of PostgreSQL %d each, replayed from the same copy of a data "+
		"directory; %d MiB of page cache each", (*byteSize)(&b.size), b.major, redoCache>>20)}
	for _, load := range redoLoads {
		if b.load != "" && !strings.EqualFold(b.load, load.name) {
			continue
		}
		figures, subject, err := load.measure(ctx, b)
		if err != nil {
			return r, fmt.Errorf("%s: %w", load.name, err)
		}
		r.Subject += "; " + subject
		r.Figures = append(r.Figures, figures...)
	}
	if len(r.Figures) == 0 {
		return r, fmt.Errorf("no load is called %q", b.load)
	}
	return r, nil
}

func (load redoLoad) measure(ctx context.Context, b *bench) ([]figure, string, error) {
	base, err := load.write(ctx, b)
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(base.dir)
	redo := figure{What: load.name + ": redo", Unit: "s"}
	cpu := figure{What: load.name + ": CPU of redo", Unit: "s"}
	all := figure{What: load.name + ": until it is on disk", Unit: "s"}
	peak := figure{What: load.name + ": our peak memory above the page cache", Unit: "MiB"}
	for run := range b.runs {
		theirs, err := base.theirs(ctx, b, fmt.Sprintf("theirs%d", run))
		if err != nil {
			return nil, "", err
		}
		ours, err := base.ours(ctx, b, fmt.Sprintf("ours%d", run))
		if err != nil {
			return nil, "", err
		}
		redo.add(theirs.redo.Seconds(), ours.redo.Seconds())
		cpu.add(theirs.cpu.Seconds(), ours.cpu.Seconds())
		all.add(theirs.wall.Seconds(), ours.wall.Seconds())
		peak.Ours = append(peak.Ours, float64(ours.peak-redoCache)/(1<<20))
	}
	subject := fmt.Sprintf("%s: %.2f GiB", load.name, float64(base.end-base.start)/(1<<30))
	return []figure{redo, cpu, all, peak}, subject, nil
}

// redoBase is a data directory at rest with the WAL that came after it.
type redoBase struct {
	pgreplay.Source
	dir        string // holds both
	start, end xlog.LSN
}

// write makes a data directory, copies it, and lets the server go on.
func (load redoLoad) write(ctx context.Context, b *bench) (_ *redoBase, err error) {
	s, err := pgserver.New(ctx, pgserver.Options{Major: b.major, Settings: map[string]string{
		"max_wal_size": "64GB", "checkpoint_timeout": "5min", "wal_keep_size": "64GB", "shared_buffers": "512MB",
		"max_connections": "20", "hot_standby": "off",
	}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	base := &redoBase{}
	if base.dir, err = os.MkdirTemp(b.dir, "redo-"); err != nil {
		return nil, err
	}
	if err := os.Chmod(base.dir, 0o755); err != nil {
		return nil, err
	}
	if len(load.prepare) > 0 {
		if err := pgbench(ctx, s, load.prepare, ""); err != nil {
			return nil, err
		}
	}
	base.Source = pgreplay.Source{Major: b.major, Base: filepath.Join(base.dir, "base"), WAL: filepath.Join(base.dir, "wal")}
	if err := pgreplay.ColdCopy(s, base.Base); err != nil {
		return nil, err
	}
	if base.start, err = queryLSN(ctx, s, "SELECT pg_current_wal_flush_lsn()"); err != nil {
		return nil, err
	}
	for base.end.Sub(base.start) < b.size {
		if err := pgbench(ctx, s, load.run, load.script); err != nil {
			return nil, err
		}
		if base.end, err = queryLSN(ctx, s, "SELECT pg_current_wal_flush_lsn()"); err != nil {
			return nil, err
		}
	}
	if err := s.Stop(pgserver.Fast); err != nil {
		return nil, err
	}
	return base, os.Rename(filepath.Join(s.DataDir, pgdata.WALDir), base.WAL)
}

func pgbench(ctx context.Context, s *pgserver.Server, args []string, script string) error {
	if script != "" {
		name := filepath.Join(filepath.Dir(s.LogFile), "script.sql")
		if err := os.WriteFile(name, []byte(script), 0o644); err != nil {
			return err
		}
		args = append([]string{"-f", name}, args...)
	}
	args = append(args, "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "postgres")
	cmd := s.Command(ctx, "pgbench", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgbench: %w: %s", err, out)
	}
	return nil
}

// replayed is what a replay took.
type replayed struct {
	redo time.Duration // from the first record to the last
	cpu  time.Duration // of the process that replayed
	wall time.Duration // with the start, and until everything is on disk
	peak int64
}

var redoDonePattern = regexp.MustCompile(
	`redo done at \S+ system usage: CPU: user: ([0-9.]+) s, system: ([0-9.]+) s, elapsed: ([0-9.]+) s`)

// theirs lets a server recover from the WAL, as from an archive.
func (base *redoBase) theirs(ctx context.Context, b *bench, name string) (replayed, error) {
	dir := filepath.Join(base.dir, name)
	defer os.RemoveAll(dir)
	if err := base.Copy(dir); err != nil {
		return replayed{}, err
	}
	if err := os.Rename(filepath.Join(dir, "standby.signal"), filepath.Join(dir, "recovery.signal")); err != nil {
		return replayed{}, err
	}
	began := time.Now()
	s, err := pgserver.NewAdopted(ctx, dir, pgserver.Options{Major: b.major, Fsync: true, StartTimeout: 20 * time.Minute,
		Settings: map[string]string{"restore_command": "false", "shared_buffers": "512MB", "fsync": "on"}})
	if err != nil {
		return replayed{}, err
	}
	log, err := waitRecovered(ctx, s)
	out := replayed{wall: time.Since(began)}
	if err != nil {
		return out, errors.Join(err, s.Close())
	}
	m := redoDonePattern.FindStringSubmatch(log)
	if err := s.Close(); err != nil {
		return out, err
	}
	if m == nil {
		return out, fmt.Errorf("the server did not say how long redo took: %s", log)
	}
	var parts [3]time.Duration
	for i := range parts {
		if parts[i], err = time.ParseDuration(m[1+i] + "s"); err != nil {
			return out, err
		}
	}
	out.cpu, out.redo = parts[0]+parts[1], parts[2]
	return out, nil
}

// waitRecovered waits until a server has ended its recovery, and gives its log.
func waitRecovered(ctx context.Context, s *pgserver.Server) (string, error) {
	for s.Running() {
		if log := s.Log(); strings.Contains(log, "database system is ready to accept connections") {
			return log, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return "", fmt.Errorf("the server ended: %s", s.Log())
}

// ours replays with the standby program.
func (base *redoBase) ours(ctx context.Context, b *bench, name string) (replayed, error) {
	dir := filepath.Join(base.dir, name)
	defer os.RemoveAll(dir)
	if err := base.Copy(dir); err != nil {
		return replayed{}, err
	}
	var text bytes.Buffer
	cmd := exec.CommandContext(ctx, b.program("standby"), "replay", "-D", dir,
		"--cache", strconv.Itoa(redoCache>>20)+"M", "--json")
	u, err := measureCommand(cmd, &text)
	if err != nil {
		return replayed{}, err
	}
	var said struct {
		Seconds float64  `json:"redo_seconds"`
		End     xlog.LSN `json:"replay_lsn"`
	}
	if err := json.Unmarshal(text.Bytes(), &said); err != nil {
		return replayed{}, fmt.Errorf("%w: %s", err, text.Bytes())
	}
	if said.End < base.end {
		return replayed{}, fmt.Errorf("replayed to %s, not to %s", said.End, base.end)
	}
	return replayed{redo: time.Duration(said.Seconds * 1e9), cpu: u.cpu, wall: u.wall, peak: u.peak}, nil
}
