// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog"
)

const (
	testSize  = xlog.MinSegmentSize
	testStart = xlog.LSN(5 * testSize)
)

// testWAL is n bytes of stand-in WAL from lsn on: noise that depends on the position and the timeline alone, with
// the page address where the first page header of a segment has it.
func testWAL(tli xlog.TimelineID, lsn xlog.LSN, n int) []byte {
	from := int(lsn - testStart)
	return testStreams[tli]()[from : from+n : from+n]
}

// testStreams are 16 segments of each timeline from testStart on.
var testStreams = map[xlog.TimelineID]func() []byte{1: testStream(1), 2: testStream(2), 3: testStream(3)}

func testStream(tli xlog.TimelineID) func() []byte {
	return sync.OnceValue(func() []byte {
		p := make([]byte, 16*int(testSize))
		rng := rand.NewChaCha8([32]byte{byte(tli)})
		rng.Read(p)
		for at := 0; at < len(p); at += int(testSize) {
			binary.NativeEndian.PutUint64(p[at+pageAddressOffset:], uint64(testStart.Add(at)))
		}
		return p
	})
}

func openTest(t testing.TB, cfg Config) *Dir {
	t.Helper()
	cfg.SegmentSize = testSize
	d, err := Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func layouts(t *testing.T, test func(t *testing.T, partial bool)) {
	t.Run("archive", func(t *testing.T) { t.Parallel(); test(t, true) })
	t.Run("data directory", func(t *testing.T) { t.Parallel(); test(t, false) })
}

// names lists the directory without what is not WAL.
func names(t testing.TB, path string) []string {
	t.Helper()
	list, err := os.ReadDir(path)
	require.NoError(t, err)
	var found []string
	for _, e := range list {
		if e.Name() != lockName && !e.IsDir() {
			found = append(found, e.Name())
		}
	}
	return found
}

func TestWriteSyncReadResume(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: partial})
		_, _, ok := d.Resume()
		require.False(t, ok)
		require.NoError(t, d.Begin(1, testStart))

		wal := testWAL(1, testStart, 3*int(testSize)+5000)
		for lsn, rest := testStart, wal; len(rest) > 0; {
			n := min(len(rest), 70001)
			require.NoError(t, d.Write(lsn, rest[:n]))
			lsn, rest = lsn.Add(n), rest[n:]
		}
		end, err := d.Sync()
		require.NoError(t, err)
		require.Equal(t, testStart.Add(len(wal)), end)

		back := make([]byte, len(wal))
		n, err := d.ReadAt(1, back, testStart)
		require.NoError(t, err)
		require.Equal(t, len(wal), n)
		require.Equal(t, wal, back)
		require.NoError(t, d.Close())

		want := []string{"000000010000000000000005", "000000010000000000000006",
			"000000010000000000000007", "000000010000000000000008"}
		if partial {
			want[3] += ".partial"
		}
		require.Equal(t, want, names(t, path))
		for _, name := range want {
			st, err := os.Stat(filepath.Join(path, name))
			require.NoError(t, err)
			require.EqualValues(t, testSize, st.Size(), name)
		}
		if !partial {
			require.Equal(t, []string{want[0] + ".done", want[1] + ".done", want[2] + ".done"},
				names(t, filepath.Join(path, statusDirName)))
		}

		d = openTest(t, Config{Path: path, Partial: partial})
		tli, lsn, ok := d.Resume()
		require.True(t, ok)
		require.EqualValues(t, 1, tli)
		require.Equal(t, testSize.Start(8), lsn)
		require.Empty(t, d.Problems())
	})
}

func TestTimelineSwitch(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: partial})
		require.NoError(t, d.Begin(1, testStart))
		require.NoError(t, d.Write(testStart, testWAL(1, testStart, 300000)))
		require.NoError(t, d.WriteHistory(2, []byte("1\t0/540000\tpromoted\n")))
		require.NoError(t, d.Begin(2, testStart))
		require.NoError(t, d.Write(testStart, testWAL(2, testStart, int(testSize)+10)))
		_, err := d.Sync()
		require.NoError(t, err)

		one, two := make([]byte, 300000), make([]byte, int(testSize)+10)
		_, err = d.ReadAt(1, one, testStart)
		require.NoError(t, err)
		require.Equal(t, testWAL(1, testStart, 300000), one)
		_, err = d.ReadAt(2, two, testStart)
		require.NoError(t, err)
		require.Equal(t, testWAL(2, testStart, int(testSize)+10), two)
		require.NoError(t, d.Close())

		want := []string{"000000010000000000000005", "00000002.history",
			"000000020000000000000005", "000000020000000000000006"}
		if partial {
			want[0] += ".partial"
			want[3] += ".partial"
		}
		require.ElementsMatch(t, want, names(t, path))
	})
}

func TestCompression(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"gzip", "1", "lz4", "lz4:9", "zstd:1", "zstd"} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			c, err := ParseCompression(spec)
			require.NoError(t, err)
			path := t.TempDir()
			d := openTest(t, Config{Path: path, Partial: true, Compress: c})
			wal := testWAL(1, testStart, 2*int(testSize)+100)
			require.NoError(t, d.Begin(1, testStart))
			require.NoError(t, d.Write(testStart, wal))
			require.NoError(t, d.Close())
			list := names(t, path)
			require.Len(t, list, 3)
			require.True(t, strings.HasSuffix(list[0], c.Method.suffix()))
			require.True(t, strings.HasSuffix(list[1], c.Method.suffix()))

			d = openTest(t, Config{Path: path, Partial: true, Compress: c})
			tli, lsn, ok := d.Resume()
			require.True(t, ok)
			require.EqualValues(t, 1, tli)
			require.Equal(t, testSize.Start(7), lsn)
			back := make([]byte, len(wal))
			for _, off := range []int{len(wal) - 1, 0, 70000, int(testSize) - 5} {
				n, err := d.ReadAt(1, back[off:], testStart.Add(off))
				require.NoError(t, err)
				require.Equal(t, len(wal)-off, n)
				require.Equal(t, wal[off:], back[off:])
			}
		})
	}
}
