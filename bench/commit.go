// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/syncrep"
	"github.com/walmirror/walmirror/xlog"
)

// commit measures how long commits of an embedder wait in syncrep until a standby of our sender has flushed them: with
// pg_receivewal, and with our receiver. It prints a histogram: how many of a hundred were back within a time.
func commit(ctx context.Context, b *bench) (report, error) {
	within := []time.Duration{
		250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond,
		4 * time.Millisecond, 8 * time.Millisecond, 16 * time.Millisecond, 64 * time.Millisecond,
	}
	rate := figure{What: "commits per second", Unit: "/s", MoreIsBetter: true}
	half := figure{What: "median wait", Unit: "ms"}
	worst := figure{What: "99 of 100 wait no longer than", Unit: "ms"}
	histogram := make([]figure, len(within))
	for i, d := range within {
		histogram[i] = figure{What: "within " + d.String(), Unit: "%", MoreIsBetter: true}
	}
	bin, err := pgserver.BinDir(b.major)
	if err != nil {
		return report{}, err
	}
	for range b.runs {
		theirs, err := commitRun(ctx, b, filepath.Join(bin, "pg_receivewal"))
		if err != nil {
			return report{}, err
		}
		ours, err := commitRun(ctx, b, b.program("receivewal"))
		if err != nil {
			return report{}, err
		}
		rate.add(float64(len(theirs))/float64(b.secs), float64(len(ours))/float64(b.secs))
		half.add(quantile(theirs, 50), quantile(ours, 50))
		worst.add(quantile(theirs, 99), quantile(ours, 99))
		for i, d := range within {
			histogram[i].add(percentWithin(theirs, d), percentWithin(ours, d))
		}
	}
	return report{
		Subject: fmt.Sprintf("one committer, %d bytes a commit, %d s a run, our sender; flushed by pg_receivewal --synchronous"+
			" and by ours", commitBytes, b.secs),
		Figures: append([]figure{rate, half, worst}, histogram...),
	}, nil
}

const commitBytes = 300

// commitRun commits for the seconds of a run, and returns how long each commit waited, the shortest first.
func commitRun(ctx context.Context, b *bench, program string) (waits []time.Duration, err error) {
	commits, err := syncrep.New(syncrep.Config{Names: "*"})
	if err != nil {
		return nil, err
	}
	size := xlog.DefaultSegmentSize
	id := walsender.Identity{SystemID: 1, SegmentSize: size, ServerVersion: 150000}
	source := walsender.NewMemSource(id, 1, size.Start(1))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s, err := walsender.New(walsender.Config{Source: source, Listeners: []net.Listener{l}, Sync: commits})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		s.StopFast()
		err = errors.Join(err, <-ended)
	}()
	r, err := startReceiver(ctx, b, program,
		fmt.Sprintf("host=127.0.0.1 port=%d user=bench sslmode=disable", l.Addr().(*net.TCPAddr).Port))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	return commitLoop(ctx, source, commits, time.Duration(b.secs)*time.Second)
}

// commitLoop commits one after the other. The first, for which the receiver has to come, does not count.
func commitLoop(
	ctx context.Context, source *walsender.MemSource, commits *syncrep.Sync, d time.Duration,
) ([]time.Duration, error) {
	record := bytes.Repeat([]byte{1}, commitBytes)
	var waits []time.Duration
	var end time.Time
	for end.IsZero() || time.Now().Before(end) {
		begin := time.Now()
		source.Append(record)
		limit, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := commits.Wait(limit, source.Position().Flush, syncrep.Flush)
		cancel()
		if err != nil {
			return nil, err
		}
		if end.IsZero() {
			end = time.Now().Add(d)
			continue
		}
		waits = append(waits, time.Since(begin))
	}
	slices.Sort(waits)
	return waits, nil
}

// quantile is a percentile of sorted times, in milliseconds.
func quantile(sorted []time.Duration, percent int) float64 {
	return sorted[(len(sorted)-1)*percent/100].Seconds() * 1000
}

func percentWithin(sorted []time.Duration, d time.Duration) float64 {
	n, _ := slices.BinarySearch(sorted, d+1)
	return 100 * float64(n) / float64(len(sorted))
}
