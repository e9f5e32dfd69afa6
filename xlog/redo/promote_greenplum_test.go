// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// A recorded coordinator's directory is promoted. There is no server to start on it: its log is read again, with 32 KiB
// pages, and its files are those of the standby but for unlogged relations.
func TestPromoteGreenplum(t *testing.T) {
	root := pgreplay.Recorded(t)
	sets := map[string]string{"gp7dev-walcompression": "base.tar.zst", "gp7ga-layout-patched": "base-t0.tar.zst"}
	for set, base := range sets {
		if set != "gp7dev-walcompression" && !pgserver.Long() {
			continue
		}
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			from, work := filepath.Join(root, set), t.TempDir()
			dir, standby := filepath.Join(work, "promoted"), filepath.Join(work, "standby")
			for _, to := range []string{dir, standby} {
				pgreplay.Unpack(t, filepath.Join(from, "base", base), to, filepath.Join(from, "wal"))
			}
			require.NoError(t, replayRecorded(t, standby, func(r *redo.Redo) error { return r.Shutdown() }))
			var p redo.Promotion
			require.NoError(t, replayRecorded(t, dir, func(r *redo.Redo) (err error) {
				p, err = r.Promote(redo.PromoteConfig{})
				return err
			}))
			requireShutDown(t, dir, p)
			requirePromotedLog(t, dir, p)
			report, err := pagecompare.Compare(standby, dir)
			require.NoError(t, err)
			t.Logf("the standby before and after:\n%s", report)
			for _, d := range report.Differences {
				if d.File != pgdata.ControlFileName {
					require.FileExists(t, filepath.Join(dir, d.File+"_init"), "%s", d) // an unlogged relation
				}
			}
		})
	}
}

// replayRecorded replays what there is, and ends it.
func replayRecorded(t *testing.T, dir string, end func(*redo.Redo) error) error {
	r, err := redo.New(redo.Config{Dir: dir, TablespaceLocation: func(location string) string {
		space := filepath.Join(t.TempDir(), filepath.Base(location))
		require.NoError(t, os.Mkdir(space, 0o700))
		return space
	}})
	require.NoError(t, err)
	_, err = r.Replay(t.Context(), redo.ReplayConfig{})
	require.NoError(t, err)
	return end(r)
}

// requirePromotedLog reads what we wrote.
func requirePromotedLog(t *testing.T, dir string, p redo.Promotion) {
	cfg := logOf(t, dir)
	cfg.Start = p.Switch
	cfg.History = xlog.History{Timeline: p.NewTimeline, Ancestors: []xlog.Switch{{Timeline: p.OldTimeline, LSN: p.Switch}}}
	r, d := xlog.NewReader(cfg), rmgr.NewDecoder(cfg.Dialect)
	var texts []string
	for rec, err := r.Next(); ; rec, err = r.Next() {
		if err != nil {
			require.ErrorIs(t, err, xlog.ErrZeroed)
			break
		}
		payload, err := d.Decode(rec)
		require.NoError(t, err)
		texts = append(texts, string(payload.Describe(nil, &rmgr.Printing{Dialect: cfg.Dialect, Location: time.UTC})))
	}
	require.Len(t, texts, 2)
	t.Logf("%s\n%s", texts[0], texts[1])
}
