// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// makeDataDir lays out as much of a data directory as Open looks at.
func makeDataDir(t *testing.T, version, control string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"global", tablespacesDir} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, versionName), []byte(version), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ControlFileName), readFixture(t, control), 0o600))
	return dir
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := makeDataDir(t, "15\n", "postgres15")
	links := filepath.Join(dir, tablespacesDir)
	require.NoError(t, os.Symlink("/srv/b", filepath.Join(links, "100000")))
	require.NoError(t, os.Symlink("/srv/a", filepath.Join(links, "20000")))
	require.NoError(t, os.Mkdir(filepath.Join(links, "30000"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(links, "pgsql_tmp"), 0o700))
	d, err := Open(vfs.OS, dir)
	require.NoError(t, err)
	require.Equal(t, 15, d.Major)
	require.Same(t, xlog.Postgres15, d.Dialect)
	require.Equal(t, xlog.DefaultSegmentSize, d.SegmentSize)
	require.Equal(t, d.Control.SystemIdentifier, d.SystemID)
	require.Equal(t, []Tablespace{{20000, "/srv/a"}, {30000, ""}, {100000, "/srv/b"}}, d.Tablespaces)
	require.Equal(t, filepath.Join(dir, "pg_wal"), d.WALPath())

	_, ok, err := d.Conf("port")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ConfName), []byte("port = 1\nwork_mem = 2"), 0o600))
	require.NoError(t, SetAutoConf(vfs.OS, dir, Setting{Name: "Port", Value: "3"}))
	v, _, err := d.Conf("port")
	require.NoError(t, err)
	require.Equal(t, "3", v)
	v, _, err = d.Conf("work_mem")
	require.NoError(t, err)
	require.Equal(t, "2", v)

	require.NoError(t, os.WriteFile(filepath.Join(dir, IncompleteMarker), nil, 0o600))
	_, err = Open(vfs.OS, dir)
	require.ErrorIs(t, err, ErrIncomplete)
	require.ErrorContains(t, err, dir)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "x\n", "14\n", "-15\n", "15.1\n"} {
		_, err := Open(vfs.OS, makeDataDir(t, version, "postgres15"))
		require.ErrorIs(t, err, ErrNotDataDir, "%q", version)
	}
	_, err := Open(vfs.OS, t.TempDir())
	require.ErrorIs(t, err, ErrNotDataDir)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(vfs.OS, filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, ErrNotDataDir)

	change := func(f func(*ControlFile)) error {
		dir := makeDataDir(t, "15\n", "postgres15")
		c := readFixtureControl(t, "postgres15")
		f(c)
		require.NoError(t, WriteControl(vfs.OS, dir, c))
		_, err := Open(vfs.OS, dir)
		return err
	}
	require.NoError(t, change(func(*ControlFile) {}))
	require.ErrorIs(t, change(func(c *ControlFile) { c.XlogSegSize-- }), xlog.ErrSegmentSize)
	require.ErrorIs(t, change(func(c *ControlFile) { c.CatalogVersionNo++ }), xlog.ErrUnknownDialect)
	require.ErrorContains(t, change(func(c *ControlFile) { c.Blcksz = 7 }), "block size")
	dir := makeDataDir(t, "15\n", "postgres15")
	require.NoError(t, os.Truncate(filepath.Join(dir, ControlFileName), 100))
	_, err = Open(vfs.OS, dir)
	require.ErrorIs(t, err, ErrControlCorrupt)
	require.NoError(t, os.Remove(filepath.Join(dir, ControlFileName)))
	_, err = Open(vfs.OS, dir)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestOpenOracle(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major, WALSegmentMB: 4})
		d, err := Open(vfs.OS, s.DataDir)
		require.NoError(t, err)
		require.Equal(t, major, d.Major)
		require.Equal(t, major, d.Dialect.Base())
		require.Equal(t, xlog.PostgreSQL, d.Dialect.Flavour())
		require.Equal(t, xlog.SegmentSize(4<<20), d.SegmentSize)
		require.Equal(t, DBInProduction, d.Control.State)
		require.Equal(t, s.DataDir, s.Value(t, "SHOW data_directory"))
		for _, name := range []string{"port", "max_wal_senders", "log_timezone", "dynamic_shared_memory_type"} {
			v, ok, err := d.Conf(name)
			require.NoError(t, err)
			if ok {
				require.Equal(t, s.Value(t, "SELECT current_setting($1)", name), v, name)
			}
		}
	})
}

