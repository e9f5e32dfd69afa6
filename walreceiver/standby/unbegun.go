// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"fmt"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// dropUnbegun removes what an activation that was interrupted before it wrote the history file left: the first segments of a
// timeline that nobody knows of. Streaming would go on behind them. A timeline that is received has its history file before
// its first segment, unless it is the oldest that there is.
func dropUnbegun(fsys vfs.FS, data *pgdata.DataDir) error {
	entries, err := fsys.ReadDir(data.WALPath())
	if err != nil {
		return err
	}
	oldest := xlog.TimelineID(0)
	for _, e := range entries {
		tli, _, err := data.SegmentSize.ParseName(e.Name())
		if err == nil && (oldest == 0 || tli < oldest) {
			oldest = tli
		}
	}
	dropped := false
	for _, e := range entries {
		tli, _, err := data.SegmentSize.ParseName(e.Name())
		if err != nil || tli <= max(oldest, data.Control.CheckPointCopy.ThisTimeLineID, data.Control.MinRecoveryPointTLI) {
			continue
		}
		begun, err := vfs.Exists(fsys, filepath.Join(data.WALPath(), tli.HistoryName()))
		if begun {
			continue
		}
		if err == nil {
			err = fsys.Remove(filepath.Join(data.WALPath(), e.Name()))
		}
		if err != nil {
			return fmt.Errorf("segment %s of a timeline that was not begun: %w", e.Name(), err)
		}
		dropped = true
	}
	if !dropped {
		return nil
	}
	return fsys.SyncDir(data.WALPath())
}
