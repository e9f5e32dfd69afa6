// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// backup measures how fast a snapshot of a running server is taken, with every file synced to disk. Ours checks each
// file against the server's manifest meanwhile; pg_verifybackup looks at both afterwards.
func backup(ctx context.Context, b *bench) (report, error) {
	s, size, err := makeDatabase(ctx, b)
	if err != nil {
		return report{}, err
	}
	defer s.Close()
	gib := float64(size) / (1 << 30)
	wall := figure{What: "elapsed", Unit: "s"}
	cpu := figure{What: "CPU per GiB", Unit: "s"}
	peak := figure{What: "peak memory", Unit: "MiB"}
	for run := range b.runs {
		var pair [2]usage
		for i, args := range [][]string{
			{s.Tool("pg_basebackup"), "-X", "stream", "-c", "fast", "-d", s.ConnString(), "-D"},
			{b.program("standby"), "init", "-q", "--no-slot", "-c", "fast", "--primary", s.ConnString(), "-D"},
		} {
			if pair[i], err = backUp(ctx, s, fmt.Sprintf("run%d_%d", run, i), args); err != nil {
				return report{}, err
			}
		}
		theirs, ours := pair[0], pair[1]
		wall.add(theirs.wall.Seconds(), ours.wall.Seconds())
		cpu.add(theirs.cpu.Seconds()/gib, ours.cpu.Seconds()/gib)
		peak.add(float64(theirs.peak)/(1<<20), float64(ours.peak)/(1<<20))
	}
	return report{
		Subject: fmt.Sprintf("a snapshot of %.2f GiB from PostgreSQL %d over loopback, every file fsynced, ours against "+
			"pg_basebackup -X stream", gib, s.Major),
		Figures: []figure{wall, cpu, peak},
	}, nil
}

// makeDatabase starts a server with tables and indexes of about the wanted size, and says how large it became.
func makeDatabase(ctx context.Context, b *bench) (_ *pgserver.Server, size int64, err error) {
	s, err := pgserver.New(ctx, pgserver.Options{Major: b.major, Settings: map[string]string{
		"max_wal_size": "4GB", "shared_buffers": "256MB", "autovacuum": "off",
	}})
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	const scale = 15 << 20 // bytes that pgbench makes for each of its branches
	if err := pgbench(ctx, s, []string{"-i", "-q", "-s", fmt.Sprint(max(1, b.size/scale))}, ""); err != nil {
		return nil, 0, err
	}
	if _, err := s.Query(ctx, "CHECKPOINT"); err != nil {
		return nil, 0, err
	}
	rows, err := s.Query(ctx, "SELECT sum(pg_database_size(oid)) FROM pg_database")
	if err != nil {
		return nil, 0, err
	}
	_, err = fmt.Sscan(rows[0][0], &size)
	return s, size, err
}

// backUp takes one snapshot, has it verified, and removes it. args end where the directory goes.
func backUp(ctx context.Context, s *pgserver.Server, name string, args []string) (usage, error) {
	dir, err := s.MakeDir(name)
	if err != nil {
		return usage{}, err
	}
	defer os.RemoveAll(dir)
	u, err := measure(ctx, args[0], append(args[1:], dir)...)
	if err != nil {
		return u, err
	}
	verify := exec.CommandContext(ctx, s.Tool("pg_verifybackup"), "--ignore=standby.signal",
		"--ignore=postgresql.auto.conf", dir)
	pgserver.RunAs(verify)
	if out, err := verify.CombinedOutput(); err != nil {
		return u, fmt.Errorf("pg_verifybackup: %w: %s", err, out)
	}
	return u, nil
}
