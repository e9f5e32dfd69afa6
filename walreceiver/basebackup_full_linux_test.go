// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestUnpackDiskFull fills a tiny file system.
func TestUnpackDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(disk, 0)) }()
	dir := filepath.Join(disk, "data")
	d, err := prepareDir(dir, vfs.DirMode, false)
	require.NoError(t, err)
	u := &unpacker{modes: ownerModes, sync: newFileSyncer(false), progress: func(string, int64) {}}
	err = u.Unpack(bytes.NewReader(archiveOf(
		member{name: "small", kind: tarFile, data: "x"},
		member{name: "large", kind: tarFile, data: strings.Repeat("x", 1<<20)},
	)), target{dir: d, base: true, prefix: "pg_tblspc/1/"})
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "pg_tblspc/1/large")
	require.NoError(t, u.sync.Wait())
	require.NoError(t, d.Close())
	marked, err := pgdata.IsIncomplete(vfs.OS, dir)
	require.NoError(t, err)
	require.True(t, marked)
}
