// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/catalog"
)

// newDir is a new directory for a coordinator.
func newDir(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, Create(dir))
	return dir
}

// open opens a coordinator that is closed at the test's end.
func open(t testing.TB, cfg Config) *Coordinator {
	c, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() { // perhaps within a transaction, which Close would wait for
			require.NoError(t, c.Abort())
		}
		require.NoError(t, c.Close())
	})
	return c
}

// segment is row dbid of gp_segment_configuration.
func segment(dbid int) catalog.SegmentConfiguration {
	return catalog.SegmentConfiguration{
		DBID: int16(dbid), Content: int16(dbid - 2), Role: 'p', PreferredRole: 'p', Mode: 'n', Status: 'u',
		Port: int32(6000 + dbid), Hostname: fmt.Sprintf("sdw%d", dbid), Address: fmt.Sprintf("sdw%d", dbid),
		DataDir: fmt.Sprintf("/data/primary/gpseg%d", dbid-2),
	}
}

func event(dbid int, text string) catalog.ConfigurationHistory {
	return catalog.ConfigurationHistory{Time: time.Unix(1700000000, 0).UTC(), DBID: int16(dbid), Description: text}
}

// segments are the rows that others see, as dbid and status.
func segments(t testing.TB, c *Coordinator) string {
	var list []string
	require.NoError(t, c.View(t.Context(), func(cat *catalog.Catalog) error {
		rows, err := readRows[catalog.SegmentConfiguration](cat)
		for _, s := range rows {
			list = append(list, fmt.Sprintf("%d%c", s.DBID, s.Status))
		}
		return err
	}))
	slices.Sort(list)
	return strings.Join(list, " ")
}

func readRows[T catalog.Struct](cat *catalog.Catalog) ([]T, error) {
	db, err := cat.Database(Database)
	if err != nil {
		return nil, err
	}
	return catalog.Rows[T](db)
}

// transact commits what fn does.
func transact(t testing.TB, c *Coordinator, fn func(tx *Tx)) {
	tx, err := c.Begin(t.Context())
	require.NoError(t, err)
	fn(tx)
	_, err = tx.Commit(t.Context())
	require.NoError(t, err)
}

// status changes the status of the segments that match.
func status(t testing.TB, tx *Tx, to byte, match func(dbid int16) bool) int {
	n, err := tx.Update(SegmentConfiguration, func(row *catalog.Row) (catalog.Struct, error) {
		var s catalog.SegmentConfiguration
		if err := row.ScanStruct(&s); err != nil || !match(s.DBID) {
			return nil, err
		}
		s.Status = to
		return s, nil
	})
	require.NoError(t, err)
	return n
}

func remove(t testing.TB, tx *Tx, match func(dbid int16) bool) int {
	n, err := tx.Delete(SegmentConfiguration, func(row *catalog.Row) (bool, error) {
		var s catalog.SegmentConfiguration
		err := row.ScanStruct(&s)
		return match(s.DBID), err
	})
	require.NoError(t, err)
	return n
}

func every(int16) bool { return true }

func TestTransactions(t *testing.T) {
	c := open(t, Config{Dir: newDir(t)})
	require.Empty(t, segments(t, c))

	tx, err := c.Begin(t.Context())
	require.NoError(t, err)
	for dbid := 1; dbid <= 4; dbid++ {
		require.NoError(t, tx.Insert(segment(dbid)))
	}
	require.Empty(t, segments(t, c), "nobody sees what is not committed")
	require.Equal(t, 1, status(t, tx, 'd', func(dbid int16) bool { return dbid == 2 }), "but the transaction does")
	require.Equal(t, 1, status(t, tx, 'x', func(dbid int16) bool { return dbid == 2 }))
	require.Equal(t, 1, remove(t, tx, func(dbid int16) bool { return dbid == 4 }))
	require.Equal(t, 0, remove(t, tx, func(dbid int16) bool { return dbid == 4 }))
	end, err := tx.Commit(t.Context())
	require.NoError(t, err)
	require.Equal(t, c.Position(), end)
	require.Equal(t, "1u 2x 3u", segments(t, c))
	require.NoError(t, tx.Rollback(), "does nothing after Commit")
	_, err = tx.Commit(t.Context())
	require.ErrorIs(t, err, ErrEnded)
	require.ErrorIs(t, tx.Insert(segment(9)), ErrEnded)

	tx, err = c.Begin(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, remove(t, tx, every))
	require.NoError(t, tx.Insert(segment(5)))
	require.NoError(t, tx.Rollback())
	require.Equal(t, "1u 2x 3u", segments(t, c))

	transact(t, c, func(tx *Tx) {
		require.Equal(t, 3, status(t, tx, 'd', every))
		require.NoError(t, tx.Insert(event(1, "all are down")))
	})
	require.Equal(t, "1d 2d 3d", segments(t, c))
	require.NoError(t, c.View(t.Context(), func(cat *catalog.Catalog) error {
		rows, err := readRows[catalog.ConfigurationHistory](cat)
		require.Len(t, rows, 1)
		got := rows[0]
		got.Time = got.Time.UTC()
		require.Equal(t, event(1, "all are down"), got)
		return err
	}))
}

