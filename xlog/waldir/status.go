// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// mark says in archive_status that a file of a data directory is complete: .done, so that the server never archives
// it (XLogArchiveForceDone in xlogarchive.c, which walreceiver calls unless archive_mode is always), or .ready.
// Durable after the directory is synced.
func (d *Dir) mark(name string) error {
	done := d.statusFile(name, doneSuffix)
	if d.cfg.ArchiveAlways {
		return d.markReady(name, done)
	}
	if exists, err := vfs.Exists(d.fs, done); exists || err != nil {
		return err
	}
	if err := d.fs.Rename(d.statusFile(name, readySuffix), done); err == nil {
		d.setDirtyMarks()
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("could not mark %s: %w", name, err)
	}
	return d.makeMark(done)
}

// markReady leaves alone a file that was archived before.
func (d *Dir) markReady(name, done string) error {
	if exists, err := vfs.Exists(d.fs, done); exists || err != nil {
		return err
	}
	return d.makeMark(d.statusFile(name, readySuffix))
}

func (d *Dir) makeMark(path string) error {
	f, err := d.fs.OpenFile(path, os.O_RDWR|os.O_CREATE, vfs.FileMode)
	if err != nil {
		return fmt.Errorf("could not make archive status file: %w", err)
	}
	d.setDirtyMarks()
	return f.Close()
}

func (d *Dir) setDirtyMarks() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirtyMarks = true
}

func (d *Dir) statusFile(name, suffix string) string {
	return filepath.Join(d.cfg.Path, statusDirName, name+suffix)
}

// marks reads which files archive_status calls complete.
func (d *Dir) marks() (map[string]bool, error) {
	if d.cfg.Partial {
		return nil, nil
	}
	list, err := d.fs.ReadDir(d.file(statusDirName))
	if err != nil {
		return nil, err
	}
	marked := make(map[string]bool)
	for _, e := range list {
		switch ext := filepath.Ext(e.Name()); ext {
		case doneSuffix, readySuffix:
			marked[e.Name()[:len(e.Name())-len(ext)]] = true
		}
	}
	return marked, nil
}
