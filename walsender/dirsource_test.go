// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// fill writes the log into an archive.
func fill(t *testing.T, dir string, compress waldir.Compression, start xlog.LSN, log []byte) {
	t.Helper()
	d, err := waldir.Open(waldir.Config{
		Path: dir, Partial: true, SegmentSize: testSegment, Compress: compress, NoSync: true,
	})
	require.NoError(t, err)
	require.NoError(t, d.Begin(1, start))
	require.NoError(t, d.Write(start, log))
	_, err = d.Sync()
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

// What stands in an archive is sent whatever its files are called, with and without TLS's way of writing.
func TestDirSourceSends(t *testing.T) {
	t.Parallel()
	start, log := testSegment.Start(7), noise(4<<20+4321)
	for _, method := range []waldir.Method{waldir.NoCompression, waldir.Gzip, waldir.LZ4, waldir.Zstd} {
		t.Run(method.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fill(t, dir, waldir.Compression{Method: method}, start, log)
			source, err := NewDirSource(testIdentity(), waldir.Config{Path: dir, Partial: true})
			require.NoError(t, err)
			require.NoError(t, source.SetFlush(1, start.Add(len(log))))
			s := serve(t, Config{Source: source})
			for range 2 {
				require.True(t, bytes.Equal(log, receiveAll(t, s, start, len(log))))
			}
			waitFor(t, "no segment stays open", func() bool {
				s.segments.mu.Lock()
				defer s.segments.mu.Unlock()
				return len(s.segments.open) == 0
			})
		})
	}
}

// receiveAll receives n bytes.
func receiveAll(t *testing.T, s *Server, start xlog.LSN, n int) (got []byte) {
	t.Helper()
	c, conn, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	for len(got) < n {
		var m protocol.XLogData
		require.NoError(t, m.Decode(next(t, c, protocol.TagXLogData)))
		require.Equal(t, start.Add(len(got)), m.Start)
		got = append(got, m.Data...)
	}
	require.NoError(t, conn.Close())
	return got
}

// A file that is shorter than it should be is an error, and nothing of it is sent as log.
func TestDirSourceShortFile(t *testing.T) {
	t.Parallel()
	start, dir := testSegment.Start(7), t.TempDir()
	fill(t, dir, waldir.Compression{}, start, noise(1<<20+100))
	source, err := NewDirSource(testIdentity(), waldir.Config{Path: dir, Partial: true})
	require.NoError(t, err)
	require.NoError(t, source.SetFlush(1, start.Add(5<<20)))
	s := serve(t, Config{Source: source})
	c, _, err := replicate(t, s, protocol.StartReplication{Start: start.Add(1 << 20)})
	require.NoError(t, err)
	for err == nil {
		_, err = c.NextCopy()
	}
	var e *protocol.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, []string{codeDataCorrupted, codeUndefinedFile}, e.Code)
}

// The end of a server's log is where the server says that it is.
func TestDirSourceScan(t *testing.T) {
	pgserver.SomeMajors(t, func(t *testing.T, major int) {
		t.Parallel()
		pg := pgserver.Start(t, pgserver.Options{Major: major})
		pg.SQL(t, "CREATE TABLE t AS SELECT i FROM generate_series(1, 10000) i")
		pg.SQL(t, "SELECT pg_switch_wal()")
		pg.SQL(t, "INSERT INTO t VALUES (1)")
		require.NoError(t, pg.Stop(pgserver.Fast))
		dialect, err := xlog.DialectForVersion(major * 10000)
		require.NoError(t, err)
		id := Identity{SegmentSize: dialect.SegmentSize(), Dialect: dialect, ServerVersion: major * 10000}
		source, err := NewDirSource(id, waldir.Config{Path: filepath.Join(pg.DataDir, "pg_wal")})
		require.NoError(t, err)
		require.NoError(t, source.Scan())
		found := source.Position().Flush
		require.NoError(t, pg.Start())
		started, err := xlog.ParseLSN(pg.Value(t, "SELECT redo_lsn FROM pg_control_checkpoint()"))
		require.NoError(t, err)
		require.LessOrEqual(t, started, found)
		require.Less(t, found.Sub(started), int64(300), "the shutdown checkpoint is the last record")
	})
}
