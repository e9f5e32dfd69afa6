// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// running is a server whose end a test waits for itself.
type running struct {
	*Server
	cancel context.CancelFunc
	done   chan error
}

func runServer(t *testing.T, cfg Config) *running {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return runOn(t, cfg, l)
}

func runOn(t *testing.T, cfg Config, l net.Listener) *running {
	cfg.Listeners = []net.Listener{l}
	if cfg.Source == nil {
		cfg.Source = newStill(150018)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{s, cancel, make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); s.StopFast() })
	return r
}

func (r *running) ends(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case err := <-r.done:
		require.NoError(t, err)
	case <-time.After(within):
		t.Fatal("the server does not end")
	}
}

// A client that waits for nothing is told that the server goes.
func TestStopIdle(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*running){
		"graceful": func(r *running) { r.cancel() }, "fast": func(r *running) { r.StopFast() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runServer(t, Config{})
			conn := connect(t, r.Server, "replication=true")
			query(t, conn, "IDENTIFY_SYSTEM")
			silent, err := net.Dial("tcp", r.Addr().String())
			require.NoError(t, err)
			defer silent.Close()
			stop(r)
			_, err = conn.ReceiveMessage(t.Context())
			var e *pgconn.PgError
			require.ErrorAs(t, err, &e)
			require.Equal(t, "57P01", e.Code)
			require.Equal(t, "terminating connection due to administrator command", e.Message)
			r.ends(t, 10*time.Second)
			_, err = net.DialTimeout("tcp", r.Addr().String(), time.Second)
			require.Error(t, err)
		})
	}
}

// A client that does not read cannot hold up the end.
func TestStopStalled(t *testing.T) {
	t.Parallel()
	r := runServer(t, Config{SenderTimeout: -1, StopTimeout: 100 * time.Millisecond})
	conn, err := net.Dial("tcp", r.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write(startupBytes(3<<16, "user", "u", "replication", "true"))
	require.NoError(t, err)
	var sent atomic.Int64
	go func() { // until the answers that nobody reads fill all buffers
		for {
			if _, err := conn.Write(frame('Q', "SHOW nonsense\x00")); err != nil {
				return
			}
			sent.Add(1)
		}
	}()
	before := int64(0)
	require.Eventually(t, func() bool {
		now := sent.Load()
		still := now > 0 && now == before
		before = now
		return still
	}, time.Minute, 500*time.Millisecond)
	t.Logf("%d commands sent", before)
	r.cancel()
	r.ends(t, 20*time.Second)
}

// A request to cancel needs the key, and ends nothing but a command.
func TestCancelRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	conn := connect(t, s, "replication=true")
	require.NoError(t, conn.CancelRequest(t.Context()))
	query(t, conn, "IDENTIFY_SYSTEM")

	// A command that waits for its context.
	var pid uint32 = conn.PID()
	ended := make(chan error, 1)
	s.mu.Lock()
	c := s.sessions[pid]
	s.mu.Unlock()
	began := make(chan struct{})
	go func() {
		ended <- c.command(func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-began
	wrong, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer wrong.Close()
	_, err = wrong.Write([]byte{0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, byte(pid), 1, 2, 3, 4})
	require.NoError(t, err)
	_, err = wrong.Read(make([]byte, 1)) // nothing is answered
	require.Error(t, err)
	select {
	case err := <-ended:
		t.Fatalf("cancelled without the key: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, conn.CancelRequest(t.Context()))
	require.Equal(t, error(errQueryCanceled), <-ended)
}
