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
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// syncCommit measures commits per second of one client in a loop, each of which waits for the only synchronous
// standby.
func syncCommit(ctx context.Context, b *bench) (report, error) {
	s, err := pgserver.New(ctx, pgserver.Options{Major: b.major, Fsync: true, Settings: map[string]string{
		"synchronous_standby_names": "*", "synchronous_commit": "local", "wal_keep_size": "64GB",
	}})
	if err != nil {
		return report{}, err
	}
	defer s.Close()
	if _, err := s.Query(ctx, "CREATE TABLE t (i int)"); err != nil {
		return report{}, err
	}
	script, err := commitScript(s)
	if err != nil {
		return report{}, err
	}
	tps := figure{What: "commits per second", Unit: "/s", MoreIsBetter: true}
	latency := figure{What: "mean time of a commit", Unit: "ms"}
	for run := range b.runs {
		var pair [2]float64
		programs := []string{s.Tool("pg_receivewal"), b.program("receivewal")}
		for k := range programs {
			i := (run + k) % 2 // they take turns in being first
			if pair[i], err = commitOnce(ctx, b, s, programs[i], script, fmt.Sprintf("run%d_%d", run, i)); err != nil {
				return report{}, err
			}
		}
		tps.add(pair[0], pair[1])
		latency.add(1000/pair[0], 1000/pair[1])
	}
	return report{
		Subject: fmt.Sprintf("one client, %d s a run, PostgreSQL %d with fsync on, both tools with --synchronous",
			b.secs, b.major),
		Figures: []figure{tps, latency},
	}, nil
}

func commitScript(s *pgserver.Server) (string, error) {
	dir, err := s.MakeDir("script")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "commit.sql")
	return name, os.WriteFile(name, []byte("SET synchronous_commit = on;\nINSERT INTO t VALUES (1);\n"), 0o644)
}

var tpsPattern = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without`)

// commitOnce runs pgbench while a program receives synchronously.
func commitOnce(ctx context.Context, b *bench, s *pgserver.Server, program, script, name string) (tps float64, err error) {
	dir, err := s.MakeDir(name)
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	receiver := exec.CommandContext(ctx, program, "-D", dir, "--synchronous", "-w", "-d", s.ConnString())
	receiver.Dir = "/"
	var words bytes.Buffer
	receiver.Stderr = &words
	pgserver.RunAs(receiver)
	if err := receiver.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = receiver.Process.Signal(syscall.SIGINT)
		if end := receiver.Wait(); err == nil && end != nil {
			err = fmt.Errorf("%s: %w: %s", filepath.Base(program), end, words.String())
		}
	}()
	if err := waitSync(ctx, s); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", filepath.Base(program), err, words.String())
	}
	out, err := s.Command(ctx, "pgbench", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-n", "-c", "1",
		"-T", strconv.Itoa(b.secs), "-f", script, "postgres").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	m := tpsPattern.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("pgbench says no rate: %s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func waitSync(ctx context.Context, s *pgserver.Server) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		rows, err := s.Query(ctx, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")
		if err != nil || len(rows) == 1 {
			return err
		}
	}
	return errors.New("it did not become the synchronous standby")
}
