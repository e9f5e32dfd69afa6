// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
)

// pgReceivewal is a running pg_receivewal 15.
type pgReceivewal struct {
	cmd   *exec.Cmd
	start string // "X/X (timeline N)" that it said it starts at
}

func startReceivewal(t *testing.T, s *pgserver.Server, path string, args ...string) *pgReceivewal {
	t.Helper()
	tool, err := pgserver.ToolPath(15, "pg_receivewal")
	require.NoError(t, err)
	args = append([]string{"-v", "--no-loop", "--synchronous", "-D", path, "-d", s.ConnString()}, args...)
	cmd := exec.Command(tool, args...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := &pgReceivewal{cmd: cmd}
	t.Cleanup(r.kill)
	lines := bufio.NewScanner(stderr)
	for r.start == "" {
		require.True(t, lines.Scan(), "pg_receivewal ended without starting")
		_, r.start, _ = strings.Cut(lines.Text(), "starting log streaming at ")
	}
	go func() {
		for lines.Scan() {
		}
	}()
	return r
}

func (r *pgReceivewal) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func startServer(t *testing.T) *pgserver.Server {
	return pgserver.Start(t, pgserver.Options{
		Major: 15, WALSegmentMB: 1, Settings: map[string]string{"wal_keep_size": "1GB"},
	})
}

// makeWAL fills n segments.
func makeWAL(t *testing.T, s *pgserver.Server, n int) {
	t.Helper()
	for range n {
		s.SQL(t, "SELECT pg_logical_emit_message(false, 'waldir', repeat(md5(random()::text), 9000))")
		s.SQL(t, "SELECT pg_switch_wal()")
	}
	s.SQL(t, "SELECT pg_logical_emit_message(true, 'waldir', 'the last segment is not full')")
}

// waitFor waits for a file to be there with something in it.
func waitFor(t *testing.T, pattern string) {
	t.Helper()
	require.Eventually(t, func() bool {
		found, err := filepath.Glob(pattern)
		return err == nil && len(found) > 0
	}, time.Minute, 20*time.Millisecond, pattern)
}

func currentSegment(t *testing.T, s *pgserver.Server) string {
	return s.Value(t, "SELECT pg_walfile_name(pg_current_wal_lsn())")
}

// TestResumeAsPgReceivewal kills pg_receivewal, damages what it left in several ways, and compares where it and we
// would go on.
func TestResumeAsPgReceivewal(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	pgserver.RequireTool(t, "pg_receivewal")
	s := startServer(t)
	compared, read := 0, 0
	for _, method := range []string{"none", "gzip:1", "lz4"} {
		c, err := ParseCompression(method)
		require.NoError(t, err)
		suffix := c.Method.suffix()
		path := t.TempDir()
		r := startReceivewal(t, s, path, "--compress="+method)
		makeWAL(t, s, 3)
		waitFor(t, filepath.Join(path, currentSegment(t, s)+suffix+".partial"))
		r.kill()
		read += readBack(t, s, path)

		for _, damage := range []struct {
			name string
			do   func(newest, partial string) error
		}{
			{"as it is", func(_, _ string) error { return nil }},
			{"odd partial", func(_, partial string) error { return os.Truncate(partial, 12345) }},
			{"empty partial", func(_, partial string) error { return os.Truncate(partial, 0) }},
			{"no partial", func(_, partial string) error { return os.Remove(partial) }},
			{"short newest", func(newest, _ string) error { return shorten(newest, suffix) }},
		} {
			partial := filepath.Join(path, currentSegment(t, s)+suffix+".partial")
			complete, err := filepath.Glob(filepath.Join(path, "0000000100000000000000??"+suffix))
			require.NoError(t, err)
			require.NotEmpty(t, complete)
			require.NoError(t, damage.do(complete[len(complete)-1], partial))

			ours := resumeText(t, path)
			again := startReceivewal(t, s, path, "--compress="+method)
			again.kill()
			require.Equal(t, again.start, ours, "%s, %s: %v", method, damage.name, names(t, path))
			compared++
		}
	}
	require.Positive(t, compared)
	require.Positive(t, read)
	t.Logf("compared %d resume positions with pg_receivewal's", compared)
	t.Logf("compared %d segments that it stored with the server's", read)
}

// readBack reads the complete segments of an archive and compares them with the server's.
func readBack(t *testing.T, s *pgserver.Server, path string) (n int) {
	t.Helper()
	d, err := Open(Config{Path: path, SegmentSize: testSize, Partial: true})
	require.NoError(t, err)
	defer d.Close()
	found, err := d.scan()
	require.NoError(t, err)
	got := make([]byte, testSize)
	for _, e := range found.segments {
		if e.stage != stageComplete {
			continue
		}
		want, err := os.ReadFile(filepath.Join(s.DataDir, "pg_wal", testSize.Name(e.tli, e.number)))
		require.NoError(t, err)
		_, err = d.ReadAt(e.tli, got, testSize.Start(e.number))
		require.NoError(t, err, e.name)
		require.True(t, string(want) == string(got), e.name)
		n++
	}
	return n
}

// shorten damages a complete file so that pg_receivewal finds it too short: by its length, or for gzip by the length
// in its trailer, or for lz4 by a whole frame of less content.
func shorten(name, suffix string) error {
	switch suffix {
	case "":
		return os.Truncate(name, 8192)
	case ".gz":
		st, err := os.Stat(name)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt([]byte{1, 2, 0, 0}, st.Size()-4)
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := Compression{Method: LZ4}.newWriter(f)
	if err != nil {
		return err
	}
	if _, err := z.Write(make([]byte, 70000)); err != nil {
		return err
	}
	return z.Close()
}

// resumeText is where we would go on, in pg_receivewal's words.
func resumeText(t *testing.T, path string) string {
	t.Helper()
	d, err := Open(Config{Path: path, SegmentSize: testSize, Partial: true})
	require.NoError(t, err)
	defer d.Close()
	tli, lsn, ok := d.Resume()
	require.True(t, ok)
	return fmt.Sprintf("%s (timeline %s)", lsn, tli)
}

// TestPgReceivewalGoesOn hands a directory over in both directions: pg_receivewal begins it, we go on, are killed (the
// Dir is left open), and pg_receivewal goes on. The files are the server's.
func TestPgReceivewalGoesOn(t *testing.T) {
	t.Parallel()
	pgserver.Require(t, 15)
	pgserver.RequireTool(t, "pg_receivewal")
	s := startServer(t)
	path := t.TempDir()
	r := startReceivewal(t, s, path)
	makeWAL(t, s, 2)
	waitFor(t, filepath.Join(path, currentSegment(t, s)+".partial"))
	r.kill()

	d, err := Open(Config{Path: path, SegmentSize: testSize, Partial: true})
	require.NoError(t, err)
	tli, lsn, ok := d.Resume()
	require.True(t, ok)
	makeWAL(t, s, 2)
	require.NoError(t, d.Begin(tli, lsn))
	end := copyFromServer(t, d, s, tli, lsn)
	flushed, err := d.Sync()
	require.NoError(t, err)
	require.Equal(t, end, flushed)

	again := startReceivewal(t, s, path)
	require.Equal(t, fmt.Sprintf("%s (timeline %s)", testSize.RoundDown(end), tli), again.start)
	makeWAL(t, s, 2)
	waitFor(t, filepath.Join(path, currentSegment(t, s)+".partial"))
	again.kill()
	require.NoError(t, d.lock.Close())

	compared := 0
	for _, name := range names(t, path) {
		if !xlog.IsSegmentName(name) {
			continue
		}
		got, err := os.ReadFile(filepath.Join(path, name))
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(s.DataDir, "pg_wal", name))
		require.NoError(t, err)
		require.True(t, string(got) == string(want), name)
		compared++
	}
	require.GreaterOrEqual(t, compared, 5)
	t.Logf("compared %d segments with the server's", compared)
}

// copyFromServer is a receiver without a network: it writes what the server's own files hold up to its position.
func copyFromServer(t *testing.T, d *Dir, s *pgserver.Server, tli xlog.TimelineID, lsn xlog.LSN) xlog.LSN {
	t.Helper()
	end, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	for lsn < end {
		segment, err := os.ReadFile(filepath.Join(s.DataDir, "pg_wal", testSize.Name(tli, testSize.Number(lsn))))
		require.NoError(t, err)
		n := min(int(testSize)-int(testSize.Offset(lsn)), int(end-lsn))
		require.NoError(t, d.Write(lsn, segment[testSize.Offset(lsn):][:n]))
		lsn = lsn.Add(n)
	}
	return end
}
