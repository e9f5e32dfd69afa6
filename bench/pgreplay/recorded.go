// SPDX-License-Identifier: Apache-2.0

package pgreplay

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// RecordedVar is the variable that names the folder of recorded Greenplum clusters.
const RecordedVar = "WALMIRROR_GREENPLUM_DATA"

// Recorded is the folder of recorded Greenplum clusters. Without one the test is skipped.
func Recorded(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(RecordedVar)
	if dir == "" {
		t.Skip("needs recordings of Greenplum 7; set WALMIRROR_GREENPLUM_DATA to their folder")
	}
	return dir
}

// Unpack makes dir a data directory of a recorded base backup, a tar archive, and of the log in the directory wal; both
// are compressed with Zstandard. Files of the log that have the name of one before are left out.
func Unpack(t testing.TB, base, dir string, wal ...string) {
	t.Helper()
	UnpackTar(t, base, dir)
	to := filepath.Join(dir, pgdata.WALDir)
	require.NoError(t, os.MkdirAll(to, 0o700))
	for _, from := range wal {
		names, err := filepath.Glob(filepath.Join(from, "*"))
		require.NoError(t, err)
		for _, name := range names {
			base := strings.TrimSuffix(filepath.Base(name), ".zst")
			if xlog.IsSegmentName(base) || strings.HasSuffix(base, ".history") {
				unpackFile(t, name, filepath.Join(to, base))
			}
		}
	}
}

// UnpackTar unpacks a tar archive, compressed with Zstandard, to a directory.
func UnpackTar(t testing.TB, from, dir string) {
	t.Helper()
	archive := tar.NewReader(open(t, from))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(h.Name), h.Name)
		name := filepath.Join(dir, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			require.NoError(t, os.MkdirAll(name, 0o700))
		case tar.TypeSymlink:
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
			require.NoError(t, os.Symlink(h.Linkname, name))
		default:
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
			write(t, name, archive)
		}
	}
}

func unpackFile(t testing.TB, from, to string) {
	if _, err := os.Stat(to); err == nil {
		return
	}
	write(t, to, open(t, from))
}

// open gives what is in a file, without its compression.
func open(t testing.TB, name string) io.Reader {
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	if filepath.Ext(name) != ".zst" {
		return f
	}
	plain, err := zstd.NewReader(f)
	require.NoError(t, err)
	t.Cleanup(plain.Close)
	return plain
}

func write(t testing.TB, name string, content io.Reader) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	_, err = io.Copy(f, content)
	require.NoError(t, errors.Join(err, f.Close()))
}
