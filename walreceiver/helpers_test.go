// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// small makes a server with segments of 1 MiB that keeps them all.
func small(major int, settings map[string]string) pgserver.Options {
	all := map[string]string{"max_wal_size": "4GB", "wal_sender_timeout": "30s", "autovacuum": "off"}
	if major != 0 && major < 13 {
		all["wal_keep_segments"] = "2000"
	} else {
		all["wal_keep_size"] = "2GB"
	}
	for name, value := range settings {
		all[name] = value
	}
	return pgserver.Options{Major: major, WALSegmentMB: 1, Settings: all}
}

const mib = xlog.SegmentSize(1 << 20)

// archive opens an archive directory for segments of 1 MiB.
func archive(t testing.TB) (*waldir.Dir, string) {
	t.Helper()
	path := pgserver.TempDir(t)
	dir, err := waldir.Open(waldir.Config{Path: path, SegmentSize: mib, Partial: true})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir, path
}

// running is a Receiver that runs.
type running struct {
	*walreceiver.Receiver
	t      testing.TB
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, when done is closed

	mu     sync.Mutex
	events []walreceiver.Event
	times  []time.Time
}

// receive runs a Receiver, which verifies, until the test's end or stop.
func receive(t testing.TB, cfg walreceiver.Config) *running {
	t.Helper()
	if cfg.Verify == nil {
		cfg.Verify = &walreceiver.VerifyConfig{}
	}
	return receiveAs(t, cfg)
}

// receiveAs runs a Receiver that verifies only if cfg says so.
func receiveAs(t testing.TB, cfg walreceiver.Config) *running {
	t.Helper()
	r := &running{t: t, done: make(chan struct{})}
	cfg.OnEvent = r.record
	if cfg.Backoff.Max == 0 {
		cfg.Backoff = walreceiver.Backoff{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond}
	}
	receiver, err := walreceiver.New(cfg)
	require.NoError(t, err)
	r.Receiver = receiver
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		r.err = receiver.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
		if t.Failed() {
			t.Logf("events of the receiver:\n%s", r.log())
		}
	})
	return r
}

func (r *running) record(e walreceiver.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	r.times = append(r.times, time.Now())
}

func (r *running) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for i, e := range r.events {
		fmt.Fprintln(&b, r.times[i].Format("15:04:05.000"), e)
	}
	return b.String()
}

// stop ends the receiver in order.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	r.wait()
	require.NoError(r.t, r.err)
}

// wait waits for Run's end.
func (r *running) wait() {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(30 * time.Second):
		r.t.Fatal("Run does not return")
	}
}

// until waits for a condition of the status.
func (r *running) until(what string, cond func(s walreceiver.Status) bool) walreceiver.Status {
	r.t.Helper()
	eventually(r.t, what, func() bool { return cond(r.Status()) })
	return r.Status()
}

// has waits until everything that s has flushed now is durable here.
func (r *running) has(s *pgserver.Server) xlog.LSN {
	r.t.Helper()
	end := flushLSN(r.t, s)
	r.until("flushed up to "+end.String(), func(s walreceiver.Status) bool { return s.FlushedLSN >= end })
	return end
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}

// eventOf finds the first event of a type.
func eventOf[E walreceiver.Event](r *running) (found E, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e, ok := e.(E); ok {
			return e, true
		}
	}
	return found, false
}

func countEvents[E walreceiver.Event](r *running) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

// fill makes about mb segments of log and ends in the middle of one.
func fill(t testing.TB, s *pgserver.Server, mb int) {
	t.Helper()
	s.SQL(t, `CREATE TABLE IF NOT EXISTS t (id serial, v text)`)
	for range mb {
		s.SQL(t, `INSERT INTO t (v) SELECT repeat(md5(g::text), 20) FROM generate_series(1, 1300) g`)
	}
}

func flushLSN(t testing.TB, s *pgserver.Server) xlog.LSN {
	t.Helper()
	lsn, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	return lsn
}

// segments reads the complete segments and history files of a directory.
func segments(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if xlog.IsSegmentName(e.Name()) || xlog.IsHistoryName(e.Name()) {
			files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
		}
	}
	return files
}

// sameFiles compares the files of got with those of want that have the same name, and says how much that was.
func sameFiles(t testing.TB, got, want map[string][]byte) (compared int) {
	t.Helper()
	size := 0
	for name, g := range got {
		w, ok := want[name]
		if !ok {
			continue
		}
		require.True(t, bytes.Equal(g, w), "%s differs (%d and %d bytes)", name, len(g), len(w))
		compared++
		size += len(g)
	}
	t.Logf("compared %d files of %d, %d bytes", compared, len(got), size)
	require.NotZero(t, compared, "nothing compared")
	return compared
}