// TestOpenGreenplum opens what the recorded standby coordinator's directory says of itself.
func TestOpenGreenplum(t *testing.T) {
	t.Parallel()
	root := os.Getenv(greenplumVar)
	if root == "" {
		t.Skipf("%s is not set: it names the folder of the recorded Greenplum clusters", greenplumVar)
	}
	dir := t.TempDir()
	unpack(t, filepath.Join(root, "gp7dev-matrixdb5/standby/standby-end.datadir.tar.zst"), dir)
	d, err := Open(vfs.OS, filepath.Join(dir, "standby_end"))
	require.NoError(t, err)
	require.Equal(t, 12, d.Major)
	require.Same(t, xlog.Greenplum7Dev, d.Dialect)
	require.EqualValues(t, 7711133882651012132, d.SystemID)
	require.Equal(t, xlog.GreenplumSegmentSize, d.SegmentSize)
	require.Equal(t, DBShutdownedInRecovery, d.Control.State)
	require.Len(t, d.Tablespaces, 1)
	require.EqualValues(t, 16396, d.Tablespaces[0].OID)
	require.Regexp(t, `/ts_one/4$`, d.Tablespaces[0].Path)
	c, err := ReadConf(vfs.OS, d.Path, InternalConfName)
	require.NoError(t, err)
	require.Equal(t, []Setting{{"gp_dbid", "4", 1}}, c.Settings)
	conninfo, ok, err := d.Conf("primary_conninfo")
	require.NoError(t, err)
	require.True(t, ok)
	require.Contains(t, conninfo, "application_name=gp_walreceiver")
	standby, err := StandbySignal.Exists(vfs.OS, d.Path)
	require.NoError(t, err)
	require.True(t, standby)

	for _, base := range []string{"gp7dev-matrixdb5/base/base-t0.tar.zst", "gp7ga-layout-patched/base/base-t0.tar.zst"} {
		dir := t.TempDir()
		unpack(t, filepath.Join(root, base), dir)
		d, err := Open(vfs.OS, dir)
		require.NoError(t, err)
		l, err := ReadBackupLabel(vfs.OS, dir)
		require.NoError(t, err)
		require.EqualValues(t, 0x8000028, l.StartWAL)
		require.Equal(t, d.Control.CheckPoint, l.Checkpoint)
		require.Equal(t, d.Control.RedoWALFile(), l.StartWALFile)
		spaces, err := ReadTablespaceMap(vfs.OS, dir, d.Major)
		require.NoError(t, err)
		require.Empty(t, spaces)
	}
}

// unpack takes the small files that this package reads out of a recorded archive.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	z, err := zstd.NewReader(f)
	require.NoError(t, err)
	defer z.Close()
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		path := filepath.Join(dir, h.Name)
		if strings.Contains(h.Name, "base/") || strings.HasPrefix(h.Name, "pg_wal") {
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		switch h.Typeflag {
		case tar.TypeDir:
			require.NoError(t, os.MkdirAll(path, 0o700))
		case tar.TypeSymlink:
			require.NoError(t, os.Symlink(h.Linkname, path))
		case tar.TypeReg:
			p, err := io.ReadAll(io.LimitReader(r, 1<<20))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, p, 0o600))
		}
	}
}

func TestSignalFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, s := range []SignalFile{StandbySignal, RecoverySignal} {
		require.NoError(t, s.Remove(vfs.OS, dir))
		for range 2 {
			require.NoError(t, s.Create(vfs.OS, dir))
			there, err := s.Exists(vfs.OS, dir)
			require.NoError(t, err)
			require.True(t, there)
		}
		require.NoError(t, s.Remove(vfs.OS, dir))
		there, err := s.Exists(vfs.OS, dir)
		require.NoError(t, err)
		require.False(t, there)
	}
	require.Error(t, StandbySignal.Create(vfs.OS, filepath.Join(dir, "none")))
}

