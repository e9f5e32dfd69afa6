// SPDX-License-Identifier: Apache-2.0

package xlogtest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// GreenplumDataVar names the environment variable that has the folder of recorded Greenplum coordinators.
const GreenplumDataVar = "WALMIRROR_GREENPLUM_DATA"

// Recording is the log of a Greenplum coordinator with the text of its own pg_waldump, which ran in UTC.
type Recording struct {
	Name    string
	Dialect *xlog.Dialect
	Begin   xlog.LSN
	End     xlog.LSN // where the log ends

	// DetailsBegin is where Details begins; 0 when there is no such text.
	DetailsBegin xlog.LSN

	dir, promoted, details string
}

// GreenplumRecordings lists the recordings. The test is skipped where there are none.
func GreenplumRecordings(t testing.TB) []Recording {
	root := os.Getenv(GreenplumDataVar)
	if root == "" {
		t.Skipf("needs recordings of Greenplum 7; set %s to their folder", GreenplumDataVar)
	}
	sets := []Recording{
		{Name: "gp7dev-matrixdb5", Dialect: xlog.Greenplum7Dev, End: 0x280000D8,
			details: "000000010000000000000004.bkp-details.txt.zst", DetailsBegin: 0x10000000},
		{Name: "gp7dev-matrixdb5/tl2", Dialect: xlog.Greenplum7Dev, promoted: "tl2", End: 0x291A3F88},
		{Name: "gp7dev-walcompression", Dialect: xlog.Greenplum7Dev, End: 0x140B66C8,
			details: "bkp-details.txt.zst", DetailsBegin: 0x10000000},
		{Name: "gp7dev-consistency", Dialect: xlog.Greenplum7Dev, End: 0x105D25C8,
			details: "bkp-details.txt.zst", DetailsBegin: 0x0C000000},
		{Name: "gp7ga-layout-patched", Dialect: xlog.Greenplum7, End: 0x205A1A38},
	}
	for i := range sets {
		sets[i].Begin, sets[i].dir = 0x08000000, filepath.Join(root, strings.TrimSuffix(sets[i].Name, "/tl2"))
	}
	return sets
}

// GreenplumRecording is the one of that name.
func GreenplumRecording(t testing.TB, name string) *Recording {
	for _, r := range GreenplumRecordings(t) {
		if r.Name == name {
			return &r
		}
	}
	t.Fatalf("no recording is called %s", name)
	return nil
}

// Config reads the recording from start on.
func (r *Recording) Config(t testing.TB, start xlog.LSN) xlog.ReaderConfig {
	files := unpack(t, filepath.Join(r.dir, "wal"), ".zst")
	history := xlog.History{Timeline: 1}
	if r.promoted != "" {
		content, err := os.ReadFile(filepath.Join(r.dir, r.promoted, "00000002.history"))
		require.NoError(t, err)
		history, err = xlog.ParseHistory(2, content)
		require.NoError(t, err)
		maps.Copy(files, unpack(t, filepath.Join(r.dir, r.promoted), ".zst"))
	}
	return xlog.ReaderConfig{
		Dialect: r.Dialect, History: history, Start: start,
		Source: Files(files).Source(xlog.GreenplumSegmentSize),
	}
}

// Text is pg_waldump's text of the whole log. It ran on each segment alone: it has no line for a record that goes on in
// the next, see Omitted.
func (r *Recording) Text(t testing.TB) []byte {
	texts := unpack(t, filepath.Join(r.dir, "waldump"), ".txt.zst")
	if r.promoted != "" {
		for name, text := range unpack(t, filepath.Join(r.dir, r.promoted), ".txt.zst") {
			delete(texts, "00000001"+name[8:])
			texts[name] = text
		}
	}
	names := slices.SortedFunc(maps.Keys(texts), func(a, b string) int { return strings.Compare(a[8:], b[8:]) })
	var all []byte
	for _, name := range names {
		all = append(all, texts[name]...)
	}
	return all
}

// Omitted tells whether Text has no line for a record.
func (r *Recording) Omitted(rec *xlog.Record) bool {
	size := xlog.GreenplumSegmentSize
	return size.Number(rec.LSN) != size.Number(rec.LSN.Add(int(rec.TotalLen)))
}

// Details is the text of pg_waldump's option -b (--bkp-details), of a part of the log.
func (r *Recording) Details(t testing.TB) []byte {
	return Unzstd(t, filepath.Join(r.dir, "waldump", r.details))
}

// Stats is the text of pg_waldump's statistics, by "rmgr" or by "record".
func (r *Recording) Stats(t testing.TB, by string) []byte {
	text, err := os.ReadFile(filepath.Join(r.dir, "waldump", "stats."+by+".txt"))
	require.NoError(t, err)
	return text
}

// unpack reads the compressed files of a folder that are named like segments, by their names without the suffix.
func unpack(t testing.TB, dir, suffix string) map[string][]byte {
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, name := range names {
		if base := strings.TrimSuffix(filepath.Base(name), suffix); xlog.IsSegmentName(base) {
			files[base] = Unzstd(t, name)
		}
	}
	require.NotEmpty(t, files, dir)
	return files
}

// Unzstd is the content of a compressed file.
func Unzstd(t testing.TB, name string) []byte {
	packed, err := os.ReadFile(name)
	require.NoError(t, err)
	d, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer d.Close()
	data, err := d.DecodeAll(packed, nil)
	require.NoError(t, err, name)
	return data
}
