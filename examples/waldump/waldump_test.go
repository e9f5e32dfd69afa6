// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/examples/internal/clitest"
	"github.com/walmirror/walmirror/xlog"
)

const workload = `CREATE TABLE t (id bigserial PRIMARY KEY, a int, b text); CREATE INDEX ON t (a);
	CREATE INDEX ON t USING hash (a);
	CREATE TABLE v (a tsvector, p point); CREATE INDEX ON v USING gin (a); CREATE INDEX ON v USING gist (p);
	INSERT INTO t (a, b) SELECT i % 977, repeat(md5(i::text), 1 + i % 8) FROM generate_series(1, 4000) i;
	INSERT INTO v SELECT to_tsvector('simple', md5(i::text)), point(i % 100, i / 100) FROM generate_series(1, 1000) i;
	UPDATE t SET a = a + 1 WHERE id % 10 = 0; DELETE FROM t WHERE id % 7 = 0; VACUUM t; CHECKPOINT;
	UPDATE t SET b = b || 'x' WHERE id % 3 = 0; TRUNCATE v; SELECT pg_switch_wal();
	INSERT INTO t (a, b) VALUES (1, 'last')`

// loaded is a server with some WAL in segments of 1 MB.
func loaded(t *testing.T) (s *pgserver.Server, start xlog.LSN) {
	s = pgserver.Start(t, pgserver.Options{WALSegmentMB: 1, Settings: map[string]string{
		"wal_keep_size": "1GB", "max_wal_size": "1GB", "autovacuum": "off", "wal_compression": "lz4"}})
	start, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_insert_lsn()"))
	require.NoError(t, err)
	for _, sql := range strings.Split(workload, ";") {
		s.SQL(t, sql)
	}
	return s, start
}

// outcome is what a program said.
type outcome struct {
	code        int
	out, errors string
}

func ours(args ...string) outcome {
	var out, errs bytes.Buffer
	code := run(context.Background(), args, &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// theirs runs pg_waldump, and takes its name for ours.
func theirs(t *testing.T, args ...string) outcome {
	cmd := pgserver.Command(context.Background(), pgserver.DefaultMajor, "pg_waldump", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	require.NotNil(t, cmd.ProcessState, "%v", err)
	return outcome{cmd.ProcessState.ExitCode(), out.String(), strings.ReplaceAll(errs.String(), "pg_waldump:", progname+":")}
}

// compare runs both, and returns the number of lines.
func compare(t *testing.T, args ...string) int {
	t.Helper()
	want, got := theirs(t, args...), ours(args...)
	want.errors = strings.ReplaceAll(want.errors, `"pg_waldump `, `"`+progname+` `)
	have, wanted := strings.SplitAfter(got.out, "\n"), strings.SplitAfter(want.out, "\n")
	for i := range min(len(have), len(wanted)) {
		require.Equal(t, wanted[i], have[i], "%v: line %d", args, i+1)
	}
	require.Len(t, have, len(wanted), "%v", args)
	require.Equal(t, want.errors, got.errors, "%v", args)
	require.Equal(t, want.code, got.code, "%v", args)
	return len(wanted) - 1
}

func TestAgainstPgWaldump(t *testing.T) {
	s, start := loaded(t)
	node := s.Value(t, `SELECT (CASE dattablespace WHEN 0 THEN 1663 ELSE dattablespace END)::text || '/' || oid ||
		'/' || pg_relation_filenode('t') FROM pg_database WHERE datname = current_database()`)
	end := s.Value(t, "SELECT pg_current_wal_flush_lsn()")
	xid := s.Value(t, "SELECT xmin FROM t WHERE b = 'last'")
	require.NoError(t, s.Stop(pgserver.Fast))
	wal := filepath.Join(s.DataDir, "pg_wal")
	size := xlog.SegmentSize(1 << 20)
	endLSN, err := xlog.ParseLSN(end)
	require.NoError(t, err)
	second, last := size.Name(1, size.Number(start)+1), size.Name(1, size.Number(endLSN))
	from := []string{"-p", wal, "-s", start.String()}

	lines := 0
	for _, args := range [][]string{
		{}, {"-b"}, {"-z"}, {"--stats=record"}, {"-r", "heap", "-r", "Btree"}, {"-R", node}, {"-R", node, "-B", "3"},
		{"-F", "vm"}, {"-x", xid}, {"-w"}, {"-n", "10"}, {"-q"}, {"-z", "-n", "77"}, {"-z", "-r", "Gist"}, {"-z", "-x", "4000000"},
		{"-e", (start + 100000).String()}, {"-e", (start + 3<<20 + 4).String(), "-z"}, {"-e", (start + 1).String()},
	} {
		lines += compare(t, append(slices.Clone(from), args...)...)
	}
	for _, args := range [][]string{
		{"-p", s.DataDir, second}, {filepath.Join(wal, second)}, {"-p", wal, second, last}, {"-p", wal, last},
		{"-p", wal, "-s", (start + 11).String(), "-n", "3"},
		{"-p", wal, "-e", (size.Start(size.Number(start)+1) + 70000).String(), second},
	} {
		lines += compare(t, args...)
	}
	t.Logf("%d lines equal", lines)
	require.Greater(t, lines, 20000)

	for _, args := range [][]string{
		{}, {"-r", "list"}, {"-r", "foo"}, {"-r", "custom001"}, {"-B", "5"}, {"-B", "x"}, {"-s", "zz"}, {"-e", "1"}, {"-F", "foo"},
		{"-R", "1/2"}, {"-R", "0/0/1"}, {"-x", "q"}, {"--stats=foo"}, {"-n", "x"}, {"-t", "q"}, {"a", "b", "c"}, {"-p", wal},
		{"-p", "/nonexistent", "-s", "0/1"}, {"/nonexistent/000000010000000000000001"}, {"-p", wal, "0000000100000000000000FF"},
		{"-p", wal, last, second}, {"-p", wal, "-s", "0/1", second}, {"-p", wal, "-e", "0/1", second}, {"-p", "/", "-s", "0/1"},
		{"-p", wal, "-s", end},
	} {
		compare(t, args...)
	}
}

// TestPackedSegments reads segments as pg_receivewal and others leave them.
func TestPackedSegments(t *testing.T) {
	s, start := loaded(t)
	require.NoError(t, s.Stop(pgserver.Fast))
	wal, size := filepath.Join(s.DataDir, "pg_wal"), xlog.SegmentSize(1<<20)
	want := ours("-p", wal, "-s", start.String())
	require.Equal(t, 1, want.code)
	dir := t.TempDir()
	pack := []struct {
		suffix string
		writer func(io.Writer) io.WriteCloser
	}{
		{".gz", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }},
		{".lz4", func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) }},
		{".zst", func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }},
		{".partial", nil}, {"", nil}, {".gz.partial", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }},
	}
	for n := size.Number(start); ; n++ {
		name := size.Name(1, n)
		plain, err := os.ReadFile(filepath.Join(wal, name))
		if os.IsNotExist(err) {
			break
		}
		require.NoError(t, err)
		kind := pack[int(n)%len(pack)]
		var packed bytes.Buffer
		if kind.writer == nil {
			packed.Write(plain)
		} else {
			w := kind.writer(&packed)
			_, err := w.Write(plain)
			require.NoError(t, err)
			require.NoError(t, w.Close())
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+kind.suffix), packed.Bytes(), 0o644))
	}
	got := ours("-p", dir, "-s", start.String())
	require.Equal(t, strings.Count(want.out, "\n"), strings.Count(got.out, "\n"))
	require.Equal(t, want, got)
	require.Equal(t, want.out, ours("-p", dir, "-s", start.String(), "-n", "10000000").out) // one by one
}

