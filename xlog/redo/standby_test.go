// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// variant is a way to make a base, and a log after it.
type variant struct {
	name     string
	settings map[string]string
	plain    bool // without data checksums, from a cold copy
}

var variants = []variant{
	{name: "checksums", settings: map[string]string{"wal_compression": "on"}},
	{name: "no images", settings: map[string]string{"full_page_writes": "off"}, plain: true},
	{name: "plain", plain: true},
}

func (v *variant) backup() pgreplay.Backup {
	if v.plain {
		return pgreplay.Cold
	}
	return pgreplay.Online
}

// eachVariant runs a subtest for every version and, where long tests are asked for, every variant: else for one.
func eachVariant(t *testing.T, majors func(*testing.T, func(*testing.T, int)), f func(*testing.T, int, variant)) {
	majors(t, func(t *testing.T, major int) {
		t.Parallel()
		for i, v := range variants {
			if pgserver.Long() || i == major%2 {
				t.Run(v.name, func(t *testing.T) {
					t.Parallel()
					f(t, major, v)
				})
			}
		}
	})
}

// TestStandby replays a load of every kind of record and of definitions with a real standby and with redo: they leave
// the same bytes.
func TestStandby(t *testing.T) {
	eachVariant(t, pgserver.EachMajor, func(t *testing.T, major int, v variant) {
		compareWithStandby(t, pgreplay.Record(t, walload.Options{
			Major: major, Parts: walload.Replayable, NoChecksums: v.plain, Settings: v.settings,
		}, v.backup()))
	})
}

// TestStandbyPgbench is TestStandby with pgbench as the load.
func TestStandbyPgbench(t *testing.T) {
	eachVariant(t, pgserver.SomeMajors, func(t *testing.T, major int, v variant) {
		opts := pgserver.Options{Major: major, NoChecksums: v.plain, Settings: v.settings}
		compareWithStandby(t, pgreplay.RecordLoad(t, opts, v.backup(), func(s *pgserver.Server) { pgreplay.Pgbench(t, s) }))
	})
}

// TestStandbyMix is TestStandby with random transactions of several sessions as the load.
func TestStandbyMix(t *testing.T) {
	eachVariant(t, pgserver.SomeMajors, func(t *testing.T, major int, v variant) {
		compareWithStandby(t, recordMix(t, major, v))
	})
}

// recordMix records random transactions.
func recordMix(t *testing.T, major int, v variant) *pgreplay.Source {
	opts := pgserver.Options{Major: major, NoChecksums: v.plain, Settings: maps.Clone(pgreplay.MixSettings)}
	maps.Copy(opts.Settings, v.settings)
	seed, transactions := rand.Uint64(), 40
	if pgserver.Long() {
		transactions = 150
	}
	t.Logf("seed %d", seed)
	return pgreplay.RecordLoad(t, opts, v.backup(), func(s *pgserver.Server) { pgreplay.Mix(t, s, seed, transactions) })
}

func compareWithStandby(t *testing.T, source *pgreplay.Source) {
	standby := source.Standby(t)
	ours := filepath.Join(pgserver.TempDir(t), "ours")
	require.NoError(t, source.Copy(ours))
	require.NoError(t, source.Apart(ours, func() error {
		replay(t, ours, source.Version, source.Last, nil)
		return nil
	}))
	before, err := pagecompare.Compare(standby, source.Base)
	require.NoError(t, err)
	require.NotZero(t, before.Differing, "the load changed nothing")
	report, err := pagecompare.Compare(standby, ours)
	require.NoError(t, err)
	t.Logf("a real standby and redo, where the base had %d differences:\n%s", before.Differing, report)
	explain(t, ours, report)
	require.NoError(t, report.Err())
}

// replay has redo apply the log in pg_wal of a data directory up to and with the record that begins at last, make a
// restartpoint, and shut down.
func replay(t *testing.T, dir string, version int, last xlog.LSN, spaces func(string) string) {
	t.Helper()
	r, err := redo.New(redo.Config{
		Dir: dir, ServerVersion: version, CacheBytes: 512 << 20, RestartBytes: 1 << 40, RestartTime: time.Hour,
		TablespaceLocation: spaces,
	})
	require.NoError(t, err)
	defer r.Close()
	_, begin := r.Position()
	began := time.Now()
	stop, err := r.Replay(t.Context(), redo.ReplayConfig{Target: redo.Target{LSN: last}})
	require.NoError(t, err)
	require.True(t, stop.Target, "the log ended before: %v", stop.End)
	require.NoError(t, r.Shutdown())
	_, end := r.Position()
	t.Logf("redo of %d MB from %s to %s in %.2f s", end.Sub(begin)>>20, begin, end, time.Since(began).Seconds())
}

// logOf reads pg_wal of a data directory on its newest timeline, from its oldest segment on.
func logOf(t *testing.T, dir string) xlog.ReaderConfig {
	data, err := pgdata.Open(vfs.OS, dir)
	require.NoError(t, err)
	source := xlog.NewDirSource(data.WALPath(), data.SegmentSize)
	t.Cleanup(func() { source.Close() })
	return xlog.ReaderConfig{
		Dialect: data.Dialect, SegmentSize: data.SegmentSize, History: followedHistory(t, data.WALPath()),
		Source: source, Start: oldestSegment(t, data),
	}
}

func oldestSegment(t *testing.T, data *pgdata.DataDir) xlog.LSN {
	entries, err := os.ReadDir(data.WALPath())
	require.NoError(t, err)
	oldest := ^xlog.SegmentNumber(0)
	for _, e := range entries {
		if _, n, err := data.SegmentSize.ParseName(e.Name()); err == nil {
			oldest = min(oldest, n)
		}
	}
	return data.SegmentSize.Start(oldest)
}

func followedHistory(t *testing.T, dir string) xlog.History {
	names, err := filepath.Glob(filepath.Join(dir, "*.history"))
	require.NoError(t, err)
	if len(names) == 0 {
		return xlog.History{Timeline: 1}
	}
	newest := slices.Max(names)
	tli, err := xlog.ParseHistoryName(filepath.Base(newest))
	require.NoError(t, err)
	content, err := os.ReadFile(newest)
	require.NoError(t, err)
	history, err := xlog.ParseHistory(tli, content)
	require.NoError(t, err)
	return history
}

// explain logs the last records that refer to the first pages that differ.
func explain(t *testing.T, dir string, report *pagecompare.Report) {
	const pages, records = 5, 12
	shown := 0
	for _, d := range report.Differences {
		if d.Rel == nil || d.Block < 0 || shown == pages {
			continue
		}
		shown++
		t.Logf("records of %s, block %d:\n%s", d.File, d.Block, pagecompare.History(logOf(t, dir), d, records))
	}
}