// TestPowerCut cuts the power at every operation of each change of a file. Afterwards the file says either the old
// or the new, and the new when the change had returned.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	before := readFixtureControl(t, "postgres15")
	after := *before
	after.State, after.MinRecoveryPoint, after.MockAuthenticationNonce = DBInArchiveRecovery, 1<<40, [32]byte{31: 1}
	changes := []struct {
		name   string
		change func(fsys vfs.FS) error
		state  func(fsys vfs.FS) (changed bool, err error)
	}{
		{
			"settings",
			func(fsys vfs.FS) error {
				return SetAutoConf(fsys, "/d", Setting{Name: "a", Value: "2"}, Setting{Name: "b", Value: strings.Repeat("x", 5000)})
			},
			func(fsys vfs.FS) (bool, error) {
				c, err := ReadConf(fsys, "/d", AutoConfName)
				if err != nil {
					return false, err
				}
				a, _ := c.Lookup("a")
				b, _ := c.Lookup("b")
				switch {
				case a == "1" && b == "":
					return false, nil
				case a == "2" && len(b) == 5000:
					return true, nil
				}
				return false, errors.New("neither old nor new: " + a + " " + b)
			},
		},
		{
			"signal made",
			func(fsys vfs.FS) error { return StandbySignal.Create(fsys, "/d") },
			func(fsys vfs.FS) (bool, error) { return StandbySignal.Exists(fsys, "/d") },
		},
		{
			"signal removed",
			func(fsys vfs.FS) error { return RecoverySignal.Remove(fsys, "/d") },
			func(fsys vfs.FS) (bool, error) {
				there, err := RecoverySignal.Exists(fsys, "/d")
				return !there, err
			},
		},
		{
			"control file",
			func(fsys vfs.FS) error { return WriteControl(fsys, "/d", &after) },
			func(fsys vfs.FS) (bool, error) {
				c, err := ReadControl(fsys, "/d")
				if err != nil {
					return false, err
				}
				if *c != *before && *c != after {
					return false, errors.New("neither old nor new")
				}
				return *c == after, nil
			},
		},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			crashes := 0
			for n := 0; ; n++ {
				disk := powerCutDisk(t, before)
				disk.CrashAfter(n)
				err := tt.change(disk)
				for seed := range uint64(16) {
					changed, stateErr := tt.state(disk.Crash(seed))
					require.NoError(t, stateErr, "after %d operations, seed %d", n, seed)
					require.True(t, changed || err != nil, "done but lost: after %d operations, seed %d", n, seed)
					crashes++
				}
				if err == nil {
					break
				}
			}
			require.Greater(t, crashes, 16)
			t.Logf("%d crashes", crashes)
		})
	}
}

func powerCutDisk(t *testing.T, c *ControlFile) *faultfs.FS {
	t.Helper()
	disk := faultfs.New()
	for _, dir := range []string{"/d", "/d/global"} {
		require.NoError(t, disk.Mkdir(dir, vfs.DirMode))
	}
	require.NoError(t, writeSynced(disk, "/d/"+ControlFileName, 0, mustEncode(t, c), vfs.FileMode))
	require.NoError(t, SetAutoConf(disk, "/d", Setting{Name: "a", Value: "1"}))
	require.NoError(t, RecoverySignal.Create(disk, "/d"))
	for _, dir := range []string{"/", "/d", "/d/global"} {
		require.NoError(t, disk.SyncDir(dir))
	}
	return disk
}

// TestFullDisk: when there is no room for the new file, the old one stays and no temporary one is left.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := powerCutDisk(t, readFixtureControl(t, "postgres15"))
	for _, op := range []faultfs.Op{faultfs.Write, faultfs.Sync, faultfs.Rename, faultfs.Close} {
		disk.Fail(faultfs.Fault{Op: op})
		require.Error(t, SetAutoConf(disk, "/d", Setting{Name: "a", Value: "2"}), "%v", op)
		disk.Heal()
		c, err := ReadConf(disk, "/d", AutoConfName)
		require.NoError(t, err)
		v, _ := c.Lookup("a")
		require.Equal(t, "1", v)
		_, err = disk.Stat("/d/" + AutoConfName + ".tmp")
		require.ErrorIs(t, err, fs.ErrNotExist, "%v", op)
	}
}
