// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// LogGapError says that pg_wal lacks a segment that replay needs.
type LogGapError struct {
	Number xlog.SegmentNumber
	Start  xlog.LSN // first position of the segment
	Redo   xlog.LSN // where replay begins
}

func (e *LogGapError) Error() string {
	return fmt.Sprintf("pg_wal has no segment %d (from %s on), which replay from %s needs; make the standby again",
		uint64(e.Number), e.Start, e.Redo)
}

// redoStart is where a server that starts on the directory begins to replay: the backup's start until a server has
// recovered from it, then the last checkpoint's.
func redoStart(data *pgdata.DataDir) (xlog.LSN, error) {
	label, err := pgdata.ReadBackupLabel(vfs.OS, data.Path)
	if err == nil {
		return label.StartWAL, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	return data.Control.CheckPointCopy.Redo, nil
}

// checkLog makes sure that pg_wal has every segment from where replay begins to the newest, on whatever timeline.
func checkLog(data *pgdata.DataDir) error {
	redo, err := redoStart(data)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(data.WALPath())
	if err != nil {
		return err
	}
	have := map[xlog.SegmentNumber]bool{}
	first := data.SegmentSize.Number(redo)
	newest := first
	for _, e := range entries {
		if _, n, err := data.SegmentSize.ParseName(e.Name()); err == nil {
			have[n] = true
			newest = max(newest, n)
		}
	}
	for n := first; n <= newest; n++ {
		if !have[n] {
			return &LogGapError{Number: n, Start: data.SegmentSize.Start(n), Redo: redo}
		}
	}
	return nil
}
