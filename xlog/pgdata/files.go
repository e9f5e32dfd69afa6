// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// maxTextFile is the most that is read of a file that people or PostgreSQL write: settings, labels, process ids.
const maxTextFile = 16 << 20

// readText reads a whole file of at most maxTextFile bytes.
func readText(fsys vfs.FS, path string) ([]byte, error) {
	p, err := readPrefix(fsys, path, maxTextFile+1)
	if err == nil && len(p) > maxTextFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxTextFile)
	}
	return p, err
}

// readPrefix reads at most n bytes of a file.
func readPrefix(fsys vfs.FS, path string, n int64) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, n))
}

// writeDurably gives a file a new content in one step: a temporary file, fsync, rename, and fsync of the directory.
// After a power cut the file has either its old content or the new one.
func writeDurably(fsys vfs.FS, path string, content []byte, perm fs.FileMode) error {
	tmp := path + ".tmp"
	if err := writeSynced(fsys, tmp, os.O_TRUNC, content, perm); err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(tmp)))
	}
	if err := fsys.Rename(tmp, path); err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(tmp)))
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// writeSynced creates a file, writes its content and syncs it; flag says what is to happen when the file exists.
func writeSynced(fsys vfs.FS, path string, flag int, content []byte, perm fs.FileMode) (err error) {
	f, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|flag, perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(content, 0); err != nil {
		return err
	}
	return f.Sync()
}

// removeDurably removes a file; it is no error that there is none.
func removeDurably(fsys vfs.FS, path string) error {
	if err := fsys.Remove(path); err != nil {
		return ignoreNotExist(err)
	}
	return fsys.SyncDir(filepath.Dir(path))
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// FileMode is the mode of new files in a data directory: readable by the group when the directory is (as
// SetDataDirectoryCreatePerm in src/common/file_perm.c decides).
func FileMode(fsys vfs.FS, dir string) (fs.FileMode, error) {
	st, err := fsys.Stat(dir)
	if err != nil {
		return 0, err
	}
	if st.Mode().Perm()&0o050 == 0o050 {
		return vfs.FileMode | 0o040, nil
	}
	return vfs.FileMode, nil
}
