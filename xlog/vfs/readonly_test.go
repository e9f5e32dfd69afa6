// SPDX-License-Identifier: Apache-2.0

package vfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/vfs"
)

func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(name, []byte("text"), 0o600))
	ro := vfs.ReadOnly(vfs.OS)
	f, err := ro.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	b := make([]byte, 4)
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, "text", string(b))
	_, err = f.WriteAt(b, 0)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorIs(t, f.Truncate(0), fs.ErrPermission)
	require.ErrorIs(t, f.Sync(), fs.ErrPermission)
	require.ErrorIs(t, f.Preallocate(9), fs.ErrPermission)
	require.NoError(t, f.Close())
	for _, flag := range []int{os.O_CREATE, os.O_RDWR | os.O_TRUNC} {
		_, err = ro.OpenFile(name, flag, 0)
		require.ErrorIs(t, err, fs.ErrPermission)
	}
	require.ErrorIs(t, ro.Remove(name), fs.ErrPermission)
	require.ErrorIs(t, ro.Rename(name, name+"2"), fs.ErrPermission)
	require.ErrorIs(t, ro.Mkdir(filepath.Join(dir, "d"), 0o700), fs.ErrPermission)
	require.ErrorIs(t, ro.SyncDir(dir), fs.ErrPermission)
	entries, err := ro.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	st, err := ro.Stat(name)
	require.NoError(t, err)
	require.Equal(t, int64(4), st.Size())
}
