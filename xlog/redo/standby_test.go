// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"fmt"
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

// TestStandby replays a load of every kind of record and of definitions with a real standby and with redo: they leave
// the same bytes.
func TestStandby(t *testing.T) {
	variants := []struct {
		name   string
		opts   walload.Options
		backup pgreplay.Backup
	}{
		{"checksums", walload.Options{Settings: map[string]string{"wal_compression": "on"}}, pgreplay.Online},
		{"plain", walload.Options{NoChecksums: true}, pgreplay.Cold},
		{
			"no images",
			walload.Options{NoChecksums: true, Settings: map[string]string{"full_page_writes": "off"}},
			pgreplay.Cold,
		},
	}
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		for _, v := range variants {
			t.Run(v.name, func(t *testing.T) {
				v.opts.Major, v.opts.Parts = major, walload.Replayable
				compareWithStandby(t, pgreplay.Record(t, v.opts, v.backup))
			})
		}
	})
}

// TestStandbyPgbench is TestStandby with pgbench as the load.
func TestStandbyPgbench(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		opts := pgserver.Options{Major: major}
		compareWithStandby(t, pgreplay.RecordLoad(t, opts, pgreplay.Online, func(s *pgserver.Server) {
			pgreplay.Pgbench(t, s)
		}))
	})
}

// TestStandbyMix is TestStandby with random transactions of several sessions as the load, and without images of pages
// every second time.
func TestStandbyMix(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		for _, images := range []bool{true, false} {
			t.Run(fmt.Sprintf("images=%v", images), func(t *testing.T) {
				opts := pgserver.Options{Major: major, Settings: maps.Clone(pgreplay.MixSettings), NoChecksums: !images}
				backup := pgreplay.Online
				if !images {
					opts.Settings["full_page_writes"], backup = "off", pgreplay.Cold
				}
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				compareWithStandby(t, pgreplay.RecordLoad(t, opts, backup, func(s *pgserver.Server) {
					pgreplay.Mix(t, s, seed, 100)
				}))
			})
		}
	})
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
