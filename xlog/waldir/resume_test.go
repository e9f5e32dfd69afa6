// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

func makeFile(t *testing.T, name string, size int) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, make([]byte, size), vfs.FileMode))
}

// Segments of timeline 1 and one of timeline 2.
const (
	s3 = "000000010000000000000003"
	s4 = "000000010000000000000004"
	s5 = "000000010000000000000005"
	s6 = "000000010000000000000006"
	s7 = "000000010000000000000007"
	t6 = "000000020000000000000006"
)

func TestArchiveResume(t *testing.T) {
	t.Parallel()
	const full = int(testSize)
	type files map[string]int
	for name, c := range map[string]struct {
		files    files
		want     string
		problems int
	}{
		"empty":                    {files{}, "", 0},
		"only history":             {files{"00000002.history": 10}, "", 0},
		"unknown names":            {files{s5 + ".bak": full, "0000000100000000000000FF.PARTIAL": full}, "", 0},
		"complete":                 {files{s5: full}, "1 0/600000", 0},
		"partial":                  {files{s5: full, s6 + ".partial": full}, "1 0/600000", 0},
		"odd partial":              {files{s5: full, s6 + ".partial": 77}, "1 0/600000", 0},
		"complete beats partial":   {files{s6: full, s6 + ".partial": full}, "1 0/700000", 0},
		"short complete":           {files{s5: full, s6: 77}, "1 0/600000", 1},
		"only a short one":         {files{s5: 77}, "", 1},
		"newest timeline":          {files{s6 + ".partial": full, t6 + ".partial": full}, "2 0/600000", 0},
		"highest segment":          {files{s7 + ".partial": full, t6: full}, "1 0/700000", 0},
		"torn gzip":                {files{s5: full, s6 + ".gz": 3}, "1 0/600000", 1},
		"torn zstd":                {files{s5: full, s6 + ".zst": 3}, "1 0/600000", 1},
		"compressed partial":       {files{s6 + ".lz4.partial": 3}, "1 0/600000", 0},
		"ahead":                    {files{s5: full, s6 + ".ahead": full}, "1 0/600000", 0},
		"only ahead":               {files{s6 + ".ahead": full}, "", 0},
		"rename lost":              {files{s5 + ".partial": full, s6 + ".partial": full}, "1 0/500000", 0},
		"renames lost":             {files{s4 + ".partial": full, s5 + ".partial": full, s6: full}, "1 0/400000", 0},
		"old partial of long ago":  {files{s3 + ".partial": full, s5: full}, "1 0/600000", 0},
		"segment zero is no start": {files{"000000010000000000000000": full}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			for name, size := range c.files {
				makeFile(t, filepath.Join(path, name), size)
			}
			d := openTest(t, Config{Path: path, Partial: true})
			require.Equal(t, c.want, resumed(d))
			require.Len(t, d.Problems(), c.problems, "%v", d.Problems())
			for name, size := range c.files {
				st, err := os.Stat(filepath.Join(path, name))
				require.NoError(t, err, "Open touches no file")
				require.EqualValues(t, size, st.Size())
			}
		})
	}
}

func resumed(d *Dir) string {
	tli, lsn, ok := d.Resume()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s %s", tli, lsn)
}

// TestDataDirectoryResume: what counts is the first page of each file, and which files are marked as complete.
func TestDataDirectoryResume(t *testing.T) {
	t.Parallel()
	type file struct {
		name    string
		content string // received, empty, recycled, short
		mark    string
	}
	for name, c := range map[string]struct {
		files []file
		want  string
	}{
		"nothing":       {nil, ""},
		"only prepared": {[]file{{"000000010000000000000005", "empty", ""}}, ""},
		"unfinished":    {[]file{{"000000010000000000000005", "received", ""}}, "1 0/500000"},
		"marked, and nothing behind it": {
			[]file{{"000000010000000000000005", "received", ".done"}}, "1 0/500000"},
		"marked, the next one prepared": {
			[]file{{"000000010000000000000005", "received", ".done"}, {"000000010000000000000006", "empty", ""}}, "1 0/600000"},
		"waiting for the archiver": {
			[]file{{"000000010000000000000005", "received", ".ready"}, {"000000010000000000000006", "empty", ""}}, "1 0/600000"},
		"recycled by a server": {
			[]file{{"000000010000000000000005", "received", ""}, {"000000010000000000000006", "recycled", ""}}, "1 0/500000"},
		"not finished before the next one began": {
			[]file{{"000000010000000000000004", "received", ".done"}, {"000000010000000000000005", "received", ""},
				{"000000010000000000000006", "received", ""}}, "1 0/500000"},
		"its first page lost": {
			[]file{{"000000010000000000000005", "empty", ""}, {"000000010000000000000006", "received", ""}}, "1 0/500000"},
		"newest timeline": {
			[]file{{"000000010000000000000007", "received", ""}, {"000000020000000000000006", "received", ""}}, "2 0/600000"},
		"newest timeline not begun": {
			[]file{{"000000010000000000000006", "received", ""}, {"000000020000000000000006", "empty", ""}}, "1 0/600000"},
		"short": {
			[]file{{"000000010000000000000005", "received", ".done"}, {"000000010000000000000006", "short", ""}}, "1 0/500000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(path, statusDirName), vfs.DirMode))
			for _, f := range c.files {
				_, number, err := testSize.ParseName(f.name)
				require.NoError(t, err)
				content := make([]byte, testSize)
				switch start := testSize.Start(number); f.content {
				case "received":
					content = testWAL(1, max(start, testStart), int(testSize))
					if start < testStart {
						content = make([]byte, testSize)
						content[pageAddressOffset+2] = 0x40
					}
				case "recycled":
					content = testWAL(1, testStart, int(testSize))
				case "short":
					content = content[:8192]
				}
				require.NoError(t, os.WriteFile(filepath.Join(path, f.name), content, vfs.FileMode))
				if f.mark != "" {
					makeFile(t, filepath.Join(path, statusDirName, f.name+f.mark), 0)
				}
			}
			require.Equal(t, c.want, resumed(openTest(t, Config{Path: path})))
		})
	}
}

