// SPDX-License-Identifier: Apache-2.0

package changes_test

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
	"github.com/walmirror/walmirror/xlog/redo"
)

// step is a statement, and what it changed in the catalogs of its database.
type step struct {
	database, sql string
	begin, end    xlog.LSN
	want          delta
}

// recorder runs statements one at a time and dumps the catalogs between them.
type recorder struct {
	dumper
	steps []step
	first *dump            // whole, of the database of the first statement
	last  map[string]*dump // of the database of the last statement
}

// each runs a statement, with a dump of its database before it, where that is not the one after the statement before,
// and after it.
func (r *recorder) each(database, sql string, run func()) {
	before := r.last[database]
	if before == nil {
		before = r.take(database, nil)
	}
	if r.first == nil {
		r.first = before
	}
	if strings.Contains(sql, "DATABASE") {
		r.disconnect(context.Background())
	}
	run()
	after := r.take(database, before)
	r.last = map[string]*dump{database: after}
	r.steps = append(r.steps, step{
		database: database, sql: sql, begin: before.end, end: after.end, want: between(before, after),
	})
}

// whole adds everything from the first statement on as a step, between dumps of all that there is.
func (r *recorder) whole() {
	database, after := r.steps[0].database, r.take(r.steps[0].database, nil)
	r.steps = append(r.steps, step{
		database: database, sql: "everything", begin: r.first.end, end: after.end, want: between(r.first, after),
	})
}

// TestDefinitions compares the feed with dumps of a real server's catalogs, for each statement of the definitions
// that redo is tested with.
func TestDefinitions(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: see TestFeed")
	}
	t.Parallel()
	pgserver.Require(t)
	testLoad(t, pgserver.DefaultMajor, "ddl")
}

func testLoad(t *testing.T, major int, parts ...string) {
	r := &recorder{last: map[string]*dump{}}
	defer r.disconnect(context.Background())
	source := pgreplay.Record(t, walload.Options{
		Major: major, Parts: parts,
		Each: func(l *walload.Load, database, sql string, run func()) {
			r.t, r.server = t, l.Server
			r.each(database, sql, run)
		},
	}, pgreplay.Online)
	compare(t, r.steps, follow(t, source, changes.Config{}))
}

// follow replays everything and gives what the feed had to tell.
func follow(t *testing.T, source *pgreplay.Source, cfg changes.Config) []*changes.Transaction {
	dir := filepath.Join(pgserver.TempDir(t), "data")
	require.NoError(t, source.Copy(dir))
	var txs []*changes.Transaction
	require.NoError(t, source.Apart(dir, func() error {
		r, err := redo.New(redo.Config{Dir: dir, ServerVersion: source.Version})
		require.NoError(t, err)
		defer r.Close()
		cfg.Emit = func(tx *changes.Transaction) { txs = append(txs, tx) }
		cfg.Failed = func(err error) { t.Error(err) }
		r.Observe(changes.New(r, cfg))
		began := time.Now()
		_, err = r.Replay(t.Context(), redo.ReplayConfig{Target: redo.Target{LSN: source.Last}})
		require.NoError(t, err)
		t.Logf("%d transactions of the feed in %.2f s", len(txs), time.Since(began).Seconds())
		return r.Shutdown()
	}))
	return txs
}

// compare looks at the transactions of each step.
func compare(t *testing.T, steps []step, txs []*changes.Transaction) {
	require.True(t, slices.IsSortedFunc(txs, func(a, b *changes.Transaction) int { return cmp.Compare(a.LSN, b.LSN) }))
	rows, changed := 0, 0
	for _, s := range steps {
		mine := within(txs, s.begin, s.end)
		got := of(mine, s.database)
		require.Equal(t, s.want, got, "%s\nThe feed: %s", s.sql, text(mine))
		checkPairs(t, s, mine)
		if rows += s.want.rows(); s.want.rows() > 0 {
			changed++
		}
	}
	t.Logf("%d statements, %d of them changed %d rows of catalogs", len(steps), changed, rows)
	require.NotZero(t, rows)
}

// within are the transactions that were committed in a part of the log.
func within(txs []*changes.Transaction, begin, end xlog.LSN) (found []*changes.Transaction) {
	for _, tx := range txs {
		if begin < tx.End && tx.End <= end {
			found = append(found, tx)
		}
	}
	return found
}

func text(txs []*changes.Transaction) string {
	var out []byte
	for _, tx := range txs {
		out = tx.AppendText(out)
	}
	return string(out)
}

// checkPairs looks whether the old and the new values of an update are of one row, and no row is both gone and new.
func checkPairs(t *testing.T, s step, txs []*changes.Transaction) {
	for _, tx := range txs {
		seen := map[string]bool{}
		for _, c := range tx.Changes {
			require.Equal(t, c.Old == nil, c.Op == changes.Insert)
			require.Equal(t, c.New == nil, c.Op == changes.Delete)
			require.Equal(t, tx.InPlace, c.Op == changes.InPlace)
			for _, row := range []*changes.Row{c.Old, c.New} {
				if row == nil {
					continue
				}
				if oid, ok := row.Get("oid"); ok {
					key := c.Database + " " + c.Catalog + " " + oid.Text
					require.True(t, row == c.New && c.Old != nil && seen[key] || !seen[key], "%s twice: %s", key, s.sql)
					seen[key] = true
				}
			}
		}
	}
}
