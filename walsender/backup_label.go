// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// labelFile is backup_label: recovery begins at the redo position of the checkpoint that the control file had at the begin,
// and the backup is a standby's.
func labelFile(c *pgdata.ControlFile, label string, now time.Time) []byte {
	tli, redo := c.CheckPointCopy.ThisTimeLineID, c.CheckPointCopy.Redo
	l := pgdata.BackupLabel{
		StartWAL: redo, StartWALFile: c.SegmentSize().Name(tli, c.SegmentSize().Number(redo)),
		Checkpoint: c.CheckPoint, Method: "streamed", From: "standby",
		StartTime: now.UTC().Format("2006-01-02 15:04:05 MST"), Label: label, StartTimeline: tli,
	}
	return l.Format()
}

// mapFile is tablespace_map.
func mapFile(spaces []BackupTablespace, d *xlog.Dialect, major int) []byte {
	if d != nil {
		major = d.Base()
	}
	mapped := make([]pgdata.MappedTablespace, len(spaces))
	for i, s := range spaces {
		mapped[i] = pgdata.MappedTablespace{OID: s.OID, Path: s.Link}
	}
	return pgdata.FormatTablespaceMap(mapped, major)
}
