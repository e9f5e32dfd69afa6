// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

const incompleteText = `This directory holds a base backup that was not finished. It is not usable as a data directory,
and no server starts on it: global/pg_control is missing on purpose until everything else is here.

While walmirror is still taking the backup, leave the directory alone. If it is not (the program or the machine
stopped), take the backup again: with --force it first removes what is in here. Without walmirror, remove the directory.
`

// ErrNotEmpty says that a directory that a backup should fill has something in it.
var ErrNotEmpty = errors.New("directory exists but is not empty")

// backupDir is a directory that a backup fills: the data directory or a tablespace's.
type backupDir struct {
	path string
	root *os.Root  // names are opened through it, so none leads out
	lock io.Closer // on the marker; nil where there are no locks
	part bool      // in another backupDir, without a marker of its own
}

// prepareDir makes dir, with its parents, or takes it when it is empty, and puts the marker in it, durably.
// With force a directory with a marker in it is emptied first; one without a marker is never touched. The marker is
// locked, so that a directory which is being filled is not taken for one that was left.
func prepareDir(dir string, mode fs.FileMode, force bool) (*backupDir, error) {
	left, err := checkDir(dir, force)
	if err != nil {
		return nil, err
	}
	changed, err := mkdirAll(dir, mode)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &backupDir{path: dir, root: root}
	if err := d.begin(left, append(changed, dir), mode); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// checkDir tells whether dir may be filled. left is its marker, nil when the directory is empty or missing.
func checkDir(dir string, force bool) (left fs.FileInfo, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	left, err = os.Lstat(filepath.Join(dir, pgdata.IncompleteMarker))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNotEmpty, dir)
	case err != nil:
		return nil, err
	case !force:
		return nil, fmt.Errorf("%w: %s (use --force to remove what is in it and begin again)", pgdata.ErrIncomplete, dir)
	}
	return left, nil
}

// mkdirAll makes dir and its parents and returns the directories whose entries changed.
func mkdirAll(dir string, mode fs.FileMode) (changed []string, err error) {
	if _, err := os.Stat(dir); err == nil {
		return nil, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return nil, fmt.Errorf("%s: %w", dir, fs.ErrNotExist)
	}
	if changed, err = mkdirAll(parent, mode); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return append(changed, parent), nil
}

// begin locks the marker and writes it, then removes whatever else is there. left is the marker that checkDir saw: if
// there was none, or it has been replaced since, somebody else was quicker and the directory is theirs.
func (d *backupDir) begin(left fs.FileInfo, changed []string, mode fs.FileMode) error {
	if err := d.takeLock(); err != nil {
		return err
	}
	if err := d.removeRest(left); err != nil {
		return err
	}
	if err := d.writeFile(pgdata.IncompleteMarker, []byte(incompleteText), vfs.FileMode); err != nil {
		return err
	}
	if err := d.root.Chmod(".", mode); err != nil {
		return err
	}
	for _, dir := range changed {
		if err := vfs.OS.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (d *backupDir) takeLock() error {
	locker, ok := vfs.OS.(vfs.Locker)
	if !ok {
		return nil
	}
	var err error
	d.lock, err = locker.Lock(filepath.Join(d.path, pgdata.IncompleteMarker))
	return err
}

func (d *backupDir) removeRest(left fs.FileInfo) error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	now, err := d.root.Lstat(pgdata.IncompleteMarker)
	same := err == nil && left != nil && os.SameFile(left, now)
	for _, e := range entries {
		if e.Name() == pgdata.IncompleteMarker {
			continue
		}
		if !same {
			return errors.Join(fmt.Errorf("%w: %s", ErrNotEmpty, d.path), d.root.Remove(pgdata.IncompleteMarker))
		}
		if err := d.root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a small file durably, apart from its name.
func (d *backupDir) writeFile(name string, content []byte, mode fs.FileMode) error {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// rename gives a file its final name, durably.
func (d *backupDir) rename(from, to string) error {
	if err := d.root.Rename(from, to); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(to))
}

// syncDir makes the names in a directory below this one durable.
func (d *backupDir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// finish takes the marker away: the directory is whole.
func (d *backupDir) finish() error {
	if d.part {
		return nil
	}
	if err := d.root.Remove(pgdata.IncompleteMarker); err != nil {
		return err
	}
	return d.syncDir(".")
}

func (d *backupDir) Close() error {
	err := d.root.Close()
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}