// TestOddPartials is the story of a receiver that refused to start because of a .partial of another length.
func TestOddPartials(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, 8192, int(testSize) - 1, int(testSize), int(testSize) + 1, 3 * int(testSize)} {
		path := t.TempDir()
		name := filepath.Join(path, "000000010000000000000005.partial")
		makeFile(t, name, length)
		d := openTest(t, Config{Path: path, Partial: true})
		require.Equal(t, "1 0/500000", resumed(d))
		wal := testWAL(1, testStart, int(testSize)+10)
		require.NoError(t, d.Begin(1, testStart))
		require.NoError(t, d.Write(testStart, wal))
		require.NoError(t, d.Close())
		got, err := os.ReadFile(filepath.Join(path, "000000010000000000000005"))
		require.NoError(t, err)
		require.Equal(t, wal[:testSize], got)
		_, err = os.Stat(name + asideSuffix)
		require.Equal(t, length > int(testSize), err == nil, "moved aside")
		require.Equal(t, length > int(testSize), len(d.Problems()) == 1)
	}
}

func TestReplacesShortSegment(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	name := filepath.Join(path, "000000010000000000000005")
	makeFile(t, filepath.Join(path, "000000010000000000000004"), int(testSize))
	makeFile(t, name, 4711)
	d := openTest(t, Config{Path: path, Partial: true})
	require.Equal(t, "1 0/500000", resumed(d))
	require.ErrorContains(t, d.Problems()[0], "4711")
	require.NoError(t, d.Begin(1, testStart))
	require.NoError(t, d.Write(testStart, testWAL(1, testStart, int(testSize))))
	require.NoError(t, d.Close())
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, testWAL(1, testStart, int(testSize)), got)
}

func TestRemovesLeftovers(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		leftovers := []string{"000000010000000000000005.gz.tmp", "00000002.history.tmp"}
		foreign := []string{"notes.tmp", "xlogtemp.123"}
		if !partial {
			leftovers = []string{"xlogtemp.000000010000000000000005", "xlogtemp.00000002.history"}
		}
		for _, name := range append(leftovers, foreign...) {
			makeFile(t, filepath.Join(path, name), 10)
		}
		openTest(t, Config{Path: path, Partial: partial})
		require.Equal(t, foreign, names(t, path))
	})
}

func TestAheadIsKeptUntilItIsWritten(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	wal := testWAL(1, testStart, 2*int(testSize))
	require.NoError(t, os.WriteFile(filepath.Join(path, "000000010000000000000005.partial"), wal[:testSize], vfs.FileMode))
	require.NoError(t, os.WriteFile(filepath.Join(path, "000000010000000000000006.ahead"), wal[testSize:], vfs.FileMode))
	makeFile(t, filepath.Join(path, "000000020000000000000006.ahead"), 10)
	d := openTest(t, Config{Path: path, Partial: true})
	require.Equal(t, "1 0/500000", resumed(d))
	got := make([]byte, len(wal))
	_, err := d.ReadAt(1, got, testStart)
	require.NoError(t, err, "what was written when the process was killed can be read")
	require.Equal(t, wal, got)
	require.NoError(t, d.Begin(1, testStart))
	require.NoError(t, d.Write(testStart, wal[:testSize+100]))
	require.NoError(t, d.Close())
	require.Equal(t, []string{"000000010000000000000005", "000000010000000000000006.partial"}, names(t, path))
	got, err = os.ReadFile(filepath.Join(path, "000000010000000000000006.partial"))
	require.NoError(t, err)
	require.Equal(t, wal[testSize:], got, "and is not lost before it is written again")
}

func TestParseEntry(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]entry{
		"00000001000000000000000A":             {tli: 1, number: 10, stage: stageComplete},
		"00000001000000000000000A.partial":     {tli: 1, number: 10, stage: stagePartial},
		"00000001000000000000000A.ahead":       {tli: 1, number: 10, stage: stageAhead},
		"00000001000000000000000A.gz":          {tli: 1, number: 10, stage: stageComplete, method: Gzip},
		"00000001000000000000000A.lz4.partial": {tli: 1, number: 10, stage: stagePartial, method: LZ4},
		"00000002000000010000000A.zst":         {tli: 2, number: 0x100A, stage: stageComplete, method: Zstd},
	} {
		want.name = name
		got, ok := parseEntry(testSize, name)
		require.True(t, ok, name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{"", "00000001000000000000000a", "00000001000000000000000A.bz2",
		"00000001000000000000000A.gz.ahead",
		"00000000000000000000000A", "000000010000000000001000", "00000001000000000000000A.partial.gz", "00000002.history"} {
		_, ok := parseEntry(testSize, name)
		require.False(t, ok, name)
	}
	_, ok := parseEntry(xlog.DefaultSegmentSize, "000000010000000000000100")
	require.False(t, ok)
}
