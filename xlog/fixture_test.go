// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

var update = flag.Bool("update", false, "record testdata/pg*.zst anew from real servers")

// The fixtures: some WAL of a server, pgN.wal.zst, and beside it what PostgreSQL's own tools say of it: pg_waldump's
// text of 15, and a line for each record from pg_walinspect of 15 to 18.
//
//	go test ./xlog -run TestFixtures -update
func TestFixtures(t *testing.T) {
	for _, major := range []int{15, 16, 17, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			if *update {
				recordFixture(t, major)
			}
			cfg := fixtureConfig(t, major)
			lines := strings.Split(strings.TrimSpace(string(xlogtest.Unzstd(t, fixtureName(major, "walinspect")))), "\n")
			r := xlog.NewReader(cfg)
			var body xlog.Body
			var end xlog.LSN
			for _, line := range lines {
				rec, err := r.Next()
				require.NoError(t, err)
				require.NoError(t, rec.Decode(&body))
				require.Equal(t, line, inspected(rec, &body))
				end = rec.End
			}
			_, err := r.Next()
			requireEnd(t, err, xlog.ErrZeroed, end)
			require.Greater(t, len(lines), 1000)
			t.Logf("%d records equal to pg_walinspect's", len(lines))
		})
	}
	t.Run("pg_waldump", func(t *testing.T) {
		text := bytes.NewReader(xlogtest.Unzstd(t, fixtureName(15, "waldump")))
		sum, err := compareWaldump(t, xlog.NewReader(fixtureConfig(t, 15)), text, func(*xlog.Record) bool { return false })
		requireEnd(t, err, xlog.ErrZeroed, sum.last)
		require.Greater(t, sum.records, 1000)
		t.Logf("%d records equal to pg_waldump's", sum.records)
	})
}

func fixtureName(major int, kind string) string {
	return filepath.Join("testdata", fmt.Sprintf("pg%d.%s.zst", major, kind))
}

// fixtureConfig reads a fixture, whose first page says where it is.
func fixtureConfig(t testing.TB, major int) xlog.ReaderConfig {
	data := xlogtest.Unzstd(t, fixtureName(major, "wal"))
	var h xlog.PageHeader
	require.NoError(t, h.Decode(data))
	d, err := xlog.DialectForVersion(major * 10000)
	require.NoError(t, err)
	files := xlogtest.Files{}
	for lsn := h.Address; len(data) > 0; lsn = lsn.Add(int(h.SegmentSize)) {
		n := min(len(data), int(h.SegmentSize))
		files[h.SegmentSize.Name(1, h.SegmentSize.Number(lsn))] = data[:n]
		data = data[n:]
	}
	return xlog.ReaderConfig{
		Dialect: d, SegmentSize: h.SegmentSize, SystemID: h.SystemID, History: xlog.History{Timeline: 1},
		Source: files.Source(h.SegmentSize), Start: h.Address,
	}
}

// recordFixture runs a small load, without what makes much WAL that cannot be compressed.
func recordFixture(t *testing.T, major int) {
	s := startServer(t, major, 1, map[string]string{"full_page_writes": "off"})
	s.SQL(t, "CREATE EXTENSION pg_walinspect")
	s.SQL(t, "SELECT pg_switch_wal()")
	start := s.size.RoundDown(s.flushLSN(t) + xlog.LSN(s.size) - 1)
	small := workload[:strings.Index(workload, "REINDEX")]
	s.loadSQL(t, small, 100)
	s.multixacts(t)
	end := s.flushLSN(t)
	writeFixture(t, major, "walinspect", []byte(strings.Join(inspect(t, s, start, end), "\n")))
	if major == 15 {
		args := []string{"-p", s.pgWAL(), "-s", start.String(), "-e", end.String()}
		text, err := s.Command(context.Background(), "pg_waldump", args...).Output()
		require.NoError(t, err)
		writeFixture(t, major, "waldump", text)
	}
	writeFixture(t, major, "wal", readWAL(t, s, start, end))
}

// readWAL is the log from start to end.
func readWAL(t *testing.T, s *walServer, start, end xlog.LSN) []byte {
	src := xlog.NewDirSource(s.pgWAL(), s.size)
	defer src.Close()
	var data []byte
	for lsn := start; lsn < end; lsn += xlog.LSN(s.size) {
		part := make([]byte, min(int(s.size), int(end-lsn)))
		_, err := src.ReadAt(1, part, lsn)
		require.NoError(t, err)
		data = append(data, part...)
	}
	return data
}

func writeFixture(t *testing.T, major int, kind string, data []byte) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, os.WriteFile(fixtureName(major, kind), w.EncodeAll(data, nil), 0o644))
}
