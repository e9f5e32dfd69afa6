// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// listening opens a coordinator that serves, on the port that it had before.
func listening(t *testing.T, address *string, cfg Config) *Coordinator {
	listener, err := net.Listen("tcp", *address)
	require.NoError(t, err)
	*address = listener.Addr().String()
	cfg.Serve = &walsender.Config{Listeners: []net.Listener{listener}}
	return open(t, cfg)
}

func conninfo(t *testing.T, address string) string {
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return fmt.Sprintf("host=127.0.0.1 port=%s user=postgres sslmode=disable", port)
}

// TestStandby has our own standby follow, over crashes of the coordinator at any moment, and take over.
func TestStandby(t *testing.T) {
	t.Parallel()
	dir, address := newDir(t), "127.0.0.1:0"
	c := listening(t, &address, Config{Dir: dir})
	require.NoError(t, c.insertEvent(t.Context(), 1))

	init := standby.InitConfig{Primary: conninfo(t, address)}
	init.Backup.Dir = filepath.Join(t.TempDir(), "standby")
	_, err := standby.Init(t.Context(), init)
	require.NoError(t, err)
	s, err := standby.New(standby.Config{
		Dir: init.Backup.Dir, Backoff: walreceiver.Backoff{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond},
	})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()

	n, rounds := 1, 6
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		require.NoError(t, c.SetSynchronousStandbyNames(standby.ApplicationName))
		for range 20 {
			n++
			require.NoError(t, c.insertEvent(t.Context(), n))
		}
		if round%2 == 0 {
			crashInARecord(t, c)
		} else {
			require.NoError(t, c.Abort())
		}
		c = listening(t, &address, Config{Dir: dir, CheckpointBytes: 8 << 10})
		list, err := history(t.Context(), c)
		require.NoError(t, err)
		requireAll(t, n, list)
	}
	require.NoError(t, c.Abort())

	p, err := s.Activate(t.Context())
	require.NoError(t, err)
	require.NoError(t, <-done)
	var there []string
	require.NoError(t, standby.ReadCatalog(t.Context(), init.Backup.Dir, historyOf(&there)))
	requireAll(t, n, there)

	c = open(t, Config{Dir: init.Backup.Dir})
	require.NoError(t, c.insertEvent(t.Context(), n+1))
	t.Logf("%d rows; timeline %s from %s", n, p.NewTimeline, p.Switch)
}

func requireAll(t *testing.T, n int, list []string) {
	t.Helper()
	require.Len(t, list, n)
	for i := 1; i <= n; i++ {
		require.True(t, slices.Contains(list, fmt.Sprint(i)), "row %d", i)
	}
}

// crashInARecord aborts the coordinator in the middle of a transaction, and takes the end of the log away that was not
// acknowledged: from some byte on in the midst of its records there is something else.
func crashInARecord(t *testing.T, c *Coordinator) {
	acked := c.Position()
	tx, err := c.Begin(t.Context())
	require.NoError(t, err)
	for range 30 {
		require.NoError(t, tx.Insert(event(1, strings.Repeat("lost", 100))))
	}
	end := c.Position()
	require.NoError(t, c.Abort())

	size, dir := c.data.SegmentSize, c.data.WALPath()
	from := acked + 1 + xlog.LSN(rand.Uint64N(uint64(end-acked)))
	name := func(lsn xlog.LSN) string { return filepath.Join(dir, size.Name(1, size.Number(lsn))) }
	content, err := os.ReadFile(name(from))
	require.NoError(t, err)
	rest := content[size.Offset(from):]
	for i := range rest {
		rest[i] = byte(i) // rubbish
	}
	require.NoError(t, os.WriteFile(name(from), content, 0o600))
	t.Logf("acknowledged up to %s, written up to %s, rubbish from %s", acked, end, from)
}

// TestSynchronous: nobody sees a row before the standby that commits wait for has it, and a wait that is given up says so.
func TestSynchronous(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:0"
	c := listening(t, &address, Config{Dir: newDir(t), SynchronousStandbyNames: "nobody"})
	ctx, giveUp := context.WithCancel(t.Context())
	commit := func(ctx context.Context, dbid int) chan error {
		done := make(chan error, 1)
		tx, err := c.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, tx.Insert(segment(dbid)))
		go func() {
			_, err := tx.Commit(ctx)
			done <- err
		}()
		require.Eventually(t, func() bool { return c.sync.Waiting() == 1 }, time.Minute, time.Millisecond)
		return done
	}
	done := commit(ctx, 1)
	require.Empty(t, segments(t, c))
	giveUp()
	err := <-done
	require.ErrorIs(t, err, ErrUnconfirmed)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "1u", segments(t, c), "committed all the same")

	done = commit(t.Context(), 2)
	require.NoError(t, c.SetSynchronousStandbyNames(""))
	require.NoError(t, <-done)
	require.Equal(t, "1u 2u", segments(t, c))

	require.NoError(t, c.SetSynchronousStandbyNames("nobody"))
	done = commit(t.Context(), 3)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-done, ErrUnconfirmed)
	c = open(t, Config{Dir: c.cfg.Dir})
	require.Equal(t, "1u 2u 3u", segments(t, c))
}

// TestReaders look while transactions come and go: what they see is always a whole one's.
func TestReaders(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:0"
	c := listening(t, &address, Config{Dir: newDir(t), CheckpointBytes: 32 << 10, CacheBytes: 1})
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			tx, err := c.Begin(context.Background())
			if err == nil {
				err = tx.Insert(segment(i % 10000))
			}
			if err == nil {
				err = tx.Insert(event(i%10000, "with it"))
			}
			if err == nil {
				_, err = tx.Commit(context.Background())
			}
			if err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	seen := 0
	for range 40 {
		require.NoError(t, c.View(t.Context(), func(cat *catalog.Catalog) error {
			rows, err := readRows[catalog.SegmentConfiguration](cat)
			events, more := readRows[catalog.ConfigurationHistory](cat)
			require.Equal(t, len(rows), len(events))
			require.GreaterOrEqual(t, len(rows), seen)
			seen = len(rows)
			require.NoError(t, more)
			return err
		}))
		c.source.Position()
	}
	stop()
	require.NoError(t, <-written)
	t.Logf("%d rows", seen)
}