// TestRefused: what cannot be done says so, and the transaction is undone.
func TestRefused(t *testing.T) {
	dir := newDir(t)
	c := open(t, Config{Dir: dir})
	transact(t, c, func(tx *Tx) { require.NoError(t, tx.Insert(segment(1))) })
	for name, fail := range map[string]func(tx *Tx) error{
		"no such relation": func(tx *Tx) error {
			_, err := tx.Delete("no_such_table", func(*catalog.Row) (bool, error) { return true, nil })
			return err
		},
		"with indexes": func(tx *Tx) error {
			_, err := tx.Delete("pg_class", func(*catalog.Row) (bool, error) { return true, nil })
			return err
		},
		"too long": func(tx *Tx) error { return tx.Insert(event(1, strings.Repeat("x", 3000))) },
	} {
		tx, err := c.Begin(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, remove(t, tx, every))
		require.ErrorContains(t, fail(tx), name)
		require.ErrorContains(t, tx.Insert(segment(2)), name)
		_, err = tx.Commit(t.Context())
		require.ErrorContains(t, err, name)
		require.Equal(t, "1u", segments(t, c))
	}
	_, err := Open(t.Context(), Config{Dir: dir})
	require.Error(t, err, "another one works on it")
	ctx, stop := context.WithCancel(t.Context())
	tx, err := c.Begin(ctx)
	require.NoError(t, err)
	stop()
	_, err = c.Begin(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, tx.Rollback())
	require.NoError(t, c.Close())
	_, err = c.Begin(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, c.View(t.Context(), nil), ErrClosed)
	require.NoError(t, c.Abort())
}

// TestReopen closes and aborts, in the middle of transactions too, and finds what was committed each time. Many pages are
// filled, and the log goes over many segments.
func TestReopen(t *testing.T) {
	dir := newDir(t)
	want, next, rounds := map[int16]byte{}, 1, 8
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		c, err := Open(t.Context(), Config{Dir: dir, CheckpointBytes: 300_000, CacheBytes: 1})
		require.NoError(t, err)
		require.Equal(t, printed(want), segments(t, c), "round %d", round)
		for range 3 {
			transact(t, c, func(tx *Tx) {
				for range 60 {
					require.NoError(t, tx.Insert(segment(next)))
					want[int16(next)] = 'u'
					next++
				}
				status(t, tx, 'd', func(dbid int16) bool { return dbid%7 == int16(round)%7 })
				remove(t, tx, func(dbid int16) bool { return dbid%11 == int16(round)%11 })
			})
			for dbid := range want {
				if dbid%7 == int16(round)%7 {
					want[dbid] = 'd'
				}
				if dbid%11 == int16(round)%11 {
					delete(want, dbid)
				}
			}
		}
		if round%4 == 0 {
			require.NoError(t, c.Close())
			continue
		}
		if round%4 == 1 { // in the middle of a transaction
			tx, err := c.Begin(t.Context())
			require.NoError(t, err)
			require.NoError(t, tx.Insert(segment(next)))
			remove(t, tx, func(dbid int16) bool { return dbid%2 == 0 })
		}
		require.NoError(t, c.Abort())
	}
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0000*"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(segments), 3, "checkpoints remove log")
	t.Logf("%d rows, %d segments of the log", len(want), len(segments))
}

func printed(rows map[int16]byte) string {
	var list []string
	for dbid, status := range rows {
		list = append(list, fmt.Sprintf("%d%c", dbid, status))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