func TestJSON(t *testing.T) {
	s, start := loaded(t)
	end := s.Value(t, "SELECT pg_current_wal_flush_lsn()")
	args := []string{"-p", s.DataDir, "-s", start.String(), "-e", end}
	text := strings.Split(ours(args...).out, "\n")
	text = slices.DeleteFunc(text, func(line string) bool { return !strings.HasPrefix(line, "rmgr: ") })
	got := ours(append(args, "--json")...)
	require.Zero(t, got.code, got.errors)
	names := map[string]int{}
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	require.Len(t, lines, len(text))
	for i, line := range lines {
		var rec map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &rec))
		for _, name := range []string{
			"lsn", "end", "prev", "timeline", "xid", "rmgr", "record", "description", "len", "total_len", "blocks", "data",
		} {
			require.Contains(t, rec, name)
		}
		require.Contains(t, text[i], fmt.Sprintf("desc: %s %s", rec["record"], rec["description"]))
		require.Contains(t, text[i], fmt.Sprintf("tx: %10.0f", rec["xid"]))
		for _, b := range rec["blocks"].([]any) {
			block := b.(map[string]any)
			for _, name := range []string{"id", "rel", "fork", "block", "data_len", "will_init"} {
				require.Contains(t, block, name)
			}
			require.Contains(t, text[i], fmt.Sprintf("rel %s", block["rel"]))
			if fpw, ok := block["fpw"].(map[string]any); ok {
				names["fpw"]++
				require.Contains(t, []any{"off", "lz4"}, fpw["compression"])
				require.Len(t, fpw, 5)
			}
		}
		names[rec["rmgr"].(string)]++
		if rec["rmgr"] == "Heap" && rec["record"] == "INSERT" {
			require.Contains(t, rec["data"], "offset")
			require.Contains(t, rec["data"], "flags")
		}
	}
	require.NotZero(t, names["Heap"])
	require.NotZero(t, names["fpw"])
	t.Logf("%d objects; %v", len(lines), names)
}

