// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
)

//go:embed testdata/workload.sql
var workload string

// walServer is a server that keeps all its log.
type walServer struct {
	*pgserver.Server
	dialect *xlog.Dialect
	size    xlog.SegmentSize
}

// startServer starts a server of which every record stays on disk.
func startServer(t *testing.T, major, segmentMB int, settings map[string]string) *walServer {
	all := map[string]string{
		"max_wal_size": "20GB", "wal_level": "logical", "max_prepared_transactions": "5", "autovacuum": "off",
		"track_commit_timestamp": "on", "checkpoint_timeout": "1h",
	}
	if all["wal_keep_size"] = "20GB"; major == 12 {
		delete(all, "wal_keep_size")
		all["wal_keep_segments"] = "20000"
	}
	for k, v := range settings {
		all[k] = v
	}
	d, err := xlog.DialectForVersion(major * 10000)
	require.NoError(t, err)
	s := pgserver.Start(t, pgserver.Options{Major: major, WALSegmentMB: segmentMB, Settings: all})
	return &walServer{Server: s, dialect: d, size: xlog.SegmentSize(segmentMB * mib)}
}

// load runs the workload.
func (s *walServer) load(t *testing.T, scale int) { s.loadSQL(t, workload, scale) }

// loadSQL runs statements one by one: VACUUM may not be in a transaction with others.
func (s *walServer) loadSQL(t *testing.T, script string, scale int) {
	ctx := context.Background()
	conn, err := s.Connect(ctx)
	require.NoError(t, err)
	defer conn.Close(ctx)
	for _, sql := range strings.Split(strings.ReplaceAll(script, ":scale", strconv.Itoa(scale)), ";\n") {
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err, sql)
	}
}

