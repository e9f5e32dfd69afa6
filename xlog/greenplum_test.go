// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

const greenplumDataVar = "WALMIRROR_GREENPLUM_DATA"

// greenplumData is the folder of recorded Greenplum coordinators.
func greenplumData(t testing.TB) string {
	dir := os.Getenv(greenplumDataVar)
	if dir == "" {
		t.Skipf("needs recordings of Greenplum 7; set %s to their folder", greenplumDataVar)
	}
	return dir
}

// greenplumSets are the recorded logs. Where tl2 is set, the log goes on there after a promotion.
var greenplumSets = []struct {
	name, tl2 string
	dialect   *xlog.Dialect
	details   string // output of --bkp-details, and where it begins
	from      xlog.LSN
	end       xlog.LSN
}{
	{name: "gp7dev-matrixdb5", dialect: xlog.Greenplum7Dev, end: 0x280000D8,
		details: "000000010000000000000004.bkp-details.txt.zst", from: 0x10000000},
	{name: "gp7dev-matrixdb5", tl2: "tl2", dialect: xlog.Greenplum7Dev, end: 0x291A3F88},
	{name: "gp7dev-walcompression", dialect: xlog.Greenplum7Dev, end: 0x140B66C8,
		details: "bkp-details.txt.zst", from: 0x10000000},
	{name: "gp7dev-consistency", dialect: xlog.Greenplum7Dev, end: 0x105D25C8,
		details: "bkp-details.txt.zst", from: 0x0C000000},
	{name: "gp7ga-layout-patched", dialect: xlog.Greenplum7, end: 0x205A1A38},
}

// TestGreenplumWaldump walks over every recorded log and compares each record with the server's own pg_waldump.
func TestGreenplumWaldump(t *testing.T) {
	root := greenplumData(t)
	for _, set := range greenplumSets {
		t.Run(set.name+"/"+set.tl2, func(t *testing.T) {
			dir := filepath.Join(root, set.name)
			files, texts := unpackSegments(t, filepath.Join(dir, "wal")), dumpedSegments(t, filepath.Join(dir, "waldump"))
			cfg := xlog.ReaderConfig{Dialect: set.dialect, History: xlog.History{Timeline: 1}, Start: 0x08000000}
			if set.tl2 != "" {
				cfg.History = followPromotion(t, filepath.Join(dir, set.tl2), files, texts)
			}
			size := xlog.GreenplumSegmentSize
			cfg.Source = files.Source(size)

			sum, err := compareWaldump(t, xlog.NewReader(cfg), joinTexts(texts), func(rec *xlog.Record) bool {
				// Each segment was dumped alone: a record that crosses into the next is in neither text.
				return size.Number(rec.LSN) != size.Number(rec.LSN.Add(int(rec.TotalLen)))
			})
			requireEnd(t, err, xlog.ErrZeroed, set.end)
			require.Equal(t, set.end, sum.last)
			require.Greater(t, sum.records, 6000)
			t.Logf("%d records, %d blocks, %d bytes of images: each equal to pg_waldump's", sum.records, sum.blocks, sum.images)
			if set.details != "" {
				compareGreenplumDetails(t, cfg, filepath.Join(dir, "waldump", set.details), set.from)
			}
		})
	}
}

func compareGreenplumDetails(t *testing.T, cfg xlog.ReaderConfig, name string, from xlog.LSN) {
	cfg.Start = from
	sum := compareDetails(t, xlog.NewReader(cfg), bytes.NewReader(unzstd(t, name)))
	require.Greater(t, sum.blocks, 1000)
	t.Logf("%d block references of %d records equal to --bkp-details", sum.blocks, sum.records)
}

// unpackSegments reads the compressed segments of a folder.
func unpackSegments(t testing.TB, dir string) xlogtest.Files {
	names, err := filepath.Glob(filepath.Join(dir, "*.zst"))
	require.NoError(t, err)
	files := xlogtest.Files{}
	for _, name := range names {
		if base := strings.TrimSuffix(filepath.Base(name), ".zst"); xlog.IsSegmentName(base) {
			files[base] = unzstd(t, name)
		}
	}
	require.NotEmpty(t, files, dir)
	return files
}

// dumpedSegments reads the texts that pg_waldump wrote of single segments, by the segment's name.
func dumpedSegments(t testing.TB, dir string) map[string][]byte {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt.zst"))
	require.NoError(t, err)
	texts := map[string][]byte{}
	for _, name := range names {
		if base := strings.TrimSuffix(filepath.Base(name), ".txt.zst"); xlog.IsSegmentName(base) {
			texts[base] = unzstd(t, name)
		}
	}
	require.NotEmpty(t, texts, dir)
	return texts
}

// followPromotion adds the segments of timeline 2, whose texts take the place of the ancestor's, and reads its history.
func followPromotion(t testing.TB, dir string, files xlogtest.Files, texts map[string][]byte) xlog.History {
	content, err := os.ReadFile(filepath.Join(dir, "00000002.history"))
	require.NoError(t, err)
	history, err := xlog.ParseHistory(2, content)
	require.NoError(t, err)
	for name, data := range unpackSegments(t, dir) {
		files[name] = data
	}
	for name, text := range dumpedSegments(t, dir) {
		delete(texts, "00000001"+name[8:])
		texts[name] = text
	}
	return history
}

func joinTexts(texts map[string][]byte) io.Reader {
	names := slices.Collect(maps.Keys(texts))
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(a[8:], b[8:]) })
	var all []io.Reader
	for _, name := range names {
		all = append(all, bytes.NewReader(texts[name]))
	}
	return io.MultiReader(all...)
}

func unzstd(t testing.TB, name string) []byte {
	packed, err := os.ReadFile(name)
	require.NoError(t, err)
	d, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer d.Close()
	data, err := d.DecodeAll(packed, nil)
	require.NoError(t, err, name)
	return data
}

// TestGreenplumVerifier passes a recorded log through a Verifier in pieces as Greenplum's walsender makes them.
func TestGreenplumVerifier(t *testing.T) {
	root := greenplumData(t)
	set := greenplumSets[0]
	files := unpackSegments(t, filepath.Join(root, set.name, "wal"))
	v := xlog.NewVerifier(xlog.ReaderConfig{Dialect: set.dialect, History: xlog.History{Timeline: 1}})
	size := xlog.GreenplumSegmentSize
	for lsn := xlog.LSN(0x08000000); lsn < set.end; lsn += 512 << 10 {
		data := files[size.Name(1, size.Number(lsn))][size.Offset(lsn):]
		end, err := v.Verify(lsn, data[:min(512<<10, int(set.end-lsn))])
		require.NoError(t, err)
		require.LessOrEqual(t, end, (lsn+512<<10+xlog.LSN(size)-1)&^xlog.LSN(size-1), "a switch may lead to the segment's end")
	}
	require.Equal(t, set.end, v.End())
}
