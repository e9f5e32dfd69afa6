// SPDX-License-Identifier: Apache-2.0

package walload

import (
	"encoding/binary"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

const (
	pageSize       = 8192
	xidsPerSegment = 32 * pageSize * 4 // of pg_xact: SLRU_PAGES_PER_SEGMENT * CLOG_XACTS_PER_PAGE
)

// jump does what pg_resetwal -x does: the next transaction id becomes one in the third segment of pg_xact, shortly
// before a page ends. Old segments can then be truncated without millions of transactions before. The number is changed
// in the shutdown checkpoint, in the log and in the control file.
func (r *runner) jump() error {
	const next = 3*xidsPerSegment - 50
	s := r.load.Server
	control, err := r.shutdownInPage()
	if err != nil {
		return err
	}
	control.CheckPointCopy.NextXid = next
	if err := r.load.patchNextXid(control.CheckPoint, next); err != nil {
		return err
	}
	if err := pgdata.WriteControl(vfs.OS, s.DataDir, control); err != nil {
		return err
	}
	name := filepath.Join(s.DataDir, "pg_xact", "0002")
	if err := os.WriteFile(name, make([]byte, 32*pageSize), 0o600); err != nil {
		return err
	}
	if err := pgserver.Chown(name); err != nil {
		return err
	}
	return s.Start()
}

// shutdownInPage stops the server. The last checkpoint record then lies within one page.
func (r *runner) shutdownInPage() (*pgdata.ControlFile, error) {
	r.closeSessions()
	for {
		if err := r.load.Stop(pgserver.Fast); err != nil {
			return nil, err
		}
		control, err := pgdata.ReadControl(vfs.OS, r.load.DataDir)
		if err != nil || int(control.CheckPoint)%pageSize+128 < pageSize {
			return control, err
		}
		if err := r.load.Start(); err != nil {
			return nil, err
		}
	}
}

// patchNextXid changes the checkpoint record at lsn.
func (l *Load) patchNextXid(lsn xlog.LSN, next uint64) error {
	name := l.SegmentSize.Name(1, l.SegmentSize.Number(lsn))
	f, err := os.OpenFile(filepath.Join(l.WALDir(), name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	at := int64(l.SegmentSize.Offset(lsn))
	raw := make([]byte, 128)
	if _, err := f.ReadAt(raw, at); err != nil {
		return err
	}
	raw = raw[:binary.LittleEndian.Uint32(raw)]
	const nextXid = xlog.RecordHeaderSize + 2 + 24 // behind the head of the main data, in struct CheckPoint
	binary.LittleEndian.PutUint64(raw[nextXid:], next)
	binary.LittleEndian.PutUint32(raw[20:], xlog.RecordCRC(raw))
	if _, err := f.WriteAt(raw, at); err != nil {
		return err
	}
	return f.Sync()
}
