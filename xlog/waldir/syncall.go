// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// SyncAll makes every segment and history file in a directory durable, whoever wrote them.
func SyncAll(ctx context.Context, fsys vfs.FS, path string) error {
	entries, err := fsys.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !xlog.IsSegmentName(e.Name()) && !xlog.IsHistoryName(e.Name()) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := syncPath(fsys, filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return fsys.SyncDir(path)
}

func syncPath(fsys vfs.FS, name string) error {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
