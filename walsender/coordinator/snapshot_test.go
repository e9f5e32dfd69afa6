// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

var update = flag.Bool("update", false, "make snapshot.tar.zst anew with PostgreSQL 15")

// snapshotVersion is what the server says of itself that the snapshot is made by. When it is another one than before,
// ServerVersion and ServerVersionText are changed by hand.
const snapshotTables = `
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.gp_segment_configuration (
	dbid int2 NOT NULL, content int2 NOT NULL, role "char" NOT NULL, preferred_role "char" NOT NULL, mode "char" NOT NULL,
	status "char" NOT NULL, port int4 NOT NULL, hostname text NOT NULL, address text NOT NULL, datadir text);
CREATE TABLE pg_catalog.gp_configuration_history (time timestamptz NOT NULL, dbid int2 NOT NULL, "desc" text);`

// maxSnapshot is how many bytes the snapshot may have.
const maxSnapshot = 3 << 20

// TestSnapshot makes the snapshot with -update, and looks at what Create makes of it.
//
//	go test ./walsender/coordinator -run TestSnapshot -update
func TestSnapshot(t *testing.T) {
	if *update {
		snapshot = makeSnapshot(t)
		require.NoError(t, os.WriteFile("snapshot.tar.zst", snapshot, 0o644))
	}
	require.Less(t, len(snapshot), maxSnapshot)
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, Create(dir))
	require.ErrorContains(t, Create(dir), "not empty")
	data, err := pgdata.Open(vfs.OS, dir)
	require.NoError(t, err)
	require.Equal(t, pgdata.DBShutdowned, data.Control.State)
	require.Equal(t, ServerVersion/10000, data.Major)

	c, err := catalog.OpenDir(vfs.OS, dir)
	require.NoError(t, err)
	defer c.Close()
	db, err := c.Database(Database)
	require.NoError(t, err)
	for _, table := range []string{SegmentConfiguration, ConfigurationHistory} {
		rel, err := db.Relation("pg_catalog." + table)
		require.NoError(t, err)
		require.NoError(t, unindexed(db, rel))
	}
	classes, err := catalog.Rows[catalog.ClassRow](db)
	require.NoError(t, err)
	require.Greater(t, len(classes), 300)
	t.Logf("%d bytes, %d relations", len(snapshot), len(classes))
}

// makeSnapshot makes a server, and packs its directory after it was shut down.
func makeSnapshot(t *testing.T) []byte {
	s := pgserver.Start(t, pgserver.Options{Major: 15, WALSegmentMB: 1, InitdbArgs: []string{"--encoding=UTF8"}})
	require.Equal(t, fmt.Sprint(ServerVersion), s.Value(t, "SHOW server_version_num"), "change ServerVersion")
	require.Equal(t, ServerVersionText, s.Value(t, "SHOW server_version"), "change ServerVersionText")
	require.Equal(t, "on UTF8 C", s.Value(t, `SELECT concat_ws(' ', current_setting('data_checksums'),
		current_setting('server_encoding'), datcollate) FROM pg_database WHERE datname = 'postgres'`))
	s.SQL(t, snapshotTables)
	s.SQL(t, "SELECT pg_switch_wal()")
	require.NoError(t, s.Stop(pgserver.Fast))
	return compress(t, pack(t, s.DataDir))
}

// pack makes a tar archive of a data directory that was shut down, without what is not needed: log before the last
// checkpoint, caches, and what says where and how that server ran.
func pack(t *testing.T, dir string) []byte {
	data, err := pgdata.Open(vfs.OS, dir)
	require.NoError(t, err)
	control := data.Control
	segment := data.SegmentSize.Name(control.CheckPointCopy.ThisTimeLineID, data.SegmentSize.Number(control.CheckPoint))
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name string, content []byte) {
		head := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg, ModTime: time.Unix(control.Time, 0)}
		require.NoError(t, w.WriteHeader(head))
		_, err := w.Write(content)
		require.NoError(t, err)
	}
	files := os.DirFS(dir)
	require.NoError(t, fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		switch {
		case name == ".":
		case e.IsDir():
			require.NoError(t, w.WriteHeader(&tar.Header{Name: name + "/", Mode: 0o700, Typeflag: tar.TypeDir}))
		case snapshotFiles[name] != "":
			add(name, []byte(snapshotFiles[name]))
		case !leftOut(name, segment):
			content, err := fs.ReadFile(files, name)
			require.NoError(t, err)
			add(name, content)
		}
		return nil
	}))
	require.NoError(t, w.Close())
	return archive.Bytes()
}

// snapshotFiles have another content than that of the server which the snapshot is made by.
var snapshotFiles = map[string]string{
	"postgresql.conf": "# Settings that are not the default's.\n",
	"pg_hba.conf": "# Who may connect: anybody on this machine.\n" +
		"local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n" +
		"local replication all trust\nhost replication all 127.0.0.1/32 trust\nhost replication all ::1/128 trust\n",
	"postgresql.auto.conf": "# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\n",
}

func leftOut(name, segment string) bool {
	switch dir, base := path.Split(name); {
	case dir == "pg_wal/":
		return base != segment
	case dir == "pg_stat/", base == "postmaster.opts", strings.HasPrefix(base, "pg_internal.init"):
		return true
	}
	return false
}

// compress finds what is the same in files that are far from each other, such as those of two databases.
func compress(t *testing.T, p []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(32<<20),
		zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	defer w.Close()
	return w.EncodeAll(p, nil)
}
