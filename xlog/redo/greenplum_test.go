// SPDX-License-Identifier: Apache-2.0

package redo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pagecompare"
	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/redo"
)

// recordedState is what a real server of Greenplum 7 left when it had replayed a recorded base and the log after it.
type recordedState struct {
	set  string
	base string
	ends []xlog.LSN // of the last records before a shutdown: the state's own, and those of shutdowns before

	manifest string // digests of every file and page
	control  string // what pg_controldata said; "" is not recorded
	long     bool   // to be compared where long tests are asked for
	wal      string // folder of the log of the second timeline; "" is none
}

const matrix = "gp7dev-matrixdb5"

// recordedStates: the follower of the second timeline began with the state at 0/2025A710.
var recordedStates = []recordedState{
	{set: matrix, ends: []xlog.LSN{0x10081E08}, manifest: "states/state-10081E08.tsv.zst", long: true},
	{set: matrix, ends: []xlog.LSN{0x140000D8}, manifest: "states/state-140000D8.tsv.zst", long: true},
	{set: matrix, ends: []xlog.LSN{0x1442E958}, manifest: "states/state-1442E958.tsv.zst", long: true},
	{set: matrix, ends: []xlog.LSN{0x1DB49C30}, manifest: "states/state-1DB49C30.tsv.zst", long: true},
	{set: matrix, ends: []xlog.LSN{0x2025A710}, manifest: "states/state-2025A710.tsv.zst", long: true},
	{
		set: matrix, ends: []xlog.LSN{0x280000D8}, manifest: "states/state-end-280000D8.tsv.zst",
		control: "controldata/standby-end.txt", long: true,
	},
	{
		set: matrix, ends: []xlog.LSN{0x2025A710, 0x291A3F88}, manifest: "tl2/follower-end-291A3F88.pages.tsv.zst",
		control: "tl2/follower.controldata.txt", wal: "tl2",
	},
	{
		set: "gp7dev-walcompression", base: "base.tar.zst", ends: []xlog.LSN{0x140B66C8},
		manifest: "states/replay-end.pages.tsv.zst", control: "controldata/replay-end.txt",
	},
	{
		set: "gp7dev-consistency", base: "base.tar.zst", ends: []xlog.LSN{0x105D25C8},
		manifest: "states/replay-end.pages.tsv.zst", control: "controldata/replay-end.txt",
	},
	{
		set: "gp7ga-layout-patched", ends: []xlog.LSN{0x205A1A38},
		manifest: "states/standby-end.pages.tsv.zst", control: "controldata/standby-end.txt",
	},
}

// TestGreenplum replays what real coordinators of Greenplum 7 wrote, and compares what it leaves with what a real
// server left: every file and page by its digest, and the fields of the control file.
func TestGreenplum(t *testing.T) {
	root := pgreplay.Recorded(t)
	for _, s := range recordedStates {
		if s.long && !pgserver.Long() || redo.RaceOnly() && s.set != "gp7dev-consistency" {
			continue
		}
		t.Run(s.set+"/"+s.ends[len(s.ends)-1].String(), func(t *testing.T) {
			t.Parallel()
			from, dir := filepath.Join(root, s.set), filepath.Join(t.TempDir(), "standby")
			s.replay(t, from, dir)
			manifest, err := pagecompare.ReadManifest(bytes.NewReader(decompressed(t, filepath.Join(from, s.manifest))))
			require.NoError(t, err)
			report, err := pagecompare.CompareManifest(manifest, dir)
			require.NoError(t, err)
			if s.control != "" {
				text, err := os.ReadFile(filepath.Join(from, s.control))
				require.NoError(t, err)
				require.NoError(t, report.CompareControl(string(text), dir))
			}
			t.Logf("a real server and redo:\n%s", report)
			explain(t, dir, report)
			require.NoError(t, report.Err())
		})
	}
}

// TestGreenplumStandby compares what redo leaves with the files of a real standby, byte for byte.
func TestGreenplumStandby(t *testing.T) {
	if redo.RaceOnly() {
		t.Skip("left out with -race and -short: it compares bytes")
	}
	root := pgreplay.Recorded(t)
	t.Parallel()
	s := recordedState{set: matrix, ends: []xlog.LSN{0x280000D8}}
	from, work := filepath.Join(root, s.set), t.TempDir()
	ours, spaces := filepath.Join(work, "ours"), filepath.Join(work, "spaces")
	s.replay(t, from, ours)
	pgreplay.UnpackTar(t, filepath.Join(from, "standby", "standby-end.datadir.tar.zst"), work)
	pgreplay.UnpackTar(t, filepath.Join(from, "standby", "standby-end.ts_one.tar.zst"), spaces)
	standby := filepath.Join(work, "standby_end")
	link := filepath.Join(standby, "pg_tblspc", "16396")
	require.NoError(t, os.Remove(link)) // it leads to where the tablespace was
	require.NoError(t, os.Symlink(filepath.Join(spaces, "4"), link))
	report, err := pagecompare.Compare(standby, ours)
	require.NoError(t, err)
	t.Logf("a real standby and redo:\n%s", report)
	explain(t, ours, report)
	require.NoError(t, report.Err())
}

// replay makes a data directory of the recorded base and log, and has redo replay it.
func (s recordedState) replay(t *testing.T, from, dir string) {
	if s.base == "" {
		s.base = "base-t0.tar.zst"
	}
	logs := []string{filepath.Join(from, "wal")}
	if s.wal != "" {
		logs = append(logs, filepath.Join(from, s.wal))
	}
	pgreplay.Unpack(t, filepath.Join(from, "base", s.base), dir, logs...)
	for _, end := range s.ends {
		replay(t, dir, 0, recordBefore(t, dir, end), func(location string) string {
			spaces := filepath.Join(t.TempDir(), filepath.Base(location))
			require.NoError(t, os.Mkdir(spaces, 0o700))
			return spaces
		})
	}
}

// recordBefore is where the record begins that ends at end.
func recordBefore(t *testing.T, dir string, end xlog.LSN) xlog.LSN {
	r := xlog.NewReader(logOf(t, dir))
	for {
		rec, err := r.Next()
		require.NoError(t, err)
		if rec.End >= end {
			require.Equal(t, end, rec.End)
			return rec.LSN
		}
	}
}

func decompressed(t *testing.T, name string) []byte {
	packed, err := os.ReadFile(name)
	require.NoError(t, err)
	d, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer d.Close()
	content, err := d.DecodeAll(packed, nil)
	require.NoError(t, err)
	return content
}