func TestSnakeCase(t *testing.T) {
	for name, want := range map[string]string{
		"LSN": "lsn", "OldestXID": "oldest_xid", "XIDs": "xids", "TopXID": "top_xid", "Offset": "offset", "NextOid": "next_oid",
		"OriginLSN": "origin_lsn", "XIDPage": "xid_page", "Uint16s": "uint16s",
	} {
		require.Equal(t, want, snakeCase(name), name)
	}
}

// TestFollow sees what a server writes, over the begin of new segments.
func TestFollow(t *testing.T) {
	s, start := loaded(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs clitest.Output
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"-f", "-p", s.DataDir, "-s", start.String(), "-r", "LogicalMessage"}, &out, &errs)
	}()
	for i := range 5 {
		s.SQL(t, fmt.Sprintf("SELECT pg_logical_emit_message(false, 'follow', 'message %d')", i))
		s.SQL(t, "SELECT pg_switch_wal()")
		require.Eventually(t, func() bool { return strings.Count(out.String(), "\n") > i }, 20*time.Second, 20*time.Millisecond)
	}
	cancel()
	require.Zero(t, <-code, errs.String())
	require.Equal(t, 5, strings.Count(out.String(), "desc: MESSAGE"), out.String())
}

// TestSaveFullpage saves pages and compares them with those of another compression and the descriptions.
func TestSaveFullpage(t *testing.T) {
	s, start := loaded(t)
	end := s.Value(t, "SELECT pg_current_wal_flush_lsn()")
	dir := filepath.Join(t.TempDir(), "new", "pages")
	args := []string{"-p", s.DataDir, "-s", start.String(), "-e", end, "-w"}
	got := ours(append(args, "--save-fullpage", dir, "-q")...)
	require.Zero(t, got.code, got.errors)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, strings.Count(ours(args...).out, " FPW"), len(files))
	for _, f := range files {
		require.Regexp(t, `^[0-9A-F]{8}-[0-9A-F]{8}\.\d+\.\d+\.\d+\.\d+_(main|fsm|vm|init)$`, f.Name())
		info, err := f.Info()
		require.NoError(t, err)
		require.EqualValues(t, 8192, info.Size())
	}
	t.Logf("%d pages", len(files))
	require.NotEmpty(t, files)
	got = ours(append(args, "--save-fullpage", dir)...)
	require.Equal(t, outcome{1, "", fmt.Sprintf("waldump: error: directory \"%s\" exists but is not empty\n", dir)}, got)
}

// TestGreenplum compares with the recorded statistics of a Greenplum, and tells its dialect by the page.
func TestGreenplum(t *testing.T) {
	root := os.Getenv("WALMIRROR_GREENPLUM_DATA")
	if root == "" {
		t.Skip("needs recordings of Greenplum 7; set WALMIRROR_GREENPLUM_DATA to their folder")
	}
	set := filepath.Join(root, "gp7dev-matrixdb5")
	for _, kind := range []string{"rmgr", "record"} {
		want, err := os.ReadFile(filepath.Join(set, "waldump", "stats."+kind+".txt"))
		require.NoError(t, err)
		got := ours("-p", filepath.Join(set, "wal"), "--dialect", "greenplum7-dev", "-s", "0/8000000", "--stats="+kind)
		require.True(t, string(want) == got.out, "%s", got.out)
	}
	p, err := (&options{path: filepath.Join(set, "wal"), startLSN: 0x8000000, startTLI: 1}).locate(nil)
	require.NoError(t, err)
	require.Equal(t, xlog.Greenplum7, p.dialect)
	require.Equal(t, xlog.GreenplumSegmentSize, p.size)
}

// TestAllocates makes sure that the work for a record allocates nothing, whatever is printed.
func TestAllocates(t *testing.T) {
	s, start := loaded(t)
	end, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	for name, o := range map[string]*options{
		"text": {}, "details": {details: true}, "stats": {stats: "rmgr"}, "quiet": {quiet: true},
	} {
		o.path, o.startLSN, o.endLSN, o.startTLI = filepath.Join(s.DataDir, "pg_wal"), start, end, 1
		p, err := o.locate(nil)
		require.NoError(t, err)
		out, records := newSink(o, p), 0
		pass := func() {
			src := &segments{place: p}
			defer src.Close()
			r := src.reader(p.from)
			for records = 0; r.End() < end; records++ {
				rec, err := r.Next()
				require.NoError(t, err)
				_, err = out.add(rec)
				require.NoError(t, err)
				out.text = out.text[:0]
			}
		}
		perPass := testing.AllocsPerRun(1, pass) // of opening files and the like
		t.Logf("%s: %.0f allocations for %d records", name, perPass, records)
		require.Less(t, perPass, float64(records)/100, name)
	}
}
