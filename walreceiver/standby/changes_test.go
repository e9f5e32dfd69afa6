// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
)

// changeLog keeps what it is told.
type changeLog struct {
	mu  sync.Mutex
	txs []*changes.Transaction
}

func (l *changeLog) add(tx *changes.Transaction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.txs = append(l.txs, tx)
}

// making is the transactions that made a relation.
func (l *changeLog) making(name string) (found []*changes.Transaction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tx := range l.txs {
		if makes(tx, name) {
			found = append(found, tx)
		}
	}
	return found
}

func makes(tx *changes.Transaction, name string) bool {
	for _, c := range tx.Changes {
		if c.Op == changes.Insert && c.Catalog == "pg_class" {
			if v, _ := c.New.Get("relname"); v.Text == name {
				return true
			}
		}
	}
	return false
}

// next waits for the transaction that makes a relation.
func next(t *testing.T, w *standby.Watcher, name string) *changes.Transaction {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		tx, err := w.Next(ctx)
		require.NoError(t, err, "waiting for %s", name)
		if makes(tx, name) {
			return tx
		}
	}
}

// TestWatch: those who watch, here and at the socket, learn of every transaction from when they began, also over a
// restart.
func TestWatch(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Settings: map[string]string{"autovacuum": "off"}})
	snap := initStandby(t, primary, func(c *standby.InitConfig) { c.Slot = "watch" })
	var always, other changeLog
	s, end := start(t, standby.Config{Dir: snap.Dir, OnChanges: always.add})
	first, err := s.Watch(t.Context())
	require.NoError(t, err)
	defer first.Close()
	begun := make(chan standby.WatchBegin, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- standby.WatchDir(context.Background(), snap.Dir,
			func(b standby.WatchBegin) error { begun <- b; return nil },
			func(tx *changes.Transaction) error { other.add(tx); return nil })
	}()
	begin := <-begun
	require.GreaterOrEqual(t, begin.LSN, first.Begin)

	primary.SQL(t, "CREATE TABLE one (a int)")
	one := next(t, first, "one")
	require.Greater(t, one.End, first.Begin)
	second, err := s.Watch(t.Context())
	require.NoError(t, err)
	first.Close()
	primary.SQL(t, "CREATE TABLE two (a int PRIMARY KEY)")
	two := next(t, second, "two")
	require.Greater(t, two.LSN, second.Begin)
	require.Eventually(t, func() bool { return len(other.making("two")) == 1 }, patience, tick)
	require.Equal(t, asJSON(t, one, two), asJSON(t, append(other.making("one"), other.making("two")...)...))
	require.Equal(t, []*changes.Transaction{one, two}, append(always.making("one"), always.making("two")...))
	info, err := os.Stat(filepath.Join(snap.Dir, standby.WatchSocket))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, end())
	require.ErrorIs(t, <-ended, standby.ErrReplayEnded)
	_, err = second.Next(t.Context())
	require.ErrorIs(t, err, standby.ErrReplayEnded)
	second.Close()
	require.NoFileExists(t, filepath.Join(snap.Dir, standby.WatchSocket))
	err = standby.WatchDir(t.Context(), snap.Dir, nil, nil)
	require.ErrorIs(t, err, standby.ErrNotRunning)

	primary.SQL(t, "CREATE TABLE three (a int)")
	_, end = start(t, standby.Config{Dir: snap.Dir, OnChanges: always.add})
	require.Eventually(t, func() bool { return len(always.making("three")) > 0 }, patience, tick)
	require.NoError(t, end())
}

func asJSON(t *testing.T, txs ...*changes.Transaction) (lines []string) {
	for _, tx := range txs {
		line, err := json.Marshal(tx)
		require.NoError(t, err)
		lines = append(lines, string(line))
	}
	return lines
}
