// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// TestTarHeaders: what Go's own reader makes of our headers.
func TestTarHeaders(t *testing.T) {
	t.Parallel()
	when := time.Unix(1700000000, 0)
	members := []tarMember{
		{name: "base", dir: true, mode: 0o700, mtime: when},
		{name: "pg_tblspc/16384", link: "/srv/space", mode: fs.ModeSymlink | 0o777, mtime: when},
		{name: strings.Repeat("x", tarNameMax), mode: 0o640, size: 1000, mtime: when},
		{name: strings.Repeat("d", tarNameMax), dir: true, mode: 0o750, mtime: when},
		{name: "empty", mode: 0o600, mtime: when},
	}
	var b bytes.Buffer
	count := 0
	w := tarWriter{w: &b, count: func(n int) { count += n }}
	for _, m := range members {
		require.NoError(t, w.begin(m))
		require.NoError(t, w.pad(m.size+tarPadding(m.size)))
	}
	require.Equal(t, b.Len(), count)
	require.NoError(t, w.pad(2*tarBlock))
	r := tar.NewReader(&b)
	for _, m := range members {
		h, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, m.name[:min(len(m.name), tarNameMax-1)], strings.TrimSuffix(h.Name, "/")[:min(len(m.name), tarNameMax-1)])
		require.Equal(t, m.link, h.Linkname)
		require.Equal(t, m.dir, h.Typeflag == tar.TypeDir)
		require.Equal(t, m.size, h.Size)
		require.Equal(t, int64(m.mode.Perm()), h.Mode)
		require.True(t, when.Equal(h.ModTime))
	}
	_, err := r.Next()
	require.Equal(t, io.EOF, err)
	require.ErrorContains(t, w.begin(tarMember{name: strings.Repeat("x", 100)}), "file name too long for tar format")
	require.ErrorContains(t, w.begin(tarMember{name: "l", link: strings.Repeat("x", 100)}), "symbolic link target too long")
}

// TestTarLargeFile: sizes from 8 GiB on are in base 256.
func TestTarLargeFile(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1<<33 - 1, 1 << 33, 1<<40 + 12345} {
		var b bytes.Buffer
		w := tarWriter{w: &b, count: func(int) {}}
		require.NoError(t, w.begin(tarMember{name: "large", size: size}))
		h, err := tar.NewReader(&b).Next()
		require.NoError(t, err)
		require.Equal(t, size, h.Size)
	}
}

// TestExcluded: which files of a data directory come along.
func TestExcluded(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for name := range strings.FieldsSeq(`PG_VERSION global/pg_control global/1262 global/pg_internal.init global/pg_filenode.map
		base/5/1259 base/5/1259_fsm base/5/1259.1 base/5/16400 base/5/16400_init base/5/16400_fsm base/5/16400.1
		base/5/t3_16500 base/5/t3_16500_vm.2 base/5/tables base/5/pg_internal.init.123 base/pgsql_tmp/pgsql_tmp1.0
		pg_wal/000000010000000000000001 pg_replslot/s/state pg_stat_tmp/x pg_subtrans/0000 pg_notify/0000 pg_xact/0000
		postmaster.pid postmaster.opts backup_label backup_label.old tablespace_map backup_manifest postgresql.auto.conf
		postgresql.auto.conf.tmp walmirror.status walmirror.slots/s standby.signal log/x inside/PG_15_202209061/5/1
		pg_tblspc/16390/PG_15_202209061/5/16401 pg_tblspc/16390/PG_15_202209061/5/t1_1 .DS_Store left/out`) {
		files[name] = &fstest.MapFile{Data: []byte("x"), Mode: 0o600}
	}
	var got []string
	total := int64(0)
	size := backupSize(&total)
	w := backupWalk{
		ctx: t.Context(), files: files, main: true, wal: []string{archiveStatus}, exclude: []string{"./left"},
		spaces: []BackupTablespace{{OID: 1, Inside: "inside"}},
		visit: func(m backupMember) error {
			if m.dir {
				m.name += "/"
			}
			got = append(got, m.name)
			return size(m)
		},
	}
	require.NoError(t, w.dir("."))
	want := strings.Fields(`PG_VERSION backup_label.old base/ base/5/ base/5/1259 base/5/1259.1 base/5/1259_fsm
		base/5/16400_init base/5/tables global/ global/1262 global/pg_filenode.map inside/ log/ log/x pg_notify/ pg_replslot/
		pg_stat_tmp/ pg_subtrans/ pg_tblspc/ pg_tblspc/16390/ pg_tblspc/16390/PG_15_202209061/
		pg_tblspc/16390/PG_15_202209061/5/ pg_tblspc/16390/PG_15_202209061/5/16401 pg_wal/ pg_wal/archive_status/
		pg_xact/ pg_xact/0000 postgresql.auto.conf standby.signal`)
	require.Equal(t, want, got)
	plain := slices.DeleteFunc(want, func(name string) bool { return strings.HasSuffix(name, "/") })
	require.EqualValues(t, len(got)*tarBlock+len(plain)*tarBlock, total)
	for f, empty := range map[xlog.Flavour]bool{xlog.PostgreSQL: false, xlog.Greenplum: true, xlog.Cloudberry: true} {
		require.Equal(t, empty, sentEmpty("log", f))
	}
}