// pgbench runs clients that write at the same time, so that records of several transactions mix.
func (s *walServer) pgbench(t *testing.T, transactions int) {
	for _, args := range [][]string{
		{"-i", "-s", "2", "-q"},
		{"-n", "-c", "8", "-j", "2", "-t", strconv.Itoa(transactions / 8)},
	} {
		args = append(args, "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "postgres")
		out, err := s.Command(context.Background(), "pgbench", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// multixacts makes two transactions lock the same rows.
func (s *walServer) multixacts(t *testing.T) {
	ctx := context.Background()
	var conns [2]*pgx.Conn
	for i := range conns {
		var err error
		conns[i], err = s.Connect(ctx)
		require.NoError(t, err)
		defer conns[i].Close(ctx)
		_, err = conns[i].Exec(ctx, "BEGIN")
		require.NoError(t, err)
		_, err = conns[i].Exec(ctx, "SELECT * FROM parent FOR KEY SHARE")
		require.NoError(t, err)
	}
	for _, c := range conns {
		_, err := c.Exec(ctx, "COMMIT")
		require.NoError(t, err)
	}
}

func (s *walServer) pgWAL() string { return filepath.Join(s.DataDir, "pg_wal") }

// firstLSN is the begin of the oldest segment.
func (s *walServer) firstLSN(t *testing.T) xlog.LSN {
	names, err := filepath.Glob(filepath.Join(s.pgWAL(), "00000001*"))
	require.NoError(t, err)
	_, n, err := s.size.ParseName(filepath.Base(names[0]))
	require.NoError(t, err)
	return s.size.Start(n)
}

func (s *walServer) config(t *testing.T) xlog.ReaderConfig {
	src := xlog.NewDirSource(s.pgWAL(), s.size)
	t.Cleanup(func() { src.Close() })
	return xlog.ReaderConfig{
		Dialect: s.dialect, SegmentSize: s.size, History: xlog.History{Timeline: 1}, Source: src, Start: s.firstLSN(t),
	}
}

func (s *walServer) flushLSN(t *testing.T) xlog.LSN {
	lsn, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	return lsn
}

// TestServerWaldump15 compares every record of a big mixed log with pg_waldump's text, and the sums with its --stats.
func TestServerWaldump15(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	pgserver.RequireTool(t, "pg_waldump")
	for _, c := range []struct {
		segmentMB, scale int
		settings         map[string]string
	}{
		{16, 20000, nil},
		{1, 5000, map[string]string{"wal_compression": "lz4"}},
		{64, 5000, map[string]string{"wal_compression": "zstd", "wal_consistency_checking": "all"}},
		{16, 5000, map[string]string{"wal_compression": "pglz", "full_page_writes": "off"}},
	} {
		t.Run(fmt.Sprintf("%dMB %v", c.segmentMB, c.settings), func(t *testing.T) {
			s := startServer(t, 15, c.segmentMB, c.settings)
			s.load(t, c.scale)
			s.multixacts(t)
			s.pgbench(t, c.scale/4)
			require.NoError(t, s.Stop(pgserver.Fast))
			compareWithTool(t, s)
			verifyInPieces(t, s)
		})
	}
}

// compareWithTool runs pg_waldump three times: text, details, sums.
func compareWithTool(t *testing.T, s *walServer) {
	cfg := s.config(t)
	run := func(args ...string) (out, said []byte) {
		args = append(args, "-p", s.pgWAL(), "-s", cfg.Start.String())
		cmd := s.Command(context.Background(), "pg_waldump", args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run() // the end of the log is an error to it
		return stdout.Bytes(), stderr.Bytes()
	}
	text, said := run()
	sum, err := compareWaldump(t, xlog.NewReader(cfg), bytes.NewReader(text), func(*xlog.Record) bool { return false })
	requireEnd(t, err, xlog.ErrZeroed, sum.last)
	require.Equal(t, saidEnd(t, said), sum.last, "%s", said)
	require.Greater(t, sum.records, 20000)

	details, _ := run("--bkp-details")
	detailed := compareDetails(t, xlog.NewReader(cfg), bytes.NewReader(details))
	require.Equal(t, sum, detailed)

	stats, _ := run("--stats")
	require.Equal(t, sum, statsTally(t, stats, sum))
	t.Logf("%d records, %d blocks, %d MB of records and %d MB of images up to %s: each equal to pg_waldump's",
		sum.records, sum.blocks, sum.bytes>>20, sum.images>>20, sum.last)
}

// saidEnd is where pg_waldump says that the log ends.
func saidEnd(t *testing.T, said []byte) xlog.LSN {
	m := regexp.MustCompile(`(?:invalid record length at|missing contrecord at) ([0-9A-F]+/[0-9A-F]+)`).FindSubmatch(said)
	require.NotNil(t, m, "%s", said)
	lsn, err := xlog.ParseLSN(string(m[1]))
	require.NoError(t, err)
	return lsn
}

// statsTally reads the line of totals: "Total 43 3456 [12.34%] 5678 [87.66%] 9134 [100%]".
func statsTally(t *testing.T, stats []byte, sum tally) tally {
	m := regexp.MustCompile(`(?m)^Total\s+(\d+)\s+(\d+) \[[^]]*\]\s+(\d+) \[`).FindSubmatch(stats)
	require.NotNil(t, m, "%s", stats)
	sum.records, _ = strconv.Atoi(string(m[1]))
	sum.bytes, _ = strconv.Atoi(string(m[2]))
	sum.images, _ = strconv.Atoi(string(m[3]))
	return sum
}

// verifyInPieces passes the same log through a Verifier.
func verifyInPieces(t *testing.T, s *walServer) {
	cfg := s.config(t)
	last, err := lastRecord(cfg)
	requireEnd(t, err, xlog.ErrZeroed, last.End)
	v := xlog.NewVerifier(cfg)
	rnd := rand.New(rand.NewPCG(1, 1))
	piece := make([]byte, 128<<10)
	for lsn := cfg.Start; lsn < last.End; {
		n := min(len(piece), pieceLength(rnd), int(last.End-lsn), int(s.size)-int(s.size.Offset(lsn)))
		n, err := cfg.Source.ReadAt(1, piece[:n], lsn)
		require.NoError(t, err)
		_, err = v.Verify(lsn, piece[:n])
		require.NoError(t, err)
		lsn = lsn.Add(n)
	}
	require.Equal(t, last.End, v.End())
}

func lastRecord(cfg xlog.ReaderConfig) (*xlog.Record, error) {
	r := xlog.NewReader(cfg)
	var last xlog.Record
	for {
		rec, err := r.Next()
		if err != nil {
			return &last, err
		}
		last = *rec
		last.Raw = nil
	}
}

// TestServerVersions walks over the logs of every version, with small and large segments, up to and beyond the flush
// position the server gives, and compares with pg_walinspect where the server has it.
func TestServerVersions(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		for _, segmentMB := range []int{1, 64} {
			t.Run(fmt.Sprintf("%d MB", segmentMB), func(t *testing.T) {
				s := startServer(t, major, segmentMB, compressionSettings(major, segmentMB))
				s.load(t, 2000)
				s.multixacts(t)
				checkVersion(t, s)
			})
		}
	})
}

// compressionSettings: the methods beside pglz are not built into every binary.
func compressionSettings(major, segmentMB int) map[string]string {
	switch {
	case major < 15:
		return map[string]string{"wal_compression": "on"}
	case segmentMB == 1:
		return map[string]string{"wal_compression": "pglz"}
	}
	return map[string]string{"wal_compression": "pglz", "wal_consistency_checking": "all"}
}

func checkVersion(t *testing.T, s *walServer) {
	cfg := s.config(t)
	flush := s.flushLSN(t)
	var want []string
	if s.Major >= 15 { // its functions came with 15
		want = inspect(t, s, cfg.Start, flush)
	}
	require.NoError(t, s.Stop(pgserver.Fast))

	r := xlog.NewReader(cfg)
	var sum tally
	var body xlog.Body
	var last *xlog.Record
	for {
		rec, err := r.Next()
		if err != nil {
			requireEnd(t, err, xlog.ErrZeroed, sum.last)
			break
		}
		require.NoError(t, rec.Decode(&body))
		if sum.records < len(want) {
			require.Equal(t, want[sum.records], inspected(rec, &body))
		}
		sum.add(rec, &body)
		last = rec.Clone()
	}
	require.GreaterOrEqual(t, sum.last, flush)
	require.Greater(t, sum.records, 20000)
	require.GreaterOrEqual(t, sum.records, len(want))
	require.True(t, last.Rmgr == xlog.RmXLOG && last.RmgrInfo() == 0, "a shutdown checkpoint ends the log")
	t.Logf("%d records, %d blocks up to %s, %d of them equal to pg_walinspect's", sum.records, sum.blocks, sum.last, len(want))
}

// inspect asks the server for all its records up to end, one line for each.
func inspect(t *testing.T, s *walServer, start, end xlog.LSN) []string {
	s.SQL(t, "CREATE EXTENSION IF NOT EXISTS pg_walinspect")
	rows := s.SQL(t, `SELECT concat_ws(' ', start_lsn, end_lsn, prev_lsn, xid, resource_manager, record_length,
		main_data_length, fpi_length, block_ref) FROM pg_get_wal_records_info($1::pg_lsn, $2::pg_lsn)`,
		start.Add(40).String(), end.String())
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = strings.Join(strings.Fields(row[0]), " ") // the block references may come with a space or two around
	}
	require.NotEmpty(t, lines)
	return lines
}

// inspected is the line that pg_walinspect would print of the record.
func inspected(rec *xlog.Record, body *xlog.Body) string {
	images := 0
	var blocks []string
	for i := range body.Blocks {
		images += len(body.Blocks[i].Image.Data)
		blocks = append(blocks, blockDetails(rec.Dialect(), &body.Blocks[i]))
	}
	line := fmt.Sprintf("%s %s %s %d %s %d %d %d", rec.LSN, rec.End, rec.Prev, rec.XID,
		rec.Dialect().RmgrName(rec.Rmgr), rec.TotalLen, len(body.Main), images)
	if len(blocks) > 0 {
		line += " " + strings.Join(blocks, " ")
	}
	return line
}

// recycledAhead tells whether the segments after the present one were used before.
func (s *walServer) recycledAhead(t *testing.T) bool {
	at, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_insert_lsn()"))
	require.NoError(t, err)
	for n := xlog.SegmentNumber(1); n <= 2; n++ { // the log may move on to the next one yet
		page := make([]byte, 8192)
		f, err := os.Open(filepath.Join(s.pgWAL(), s.size.Name(1, s.size.Number(at)+n)))
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		require.NoError(t, err)
		_, err = io.ReadFull(f, page)
		require.NoError(t, errors.Join(err, f.Close()))
		if bytes.Equal(page, make([]byte, 8192)) {
			return false
		}
	}
	return true
}

// TestServerRecycled reads the log of a server that has recycled segments: behind its end are pages of an earlier time.
func TestServerRecycled(t *testing.T) {
	t.Parallel()
	s := startServer(t, 15, 1, map[string]string{"wal_keep_size": "0", "min_wal_size": "5MB", "max_wal_size": "8MB"})
	s.SQL(t, "CREATE TABLE t (a text)")
	require.Eventually(t, func() bool {
		s.SQL(t, "INSERT INTO t SELECT repeat('r', 500) FROM generate_series(1, 10000)")
		s.SQL(t, "CHECKPOINT")
		return s.recycledAhead(t)
	}, time.Minute, time.Millisecond, "no segment was recycled")
	require.NoError(t, s.Kill())
	cfg := s.config(t)
	last, err := lastRecord(cfg)
	requireEnd(t, err, xlog.ErrZeroed, last.End)

	// Where the log goes on into a recycled segment, that segment's old pages end it.
	cfg.Start = s.size.Start(s.size.Number(last.End) + 1)
	_, err = xlog.NewReader(cfg).Next()
	requireEnd(t, err, xlog.ErrZeroed, cfg.Start)
	require.ErrorContains(t, err, "unexpected pageaddr")
}
