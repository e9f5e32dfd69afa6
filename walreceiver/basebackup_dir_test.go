// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

func TestPrepareDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	d, err := prepareDir(dir, vfs.DirMode, false)
	require.NoError(t, err)
	for _, made := range []string{dir, filepath.Dir(dir)} {
		st, err := os.Stat(made)
		require.NoError(t, err)
		require.Equal(t, vfs.DirMode, st.Mode().Perm(), made)
	}
	marked, err := pgdata.IsIncomplete(vfs.OS, dir)
	require.NoError(t, err)
	require.True(t, marked)
	text, err := os.ReadFile(filepath.Join(dir, pgdata.IncompleteMarker))
	require.NoError(t, err)
	require.Equal(t, incompleteText, string(text))

	require.NoError(t, d.finish())
	marked, err = pgdata.IsIncomplete(vfs.OS, dir)
	require.NoError(t, err)
	require.False(t, marked)
	require.NoError(t, d.Close())
}

func TestPrepareDirTakesEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	d, err := prepareDir(dir, groupModes.dir, false)
	require.NoError(t, err)
	st, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, groupModes.dir, st.Mode().Perm())
	require.NoError(t, d.Close())
}

func TestPrepareDirRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	require.NoError(t, os.WriteFile(precious, nil, 0o600))
	for _, force := range []bool{false, true} {
		_, err := prepareDir(dir, vfs.DirMode, force)
		require.ErrorIs(t, err, ErrNotEmpty)
	}
	require.FileExists(t, precious)
	require.NoFileExists(t, filepath.Join(dir, pgdata.IncompleteMarker))

	_, err := prepareDir(precious, vfs.DirMode, true)
	require.Error(t, err, "a file")
}

// TestPrepareDirForce: what an interrupted backup left is removed when asked for, and its lock counts while it runs.
func TestPrepareDirForce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.Mkdir(outside, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "kept"), nil, 0o600))
	first, err := prepareDir(dir, vfs.DirMode, false)
	require.NoError(t, err)
	require.NoError(t, first.root.MkdirAll("base/1", 0o700))
	require.NoError(t, first.writeFile("base/1/2", []byte("x"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))

	_, err = prepareDir(dir, vfs.DirMode, false)
	require.ErrorIs(t, err, pgdata.ErrIncomplete)
	require.ErrorContains(t, err, "--force")
	_, err = prepareDir(dir, vfs.DirMode, true)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.FileExists(t, filepath.Join(dir, "base/1/2"))

	require.NoError(t, first.Close())
	second, err := prepareDir(dir, vfs.DirMode, true)
	require.NoError(t, err)
	entries, err := fs.ReadDir(second.root.FS(), ".")
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, pgdata.IncompleteMarker, entries[0].Name())
	require.FileExists(t, filepath.Join(outside, "kept"))
	require.NoError(t, second.Close())
}

// TestPrepareDirLosesRace: between the check and the lock another process has finished its backup there.
func TestPrepareDirLosesRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	marker := filepath.Join(dir, pgdata.IncompleteMarker)
	require.NoError(t, os.WriteFile(marker, nil, 0o600))
	left, err := checkDir(dir, true)
	require.NoError(t, err)
	require.NoError(t, os.Rename(marker, marker+".keeps its inode"))
	precious := filepath.Join(dir, "PG_VERSION")
	require.NoError(t, os.WriteFile(precious, nil, 0o600))

	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	d := &backupDir{path: dir, root: root}
	require.ErrorIs(t, d.begin(left, nil, vfs.DirMode), ErrNotEmpty)
	require.NoError(t, d.Close())
	require.FileExists(t, precious)
	require.NoFileExists(t, marker)
}