func TestParseCompression(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, detail string
		want           compression
		err            string
	}{
		{"", "", compression{}, ""},
		{"none", "", compression{}, ""},
		{"none", "0", compression{}, ""},
		{"none", "1", compression{}, `compression algorithm "none" does not accept a compression level`},
		{"gzip", "9", compression{method: "gzip", level: 9}, ""},
		{"gzip", "level=3", compression{method: "gzip", level: 3}, ""},
		{"gzip", "10", compression{}, `expects a compression level between 1 and 9`},
		{"gzip", "workers=1", compression{}, `compression algorithm "gzip" does not accept a worker count`},
		{"gzip", "long", compression{}, `does not support long-distance mode`},
		{"gzip", "level", compression{}, `compression option "level" requires a value`},
		{"gzip", "level=high", compression{}, `value for compression option "level" must be an integer`},
		{"gzip", "level=1,", compression{}, `found empty string where a compression option was expected`},
		{"lz4", "12", compression{method: "lz4", level: 12}, ""},
		{"zstd", "-5", compression{method: "zstd", level: -5}, ""},
		{"zstd", "level=3,workers=4,long", compression{method: "zstd", level: 3, workers: 4, long: true}, ""},
		{"zstd", "long=off", compression{method: "zstd"}, ""},
		{"zstd", "long=maybe", compression{}, `must be a Boolean value`},
		{"brotli", "", compression{}, `unrecognized compression algorithm: "brotli"`},
	} {
		got, err := parseCompression(test.method, test.detail)
		if test.err != "" {
			require.ErrorContains(t, err, test.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, test.want, got)
	}
}

func TestCompressionLevels(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat(append([]byte(strings.Repeat("walmirror ", 1000)), make([]byte, 50000)...), 10)
	readers := map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"lz4":  func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	for method, limits := range levels {
		for _, level := range []int{0, limits[0], 1, 9, limits[1]} {
			var b bytes.Buffer
			c := compression{method: method, level: level, workers: 1000, long: method == "zstd"}
			z, err := c.writer(&b)
			require.NoError(t, err)
			_, err = z.Write(data)
			require.NoError(t, err)
			require.NoError(t, z.Close())
			require.Less(t, b.Len(), len(data)/10)
			r, err := readers[method](&b)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got), "%s %d", method, level)
		}
	}
}

// TestManifest: the reader of manifests takes ours, of every version and checksum, with names of every kind.
func TestManifest(t *testing.T) {
	t.Parallel()
	names := []string{"base/1/1259", "od\"d \\ n\name\x01", "not UTF-8 \xff"}
	for _, major := range []int{13, 16, 17, 0} {
		for algorithm, newHash := range checksums {
			m, err := newManifest(&backupOptions{checksum: algorithm}, major, 1234567890123456789)
			require.NoError(t, err)
			for _, name := range names {
				sum := newHash()
				if sum != nil {
					sum.Write([]byte(name))
				}
				m.add(name, int64(len(name)), time.Unix(1700000000, 0), sum)
			}
			require.NoError(t, m.ranges(protocol.Position{LSN: 0x1000, Timeline: 2}, 0x9000, 5, xlog.History{
				Timeline: 5, Ancestors: []xlog.Switch{{Timeline: 1, LSN: 0x500}, {Timeline: 2, LSN: 0x3000}, {Timeline: 4, LSN: 0x7000}},
			}))
			got := sentManifest(t, m)
			read, err := walreceiver.ReadManifest(bytes.NewReader(got), func(f walreceiver.ManifestFile) error {
				require.Equal(t, names[0], f.Path)
				names = append(names[1:], f.Path)
				require.EqualValues(t, len(f.Path), f.Size)
				require.Equal(t, algorithm, string(f.Algorithm))
				return nil
			})
			require.NoError(t, err, "%s", got)
			require.Equal(t, len(names), read.Files)
			require.Equal(t, []walreceiver.WALRange{
				{Timeline: 5, Start: 0x7000, End: 0x9000}, {Timeline: 4, Start: 0x3000, End: 0x7000},
				{Timeline: 2, Start: 0x1000, End: 0x3000},
			}, read.WALRanges)
			if major == 17 || major == 0 {
				require.EqualValues(t, 1234567890123456789, read.SystemID)
			}
		}
	}
}

// sentManifest is a manifest as it is sent, without its messages.
func sentManifest(t *testing.T, m *manifest) []byte {
	t.Helper()
	defer m.close()
	require.NoError(t, m.out.Flush())
	text, err := io.ReadAll(io.NewSectionReader(m.file, 0, 1<<20))
	require.NoError(t, err)
	require.Equal(t, sha256.New().Size(), m.sum.Size())
	return append(text, []byte("\"Manifest-Checksum\": \""+hexOf(m.sum.Sum(nil))+"\"}\n")...)
}

