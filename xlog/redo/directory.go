// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/pgdata"
)

// prepareDirectory does to the directory what must be done before the first record.
func (r *Redo) prepareDirectory(b *beginning) error {
	if b.crashed {
		if err := r.dir.Sync(); err != nil {
			return err
		}
	}
	if len(b.spaces) > 0 {
		if err := r.dir.LinkTablespaces(b.spaces); err != nil {
			return err
		}
	}
	return r.dir.RemoveStale()
}

// retireBackupFiles renames backup_label and tablespace_map, which have done their duty: from now on recovery begins where
// the control file says.
func (r *Redo) retireBackupFiles(b *beginning) error {
	if b.label != nil {
		if err := r.retire(pgdata.BackupLabelName); err != nil {
			return err
		}
	}
	return r.retire(pgdata.TablespaceMapName)
}

func (r *Redo) retire(name string) error {
	path := filepath.Join(r.dir.Path, name)
	err := r.fs.Rename(path, path+".old")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.fs.SyncDir(r.dir.Path)
}
