// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/redo"
)

// TestResume replays a log once in one go and once with many ends, some of which write nothing of what was applied, as a
// crash does. Both leave the same pages. Only the free space maps may differ: they are not in the log, and their redo
// depends on which pages had been written.
func TestResume(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long: not with -short")
	}
	t.Parallel()
	pgserver.Require(t, 15)
	source := pgreplay.Record(t, walload.Options{Major: 15, Parts: walload.Replayable}, pgreplay.Cold)
	whole := filepath.Join(pgserver.TempDir(t), "whole")
	require.NoError(t, source.Copy(whole))
	require.NoError(t, source.Apart(whole, func() error { return replayAll(t, whole) }))
	pieces := filepath.Join(pgserver.TempDir(t), "pieces")
	require.NoError(t, source.Copy(pieces))
	require.NoError(t, source.Apart(pieces, func() error { return replayPieces(t, pieces) }))
	report, err := pagecompare.Compare(whole, pieces)
	require.NoError(t, err)
	t.Log(report)
	for _, d := range report.Differences {
		require.Equal(t, xlog.FSMFork, d.Fork, "%s", d)
	}
	require.NotZero(t, report.Total.Pages)
}

func replayAll(t *testing.T, dir string) error {
	r := resume(t, dir, 0)
	if _, err := r.Replay(t.Context(), redo.ReplayConfig{}); err != nil {
		return err
	}
	return r.Shutdown()
}

// replayPieces replays with a small cache, a random number of records at a time.
func replayPieces(t *testing.T, dir string) error {
	random := rand.New(rand.NewPCG(1, 2))
	ends := map[string]int{}
	limit, grow := 100_000, 50_000
	if pgserver.Long() {
		limit, grow = 10_000, 5_000
	}
	for ; ; limit += grow {
		r := resume(t, dir, 1<<20)
		more, err := replaySome(r, random.IntN(limit))
		if err != nil {
			return err
		}
		if !more {
			t.Logf("ends before the last: %v", ends)
			require.NotEmpty(t, ends)
			return r.Shutdown()
		}
		end := pieceEnds[random.IntN(len(pieceEnds))]
		ends[end.name]++
		if err := end.end(r); err != nil {
			return err
		}
	}
}

// replaySome applies up to n records; more is false when the log has no further one.
func replaySome(r *redo.Redo, n int) (more bool, err error) {
	_, start := r.Position()
	size := r.DataDir().SegmentSize
	reader := xlog.NewReader(xlog.ReaderConfig{
		Dialect: r.DataDir().Dialect, SegmentSize: size, History: r.History(), Start: start,
		Source: xlog.NewDirSource(r.DataDir().WALPath(), size),
	})
	for range n {
		rec, err := reader.Next()
		if err != nil {
			return false, nil
		}
		if err := r.Apply(rec); err != nil {
			return false, err
		}
	}
	return true, nil
}

// pieceEnds are the ways in which a piece of the replay ends.
var pieceEnds = []struct {
	name string
	end  func(*redo.Redo) error
}{
	{"crash", (*redo.Redo).Close},
	{"crash after a flush", func(r *redo.Redo) error { return errors.Join(r.Flush(), r.Close()) }},
	{"crash after a restartpoint", func(r *redo.Redo) error { return errors.Join(r.Restartpoint(), r.Close()) }},
	{"shutdown", (*redo.Redo).Shutdown},
}
