// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
)

// backlog is a server with a stretch of WAL to receive. The slot base stands at its beginning.
type backlog struct {
	server *pgserver.Server
	start  xlog.LSN
	end    xlog.LSN
}

// receive measures how fast a backlog is received, synced to disk.
func receive(ctx context.Context, b *bench) (report, error) {
	log, err := makeBacklog(ctx, b)
	if err != nil {
		return report{}, err
	}
	defer log.server.Close()
	gib := float64(log.end-log.start) / (1 << 30)
	wall := figure{What: "elapsed", Unit: "s"}
	cpu := figure{What: "CPU per GiB", Unit: "s"}
	peak := figure{What: "peak memory", Unit: "MiB"}
	for run := range b.runs {
		var pair [2]usage
		for i, program := range []string{log.server.Tool("pg_receivewal"), b.program("receivewal")} {
			if pair[i], err = log.receiveOnce(ctx, program, fmt.Sprintf("run%d_%d", run, i)); err != nil {
				return report{}, err
			}
		}
		theirs, ours := pair[0], pair[1]
		wall.add(theirs.wall.Seconds(), ours.wall.Seconds())
		cpu.add(theirs.cpu.Seconds()/gib, ours.cpu.Seconds()/gib)
		peak.add(float64(theirs.peak)/(1<<20), float64(ours.peak)/(1<<20))
	}
	return report{
		Subject: fmt.Sprintf("%.2f GiB of WAL from PostgreSQL %d over loopback, every segment fsynced, "+
			"files compared after each run", gib, log.server.Major),
		Figures: []figure{wall, cpu, peak},
	}, nil
}

// makeBacklog lets a server write inserts, updates and index entries.
func makeBacklog(ctx context.Context, b *bench) (_ *backlog, err error) {
	s, err := pgserver.New(ctx, pgserver.Options{Major: b.major, Settings: map[string]string{
		"max_wal_size": "64GB", "checkpoint_timeout": "1d", "wal_keep_size": "64GB", "max_replication_slots": "100",
		"shared_buffers": "256MB", "autovacuum": "off",
	}})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	log := &backlog{server: s}
	if log.start, err = queryLSN(ctx, s, "SELECT lsn FROM pg_create_physical_replication_slot('base', true)"); err != nil {
		return nil, err
	}
	if _, err := s.Query(ctx, "CREATE TABLE t (id bigserial PRIMARY KEY, a int, b text); CREATE INDEX ON t (a)"); err != nil {
		return nil, err
	}
	for log.end.Sub(log.start) < b.size {
		_, err := s.Query(ctx, `INSERT INTO t (a, b)
			SELECT i % 977, repeat(md5(i::text), 1 + i % 8) FROM generate_series(1, 100000) i`)
		if err == nil {
			_, err = s.Query(ctx, "UPDATE t SET a = a + 1 WHERE id % 10 = 0 AND id > (SELECT max(id) - 100000 FROM t)")
		}
		if err == nil {
			log.end, err = queryLSN(ctx, s, "SELECT pg_switch_wal()")
		}
		if err != nil {
			return nil, err
		}
	}
	return log, nil
}

// receiveOnce receives the backlog with its own copy of the slot, compares the files with the server's, and removes
// them.
func (log *backlog) receiveOnce(ctx context.Context, program, name string) (usage, error) {
	s := log.server
	dir, err := s.MakeDir(name)
	if err != nil {
		return usage{}, err
	}
	defer os.RemoveAll(dir)
	if _, err := s.Query(ctx, "SELECT pg_copy_physical_replication_slot('base', $1)", name); err != nil {
		return usage{}, err
	}
	u, err := measure(ctx, program, "-D", dir, "-S", name, "--endpos", log.end.String(), "-n", "-w",
		"-d", s.ConnString())
	if err != nil {
		return u, err
	}
	_, err = s.Query(ctx, "SELECT pg_drop_replication_slot($1)", name)
	return u, errors.Join(err, log.compare(dir))
}

// compare makes sure that every complete segment of the backlog is there and equal to the server's.
func (log *backlog) compare(dir string) error {
	size := xlog.DefaultSegmentSize
	for n := size.Number(log.start); n < size.Number(log.end); n++ {
		name := size.Name(1, n)
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		want, err := os.ReadFile(filepath.Join(log.server.DataDir, "pg_wal", name))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("segment %s differs from the server's", name)
		}
	}
	return nil
}

func queryLSN(ctx context.Context, s *pgserver.Server, sql string) (xlog.LSN, error) {
	rows, err := s.Query(ctx, sql)
	if err != nil {
		return 0, err
	}
	return xlog.ParseLSN(rows[0][0])
}
