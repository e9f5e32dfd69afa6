// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/vfs"
)

const sampleLabel = `START WAL LOCATION: 1A/28000028 (file 000000020000001A00000028)
CHECKPOINT LOCATION: 1A/28000060
BACKUP METHOD: streamed
BACKUP FROM: standby
START TIME: 2026-11-22 23:07:27 UTC
LABEL: a label: with (things)
START TIMELINE: 2
`

func TestParseBackupLabel(t *testing.T) {
	t.Parallel()
	l, err := ParseBackupLabel([]byte(sampleLabel))
	require.NoError(t, err)
	require.Equal(t, &BackupLabel{
		StartWAL: 0x1A_28000028, StartWALFile: "000000020000001A00000028", Checkpoint: 0x1A_28000060,
		Method: "streamed", From: "standby", StartTime: "2026-11-22 23:07:27 UTC",
		Label: "a label: with (things)", StartTimeline: 2,
	}, l)
	require.Equal(t, sampleLabel, string(l.Format()))

	incremental := sampleLabel + "INCREMENTAL FROM LSN: 0/5000028\nINCREMENTAL FROM TLI: 1\n"
	l, err = ParseBackupLabel([]byte(incremental))
	require.NoError(t, err)
	require.EqualValues(t, 0x5000028, l.IncrementalFromLSN)
	require.EqualValues(t, 1, l.IncrementalFromTLI)
	require.Equal(t, incremental, string(l.Format()))

	rewound, _, _ := strings.Cut(sampleLabel, "LABEL")
	l, err = ParseBackupLabel([]byte(strings.Replace(rewound, "streamed", "pg_rewind", 1)))
	require.NoError(t, err)
	require.Equal(t, "pg_rewind", l.Method)
	require.EqualValues(t, 2, l.StartTimeline)
}

func TestParseBackupLabelRefuses(t *testing.T) {
	t.Parallel()
	for i := range len(sampleLabel) - 1 {
		_, err := ParseBackupLabel([]byte(sampleLabel[:i]))
		if i > 0 && sampleLabel[i-1] == '\n' && strings.Count(sampleLabel[:i], "\n") >= 2 {
			require.NoError(t, err, "cut behind a line, after the two that must be there")
			continue
		}
		require.ErrorIs(t, err, ErrBackupLabel, "%q", sampleLabel[:i])
	}
	for _, change := range [][2]string{
		{"1A/28000028", "1A/28000028x"},
		{"1A/28000028", "28000028"},
		{"000000020000001A00000028", "000000020000001a00000028"},
		{"000000020000001A00000028", "000000000000001A00000028"},
		{"000000020000001A00000028)", "000000020000001A00000028"},
		{"START TIMELINE: 2", "START TIMELINE: 3"},
		{"START TIMELINE: 2", "START TIMELINE: 0"},
		{"START TIMELINE: 2", "START TIMELINE: two"},
		{"START TIMELINE: 2\n", "START TIMELINE: 2\nmore\n"},
		{"START TIMELINE: 2\n", "START TIMELINE: 2\nINCREMENTAL FROM LSN: 0/1\n"},
		{"CHECKPOINT LOCATION: ", "CHECKPOINT LOCATION "},
		{"BACKUP FROM", "BACKUP TO"},
		{"BACKUP FROM: standby", "BACKUP FROM: "},
		{"START TIMELINE: 2\n", "START TIMELINE: 2\nINCREMENTAL FROM LSN: 0/0\nINCREMENTAL FROM TLI: 1\n"},
	} {
		text := strings.Replace(sampleLabel, change[0], change[1], 1)
		require.NotEqual(t, sampleLabel, text)
		_, err := ParseBackupLabel([]byte(text))
		require.ErrorIs(t, err, ErrBackupLabel, "%v", change)
	}
}

func TestTablespaceMap(t *testing.T) {
	t.Parallel()
	text := "16384 /a b/c\n16385  /lea\\\nding\\\\ \\\rspace\r\n"
	spaces, err := ParseTablespaceMap([]byte(text), 14)
	require.NoError(t, err)
	require.Equal(t, []MappedTablespace{{16384, "/a b/c"}, {16385, " /lea\nding\\ \rspace"}}, spaces)
	require.Equal(t, strings.Replace(text, "space\r\n", "space\n", 1), string(FormatTablespaceMap(spaces, 14)))
	old := "16384 /a \\b\\\\c\\\nd\n" // no more than the newline is escaped
	spaces, err = ParseTablespaceMap([]byte(old), 13)
	require.NoError(t, err)
	require.Equal(t, []MappedTablespace{{16384, "/a \\b\\\\c\nd"}}, spaces)
	require.Equal(t, old, string(FormatTablespaceMap(spaces, 13)))
	for _, text := range []string{"16384 /a", "16384\n", "16384 \n", " /a\n", "x /a\n", "0 /a\n", "16384 /a\\\n", "1 a\x00\n"} {
		_, err := ParseTablespaceMap([]byte(text), 14)
		require.ErrorIs(t, err, ErrTablespaceMap, "%q", text)
	}
	spaces, err = ParseTablespaceMap(nil, 14)
	require.NoError(t, err)
	require.Empty(t, spaces)
}

func TestReadLabelFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := ReadBackupLabel(vfs.OS, dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadTablespaceMap(vfs.OS, dir, 15)
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, name := range []string{BackupLabelName, TablespaceMapName} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	_, err = ReadBackupLabel(vfs.OS, dir)
	require.ErrorIs(t, err, ErrBackupLabel)
	require.ErrorContains(t, err, filepath.Join(dir, BackupLabelName))
	_, err = ReadTablespaceMap(vfs.OS, dir, 15)
	require.ErrorIs(t, err, ErrTablespaceMap)
}

// TestBackupLabelOracle reads the label and the map that servers make, also for a tablespace with an odd name.
func TestBackupLabelOracle(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})
		plain, err := s.MakeDir("plain")
		require.NoError(t, err)
		odd, err := s.MakeDir("  odd \\ na\nme\r")
		require.NoError(t, err)
		s.SQL(t, "CREATE TABLESPACE plain LOCATION "+sqlLiteral(plain))
		s.SQL(t, "CREATE TABLESPACE odd LOCATION "+sqlLiteral(odd))
		var want []MappedTablespace
		for _, row := range s.SQL(t, "SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace WHERE oid > 16000 ORDER BY 1") {
			oid, err := strconv.ParseUint(row[0], 10, 32)
			require.NoError(t, err)
			want = append(want, MappedTablespace{OID: uint32(oid), Path: row[1]})
		}
		require.Len(t, want, 2)
		require.Equal(t, odd, want[1].Path)

		label, spaces := takeLabel(t, s, "my: label")
		l, err := ParseBackupLabel([]byte(label))
		require.NoError(t, err)
		require.Equal(t, label, string(l.Format()))
		c, err := ReadControl(vfs.OS, s.DataDir)
		require.NoError(t, err)
		from := "primary"
		if major < 14 {
			from = "master"
		}
		require.Equal(t, &BackupLabel{
			StartWAL: c.CheckPointCopy.Redo, StartWALFile: c.RedoWALFile(), Checkpoint: c.CheckPoint,
			Method: "streamed", From: from, StartTime: l.StartTime, Label: "my: label", StartTimeline: 1,
		}, l)
		require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+$`, l.StartTime)

		got, err := ParseTablespaceMap([]byte(spaces), major)
		require.NoError(t, err)
		require.ElementsMatch(t, want, got)
		require.Equal(t, spaces, string(FormatTablespaceMap(got, major)))

		d, err := Open(vfs.OS, s.DataDir)
		require.NoError(t, err)
		require.Equal(t, []Tablespace{{want[0].OID, plain}, {want[1].OID, odd}}, d.Tablespaces)
	})
}

// takeLabel begins a backup, ends it, and returns its label and its tablespace map.
func takeLabel(t *testing.T, s *pgserver.Server, name string) (label, spaces string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Connect(ctx)
	require.NoError(t, err)
	defer conn.Close(ctx)
	start, stop := "SELECT pg_backup_start($1, true)", "SELECT labelfile, spcmapfile FROM pg_backup_stop(false)"
	if s.Major < 15 {
		start, stop = "SELECT pg_start_backup($1, true, false)", "SELECT labelfile, spcmapfile FROM pg_stop_backup(false, false)"
	}
	_, err = conn.Exec(ctx, start, name)
	require.NoError(t, err)
	require.NoError(t, conn.QueryRow(ctx, stop).Scan(&label, &spaces))
	return label, spaces
}

func FuzzBackupLabel(f *testing.F) {
	f.Add([]byte(sampleLabel))
	f.Add([]byte(sampleLabel + "INCREMENTAL FROM LSN: 0/5000028\nINCREMENTAL FROM TLI: 1\n"))
	f.Add([]byte("START WAL LOCATION: 0/0 (file 000000010000000000000000)\nCHECKPOINT LOCATION: 0/0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ParseBackupLabel(text)
		if err != nil {
			if l != nil || !errors.Is(err, ErrBackupLabel) {
				t.Fatal(l, err)
			}
			return
		}
		again, err := ParseBackupLabel(l.Format())
		if err != nil || *again != *l {
			t.Fatalf("%v\n%+v\n%+v", err, l, again)
		}
	})
}

func FuzzTablespaceMap(f *testing.F) {
	f.Add([]byte("16384 /a b/c\n16385  /lea\\\nding\\\\ \\\rspace\r\n"), true)
	f.Add([]byte("16384 /a \\b\\\\c\\\nd\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, escapes bool) {
		major := 13
		if escapes {
			major = 14
		}
		spaces, err := ParseTablespaceMap(text, major)
		if err != nil {
			if !errors.Is(err, ErrTablespaceMap) {
				t.Fatal(err)
			}
			return
		}
		for _, s := range spaces {
			if !escapes && strings.HasSuffix(s.Path, "\\") {
				return // the old form cannot say this
			}
		}
		again := FormatTablespaceMap(spaces, major)
		got, err := ParseTablespaceMap(again, major)
		if err != nil || !slices.Equal(got, spaces) {
			t.Fatalf("%v %q %v", err, again, got)
		}
	})
}
