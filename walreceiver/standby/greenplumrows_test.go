// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestGreenplumRoles promotes a recorded directory as the standby's, and compares the change of gp_segment_configuration with
// what the real promotion of that standby wrote: which rows it deletes and updates, and where in the indexes the new row is.
func TestGreenplumRoles(t *testing.T) {
	t.Parallel()
	from := filepath.Join(pgreplay.Recorded(t), "gp7dev-matrixdb5")
	dir := filepath.Join(t.TempDir(), "data")
	pgreplay.Unpack(t, filepath.Join(from, "base", "base-t0.tar.zst"), dir, filepath.Join(from, "wal"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "internal.auto.conf"), []byte("gp_dbid = 4\n"), 0o600))
	p, err := promoteRecorded(t, dir)
	require.NoError(t, err)
	require.Equal(t, xlog.LSN(0x280000D8), p.Switch)

	ours := roleRecords(t, xlog.NewDirSource(filepath.Join(dir, "pg_wal"), xlog.GreenplumSegmentSize), p)
	real := filepath.Join(t.TempDir(), "real")
	pgreplay.Unpack(t, filepath.Join(from, "base", "base-t0.tar.zst"), real, filepath.Join(from, "tl2"))
	theirs := roleRecords(t, xlog.NewDirSource(filepath.Join(real, "pg_wal"), xlog.GreenplumSegmentSize), p)
	require.Equal(t, theirs, ours)
	require.Len(t, ours, 5)

	c, err := catalog.OpenDir(vfs.OS, dir)
	require.NoError(t, err)
	defer c.Close()
	db, err := c.Database("postgres")
	require.NoError(t, err)
	rows, err := catalog.Rows[catalog.SegmentConfiguration](db)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	for _, row := range rows {
		require.NotEqual(t, int16(1), row.DBID)
		require.Equal(t, "pp", string([]byte{row.Role, row.PreferredRole}))
	}
	t.Logf("%v\n%+v", ours, rows)
}

func promoteRecorded(t *testing.T, dir string) (redo.Promotion, error) {
	r, err := redo.New(redo.Config{Dir: dir, TablespaceLocation: func(location string) string {
		space := filepath.Join(t.TempDir(), filepath.Base(location))
		require.NoError(t, os.Mkdir(space, 0o700))
		return space
	}})
	require.NoError(t, err)
	_, err = r.Replay(t.Context(), redo.ReplayConfig{})
	require.NoError(t, err)
	return r.Promote(promoteConfig(r, ""))
}

// roleRecord is what a record changes.
type roleRecord struct {
	rmgr     xlog.RmgrID
	xid      uint32
	rel      xlog.RelFileLocator
	from, to uint16
}

// roleRecords are the records of the first transaction of a new timeline.
func roleRecords(t *testing.T, source xlog.Source, p redo.Promotion) (list []roleRecord) {
	r := xlog.NewReader(xlog.ReaderConfig{
		Dialect: xlog.Greenplum7Dev, SegmentSize: xlog.GreenplumSegmentSize, Source: source, Start: p.Switch,
		History: xlog.History{Timeline: 2, Ancestors: []xlog.Switch{{Timeline: 1, LSN: p.Switch}}},
	})
	d := rmgr.NewDecoder(xlog.Greenplum7Dev)
	for {
		rec, err := r.Next()
		if errors.Is(err, xlog.ErrZeroed) {
			return list
		}
		require.NoError(t, err)
		payload, err := d.Decode(rec)
		require.NoError(t, err)
		one := roleRecord{rmgr: rec.Rmgr, xid: rec.XID}
		if blk := d.Body().Block(0); blk != nil {
			one.rel = blk.Rel
		}
		switch p := payload.(type) {
		case *rmgr.HeapDelete:
			one.from = p.Offset
		case *rmgr.HeapUpdate:
			one.from, one.to = p.OldOffset, p.NewOffset
		case *rmgr.BtreeInsert:
			one.to = p.Offset
		case *rmgr.XactCommit:
			return append(list, one)
		default:
			continue
		}
		list = append(list, one)
	}
}
