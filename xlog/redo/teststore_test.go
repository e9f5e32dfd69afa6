// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// testRel is a relation of the directory that storedRedo makes.
var testRel = xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 16384}

// storedRedo is a Redo with a store of an empty data directory.
func storedRedo(t testing.TB, d *xlog.Dialect, checksums bool) *Redo {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"global", "base", "base/5", "pg_tblspc", "pg_logical", "pg_logical/mappings"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	version := fmt.Appendf(nil, "%d\n", d.Base())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "PG_VERSION"), version, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, pgdata.ControlFileName), nil, 0o600))
	control := &pgdata.ControlFile{
		SystemIdentifier: 1, PgControlVersion: d.ControlVersion(), CatalogVersionNo: d.CatalogVersion(),
		Blcksz: uint32(d.BlockSize()), XlogBlcksz: uint32(d.WALBlockSize()), XlogSegSize: uint32(d.SegmentSize()),
		RelsegSize: 1 << 17, MaxAlign: 8, FloatFormat: 1234567,
	}
	if checksums {
		control.DataChecksumVersion = 1
	}
	require.NoError(t, pgdata.WriteControl(vfs.OS, dir, control))
	data, err := pgdata.Open(vfs.OS, dir)
	require.NoError(t, err)
	store, err := pgdata.NewStore(data, pgdata.StoreConfig{Budget: 4 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return &Redo{store: store, dialect: d, decoder: rmgr.NewDecoder(d), layout: d.PageLayoutVersion()}
}

// testRecord makes a record the one that is redone now: transaction xid, with these block references.
func (r *Redo) testRecord(xid uint32, blocks ...xlog.BlockRef) {
	r.store.Begin()
	r.lsn += 100
	r.rec = &xlog.Record{RecordHeader: xlog.RecordHeader{XID: xid}, End: r.lsn}
	r.body = &xlog.Body{Blocks: blocks}
}

// testPage is a copy of what the store has.
func (r *Redo) testPage(t testing.TB, fork xlog.ForkNumber, block uint32) bufpage.Page {
	t.Helper()
	buf, err := r.store.Read(testRel, fork, block)
	require.NoError(t, err)
	return append(bufpage.Page(nil), buf.Page...)
}
