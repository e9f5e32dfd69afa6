// SPDX-License-Identifier: Apache-2.0

package bufpage_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// imagesSQL makes full-page images of every kind of page. The index's come when its pages are final.
const imagesSQL = `CREATE TABLE t (a int, b text);
	INSERT INTO t SELECT i, repeat(md5(i::text), 1 + i % 9) FROM generate_series(1, 3000) i;
	CREATE TABLE u AS SELECT * FROM t; CREATE INDEX final ON u (a, b);
	CREATE INDEX ON t USING gin (to_tsvector('simple', b)); CREATE INDEX ON t USING hash (a);
	CREATE INDEX ON t USING brin (a); CREATE INDEX ON t USING spgist (b);
	CHECKPOINT;
	UPDATE t SET a = a + 1 WHERE a % 7 = 0;
	CHECKPOINT`

// TestIndexPages restores the images that the building of an index wrote, and compares them with the pages in its
// file, which differ by no more than the position of the change, and by what the file has left in the hole.
func TestIndexPages(t *testing.T) {
	for _, major := range []int{12, 13, 14, 15, 16, 17, 18} {
		for _, method := range []string{"off", "pglz", "lz4", "zstd"} {
			if major < 15 && method != "off" && method != "pglz" || testing.Short() && major != 15 {
				continue
			}
			t.Run(fmt.Sprintf("%d/%s", major, method), func(t *testing.T) {
				s := startImages(t, major, method)
				file, err := os.ReadFile(filepath.Join(s.DataDir, s.Value(t, "SELECT pg_relation_filepath('final')")))
				require.NoError(t, err)
				node := s.Value(t, "SELECT pg_relation_filenode('final')")
				counts := map[xlog.Compression]int{}
				final := 0
				s.each(t, func(rec *xlog.Record, blk *xlog.BlockRef, page []byte) {
					counts[blk.Image.Compression]++
					if blk.Fork != xlog.MainFork || fmt.Sprint(blk.Rel.RelNumber) != node || rec.Rmgr != xlog.RmXLOG {
						return
					}
					want := file[int(blk.Block)*len(page):][:len(page)]
					bufpage.SetLSN(page, bufpage.LSN(want))
					copy(page[8:10], want[8:10])
					clear(want[blk.Image.HoleOffset:][:blk.Image.HoleLength])
					require.True(t, bytes.Equal(want, page), "block %d", blk.Block)
					final++
				})
				if major >= 15 {
					s.compareWalinspect(t)
				}
				require.NotZero(t, final)
				if method != "off" {
					require.NotZero(t, counts[map[string]xlog.Compression{
						"pglz": xlog.PGLZ, "lz4": xlog.LZ4, "zstd": xlog.Zstd}[method]])
				}
				t.Logf("images restored: %v; %d equal to the file's pages", counts, final)
			})
		}
	}
}

type imageServer struct {
	*walload.Load
	major int
	from  string
}

func startImages(t *testing.T, major int, method string) *imageServer {
	pgserver.Require(t, major)
	d, err := xlog.DialectForVersion(major * 10000)
	require.NoError(t, err)
	compression := method
	if major < 15 && method == "pglz" {
		compression = "on"
	}
	settings := map[string]string{"wal_compression": compression, "autovacuum": "off", "wal_keep_size": "1GB"}
	if major == 12 {
		delete(settings, "wal_keep_size")
		settings["wal_keep_segments"] = "1000"
	}
	s, err := pgserver.New(context.Background(), pgserver.Options{
		Major: major, WALSegmentMB: 1, NoChecksums: true, Settings: settings,
	})
	if err != nil && (method == "lz4" || method == "zstd") && major != pgserver.DefaultMajor {
		t.Skipf("this build of version %d has not got %s", major, method)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	load := &walload.Load{Server: s, Dialect: d, SegmentSize: 1 << 20}
	from := s.Value(t, "SELECT pg_current_wal_insert_lsn()")
	load.Begin, err = xlog.ParseLSN(from)
	require.NoError(t, err)
	for _, sql := range strings.Split(imagesSQL, ";") {
		s.SQL(t, sql)
	}
	return &imageServer{load, major, from}
}

// each restores and checks every image of the log.
func (s *imageServer) each(t *testing.T, use func(*xlog.Record, *xlog.BlockRef, []byte)) {
	eachImage(t, s.Config(t), use)
}

func eachImage(t *testing.T, cfg xlog.ReaderConfig, use func(*xlog.Record, *xlog.BlockRef, []byte)) {
	page := make([]byte, cfg.Dialect.BlockSize())
	r := xlog.NewReader(cfg)
	var body xlog.Body
	for {
		rec, err := r.Next()
		if errors.Is(err, xlog.ErrZeroed) || errors.Is(err, xlog.ErrTorn) {
			return
		}
		require.NoError(t, err)
		require.NoError(t, rec.Decode(&body))
		for i := range body.Blocks {
			if blk := &body.Blocks[i]; blk.HasImage() {
				require.NoError(t, bufpage.RestoreImage(page, &blk.Image), "record at %s", rec.LSN)
				require.NoError(t, bufpage.Check(page), "record at %s", rec.LSN)
				use(rec, blk, page)
			}
		}
	}
}

// compareWalinspect compares every image with what the server's extension pg_walinspect restores.
func (s *imageServer) compareWalinspect(t *testing.T) {
	if s.major < 16 {
		return
	}
	s.SQL(t, "CREATE EXTENSION pg_walinspect")
	want := map[string]string{}
	rows, err := s.Query(context.Background(), `SELECT start_lsn, block_id, encode(block_fpi_data, 'hex')
		FROM pg_get_wal_block_info($1::pg_lsn, pg_current_wal_flush_lsn()) WHERE block_fpi_data IS NOT NULL`, s.from)
	require.NoError(t, err)
	for _, row := range rows {
		want[row[0]+" "+row[1]] = row[2]
	}
	compared := 0
	s.each(t, func(rec *xlog.Record, blk *xlog.BlockRef, page []byte) {
		if image, ok := want[fmt.Sprintf("%s %d", rec.LSN, blk.ID)]; ok {
			require.Equal(t, image, hex.EncodeToString(page))
			compared++
		}
	})
	require.NotZero(t, compared)
	require.Len(t, want, compared)
	t.Logf("%d images equal to pg_walinspect's", compared)
}

// TestGreenplumImages restores every image of a recorded Greenplum that compressed them.
func TestGreenplumImages(t *testing.T) {
	for _, name := range []string{"gp7dev-walcompression", "gp7dev-consistency"} {
		set := xlogtest.GreenplumRecording(t, name)
		counts := map[xlog.Compression]int{}
		checked := 0
		eachImage(t, set.Config(t, set.Begin), func(_ *xlog.Record, blk *xlog.BlockRef, _ []byte) {
			counts[blk.Image.Compression]++
			if !blk.Image.Apply {
				checked++
			}
		})
		t.Logf("%s: images restored: %v, %d of them for comparison only", name, counts, checked)
		require.NotEmpty(t, counts)
		require.True(t, name != "gp7dev-walcompression" || counts[xlog.Zstd] > 0)
		require.True(t, name != "gp7dev-consistency" || checked > 0)
	}
}
