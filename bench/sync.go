// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// A disk is now faster, now slower, and by far more than the two programs differ: they take turns within a run, each for
// a slice of time. What it missed is received in the settling that each slice begins with, which does not count.
const (
	syncSlice  = 500 * time.Millisecond
	syncSettle = 100 * time.Millisecond
)

// syncCommit measures commits per second of one client in a loop, each of which waits for the one synchronous standby that
// is awake.
func syncCommit(ctx context.Context, b *bench) (report, error) {
	s, err := pgserver.New(ctx, pgserver.Options{Major: b.major, Fsync: true, Settings: map[string]string{
		"synchronous_standby_names": "ANY 1 (*)", "synchronous_commit": "local", "wal_keep_size": "64GB",
	}})
	if err != nil {
		return report{}, err
	}
	defer s.Close()
	if _, err := s.Query(ctx, "CREATE TABLE t (i int)"); err != nil {
		return report{}, err
	}
	tps := figure{What: "commits per second", Unit: "/s", MoreIsBetter: true}
	latency := figure{What: "mean time of a commit", Unit: "ms"}
	for run := range b.runs {
		pair, err := syncRun(ctx, b, s, run)
		if err != nil {
			return report{}, err
		}
		tps.add(pair[0], pair[1])
		latency.add(1000/pair[0], 1000/pair[1])
	}
	return report{
		Subject: fmt.Sprintf("one client, %d s a run for each, in turns of %s, PostgreSQL %d with fsync on, both tools with "+
			"--synchronous", b.secs, syncSlice, b.major),
		Figures: []figure{tps, latency},
	}, nil
}

// syncRun is the rate of commits with pg_receivewal and with ours, both of which are attached, and one stopped.
func syncRun(ctx context.Context, b *bench, s *pgserver.Server, run int) (rates [2]float64, err error) {
	programs := [2]string{s.Tool("pg_receivewal"), b.program("receivewal")}
	var receivers [2]*receiver
	for k := range programs {
		i := (run + k) % 2 // the server wakes the first one first
		if receivers[i], err = startReceiver(ctx, b, programs[i], s.ConnString()); err != nil {
			return rates, err
		}
		defer func() { err = errors.Join(err, receivers[i].end()) }()
	}
	if err := waitSync(ctx, s, len(programs)); err != nil {
		return rates, err
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return rates, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SET synchronous_commit = on"); err != nil {
		return rates, err
	}
	slices := max(1, int(time.Duration(b.secs)*time.Second/syncSlice))
	for turn := range 2 * slices {
		awake := (run + turn) % 2
		if err := errors.Join(receivers[awake].signal(syscall.SIGCONT), receivers[1-awake].signal(syscall.SIGSTOP)); err != nil {
			return rates, err
		}
		if _, err := commits(ctx, conn, syncSettle); err != nil {
			return rates, err
		}
		n, err := commits(ctx, conn, syncSlice-syncSettle)
		if err != nil {
			return rates, err
		}
		rates[awake] += n / float64(slices)
	}
	return rates, nil
}

// commits is the rate of commits during a time.
func commits(ctx context.Context, conn *pgx.Conn, d time.Duration) (float64, error) {
	n, begin := 0, time.Now()
	for time.Since(begin) < d {
		if _, err := conn.Exec(ctx, "INSERT INTO t VALUES (1)"); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

// waitSync waits until so many synchronous standbys stream.
func waitSync(ctx context.Context, s *pgserver.Server, standbys int) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		rows, err := s.Query(ctx, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'quorum' AND state = 'streaming'")
		if err != nil || len(rows) == standbys {
			return err
		}
	}
	return errors.New("they did not become synchronous standbys")
}
