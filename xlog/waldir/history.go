// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// maxHistory bounds what is read back as a history file.
const maxHistory = 16 << 20

// WriteHistory stores the timeline history file of tli, whole or not at all, and makes it durable. Storing the same
// content again does nothing; other content is an error, ErrHistoryDiffers.
func (d *Dir) WriteHistory(tli xlog.TimelineID, content []byte) error {
	d.syncMu.Lock()
	defer d.syncMu.Unlock()
	if err := d.sticky(); err != nil {
		return err
	}
	name := tli.HistoryName()
	old, err := d.ReadHistory(tli)
	switch {
	case err == nil && bytes.Equal(old, content):
		return nil
	case err == nil:
		return fmt.Errorf("%w: %s", ErrHistoryDiffers, name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.installFile(name, content); err != nil {
		return fmt.Errorf("could not write timeline history file %s: %w", name, err)
	}
	if d.cfg.Partial {
		return d.syncNames()
	}
	return errors.Join(d.mark(name), d.syncNames())
}

func (d *Dir) sticky() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// installFile writes a file under a temporary name, syncs it and renames it. Durable after syncNames.
func (d *Dir) installFile(name string, content []byte) error {
	temp := d.file(d.temp(name))
	if err := d.writeFile(temp, content); err != nil {
		return errors.Join(err, d.removeIfExists(temp))
	}
	if err := d.fs.Rename(temp, d.file(name)); err != nil {
		return err
	}
	d.setDirty()
	return nil
}

func (d *Dir) writeFile(path string, content []byte) error {
	f, err := d.fs.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, vfs.FileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil && !d.cfg.NoSync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ReadHistory returns the content of the timeline history file of tli. The error is fs.ErrNotExist when there is
// none, as there never is for timeline 1.
func (d *Dir) ReadHistory(tli xlog.TimelineID) ([]byte, error) {
	f, err := d.fs.OpenFile(d.file(tli.HistoryName()), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	content, err := readAll(f)
	return content, errors.Join(err, f.Close())
}

func readAll(f vfs.File) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > maxHistory {
		return nil, fmt.Errorf("%s has %d bytes, which is no timeline history file", st.Name(), st.Size())
	}
	content := make([]byte, st.Size())
	n, err := f.ReadAt(content, 0)
	return content[:n], notEOF(err)
}