func hexOf(p []byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range p {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func TestManifestWithoutHistory(t *testing.T) {
	t.Parallel()
	m, err := newManifest(&backupOptions{checksum: "NONE"}, 15, 1)
	require.NoError(t, err)
	defer m.close()
	err = m.ranges(protocol.Position{LSN: 1, Timeline: 1}, 2, 3, xlog.History{Timeline: 3})
	require.ErrorContains(t, err, "start timeline 1 not found in history of timeline 3")
}

// TestThrottle: a rate is kept, and waiting ends with the command.
func TestThrottle(t *testing.T) {
	t.Parallel()
	limit := newThrottle(1024) // 128 KiB in an eighth of a second
	begin := time.Now()
	for range 16 {
		require.NoError(t, limit.wait(t.Context(), 32<<10))
	}
	require.GreaterOrEqual(t, time.Since(begin), 490*time.Millisecond)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errQueryCanceled)
	require.Equal(t, errQueryCanceled, newThrottle(32).wait(ctx, 1<<20))
	require.NoError(t, newThrottle(0).wait(ctx, 1<<20), "no limit")
}

// TestHolds: the log is kept from the oldest position on that a backup needs.
func TestHolds(t *testing.T) {
	t.Parallel()
	var h logHolds
	none := h.oldest()
	a, b := h.hold(300), h.hold(200)
	require.Equal(t, xlog.LSN(200), h.oldest())
	b()
	require.Equal(t, xlog.LSN(300), h.oldest())
	a()
	require.Equal(t, none, h.oldest())

	source := NewMemSource(testIdentity(), 1, testSegment.Start(7))
	source.Append(make([]byte, 5<<20))
	s := serve(t, Config{Source: source})
	release := s.holds.hold(testSegment.Start(8).Add(100))
	keep, err := s.Retain(testSegment.Start(11))
	require.NoError(t, err)
	require.Equal(t, testSegment.Start(8), keep)
	release()
	keep, err = s.Retain(testSegment.Start(11))
	require.NoError(t, err)
	require.Equal(t, testSegment.Start(11), keep)
}

// TestTornPage: a page that was torn when it was read is read again.
func TestTornPage(t *testing.T) {
	t.Parallel()
	page := make(bufpage.Page, 8192)
	page.Init(0, 4)
	page.SetLSN(100)
	page.SetChecksum(131072 + 2)
	var told []string
	warn := func(e *protocol.Error) { told = append(told, e.Message) }
	c := pageChecker{blockSize: 8192, segment: 131072, start: 200, warn: warn}
	disk := append(make([]byte, 2*8192), page...)
	read := slices.Clone(disk)
	read[2*8192+8000]++
	files := fstest.MapFS{"base/5/1259.1": {Data: disk}}
	f, err := files.Open("base/5/1259.1")
	require.NoError(t, err)
	require.NoError(t, c.file("base/5/1259.1", f).pages(read))
	require.Equal(t, disk, read)
	require.Empty(t, told)
	require.NoError(t, c.result())

	disk[2*8192+8000]++
	require.NoError(t, c.file("base/5/1259.1", f).pages(slices.Clone(disk)))
	require.Len(t, told, 1)
	require.Contains(t, told[0], `in file "./base/5/1259.1", block 2`)
	require.ErrorContains(t, c.result(), "checksum verification failure")

	bufpage.Page(disk[2*8192:]).SetLSN(200)
	require.NoError(t, c.file("base/5/1259.1", f).pages(disk), "the log has this page")
	require.Len(t, told, 1)
	require.Nil(t, c.file("PG_VERSION", f))
}

// TestTablespaceOfGreenplum: clients are told locations without the directory of this instance.
func TestTablespaceOfGreenplum(t *testing.T) {
	t.Parallel()
	d, err := xlog.DialectForServer(xlog.Greenplum, 120012)
	require.NoError(t, err)
	b := dirBackup{data: &pgdata.DataDir{
		Path: "/srv/data", Dialect: d, Control: &pgdata.ControlFile{CatalogVersionNo: 302307241},
	}}
	got := b.tablespace(pgdata.Tablespace{OID: 16385, Path: "/srv/space/4"}, 4)
	require.Equal(t, "/srv/space", got.Location)
	require.Equal(t, "/srv/space/4", got.Link)
	require.Equal(t, "GPDB_7_302307241", got.Version)
	require.Empty(t, got.Inside)
	require.Equal(t, "below/ts", b.tablespace(pgdata.Tablespace{Path: "/srv/data/below/ts"}, 0).Inside)
}

func FuzzParseCompression(f *testing.F) {
	f.Add("zstd", "level=3,workers=4,long")
	f.Add("gzip", "-1")
	f.Fuzz(func(t *testing.T, method, detail string) {
		c, err := parseCompression(method, detail)
		if err != nil {
			e, ok := asProtocolError(err)
			require.True(t, ok)
			require.Equal(t, codeSyntaxError, e.Code)
			return
		}
		require.LessOrEqual(t, c.level, 22)
	})
}
