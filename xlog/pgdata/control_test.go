// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// controlVersions are the version numbers of every layout, with the structs' offsets as a C compiler gave them for
// the headers of each: CheckPoint.time and oldestActiveXid from the struct's start, the others from the file's.
var controlVersions = []struct {
	name             string
	control, catalog uint32
	time, activeXid  int
	unlogged, blcksz int
	float8, checksum int
	nonce, crc       int
}{
	{"12", 1201, 201909212, 64, 80, 128, 216, 249, 252, 256, 288},
	{"13", 1300, 202007201, 64, 80, 128, 216, 248, 252, 256, 288},
	{"16", 1300, 202307071, 64, 80, 128, 216, 248, 252, 256, 288},
	{"17", 1700, 202406281, 64, 80, 128, 216, 248, 252, 256, 288},
	{"18", 1800, 202506291, 64, 80, 128, 216, 248, 252, 257, 292},
	{"Greenplum 7", 12010700, 302307241, 72, 88, 136, 224, 257, 260, 264, 296},
	{"Greenplum 7 302012031", 12010700, 302012031, 64, 80, 128, 216, 249, 252, 256, 288},
	{"Cloudberry", 13000700, 302206171, 80, 96, 144, 232, 264, 268, 272, 304},
}

func TestControlOffsets(t *testing.T) {
	t.Parallel()
	for _, v := range controlVersions {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			// offset is where the encoded file changes when set changes the struct.
			offset := func(set func(*ControlFile)) int {
				c := &ControlFile{PgControlVersion: v.control, CatalogVersionNo: v.catalog}
				before, err := c.Encode()
				require.NoError(t, err)
				set(c)
				after, err := c.Encode()
				require.NoError(t, err)
				for i := range before {
					if before[i] != after[i] {
						return i
					}
				}
				return -1
			}
			const checkPointCopy = 40
			require.Equal(t, 16, offset(func(c *ControlFile) { c.State = 1 }))
			require.Equal(t, 24, offset(func(c *ControlFile) { c.Time = 1 }))
			require.Equal(t, 32, offset(func(c *ControlFile) { c.CheckPoint = 1 }))
			require.Equal(t, checkPointCopy, offset(func(c *ControlFile) { c.CheckPointCopy.Redo = 1 }))
			require.Equal(t, checkPointCopy+v.time, offset(func(c *ControlFile) { c.CheckPointCopy.Time = 1 }))
			require.Equal(t, checkPointCopy+v.activeXid,
				offset(func(c *ControlFile) { c.CheckPointCopy.OldestActiveXid = 1 }))
			require.Equal(t, v.unlogged, offset(func(c *ControlFile) { c.UnloggedLSN = 1 }))
			require.Equal(t, v.unlogged+16, offset(func(c *ControlFile) { c.MinRecoveryPointTLI = 1 }))
			require.Equal(t, v.unlogged+40, offset(func(c *ControlFile) { c.BackupEndRequired = true }))
			require.Equal(t, v.unlogged+72, offset(func(c *ControlFile) { c.TrackCommitTimestamp = true }))
			require.Equal(t, v.blcksz, offset(func(c *ControlFile) { c.Blcksz = 1 }))
			require.Equal(t, v.float8, offset(func(c *ControlFile) { c.Float8ByVal = true }))
			require.Equal(t, v.checksum, offset(func(c *ControlFile) { c.DataChecksumVersion = 1 }))
			require.Equal(t, v.nonce, offset(func(c *ControlFile) { c.MockAuthenticationNonce[0] = 1 }))
			c := &ControlFile{PgControlVersion: v.control, CatalogVersionNo: v.catalog}
			p, err := c.Encode()
			require.NoError(t, err)
			require.Len(t, p, ControlFileSize)
			require.NotZero(t, binary.LittleEndian.Uint32(p[v.crc:]))
			require.Zero(t, bytes.Trim(p[v.crc+4:], "\x00"))
		})
	}
}

// TestControlDamage changes each bit of a control file and cuts it at each length.
func TestControlDamage(t *testing.T) {
	t.Parallel()
	for _, name := range controlFixtures(t) {
		whole := readFixture(t, name)
		l, err := layoutOf(whole)
		require.NoError(t, err)
		w := &walker{buf: whole}
		new(ControlFile).walk(w, l)
		size := w.off + 4
		for i := range size * 8 {
			p := bytes.Clone(whole)
			p[i/8] ^= 1 << (i % 8)
			_, err := DecodeControl(p)
			require.Error(t, err, "%s: bit %d", name, i)
			version := i/8 >= 8 && i/8 < 12
			require.Equal(t, !version, errors.Is(err, ErrControlCorrupt), "%s: bit %d: %v", name, i, err)
		}
		for n := range size {
			_, err := DecodeControl(whole[:n])
			require.ErrorIs(t, err, ErrControlCorrupt, "%s: %d bytes", name, n)
		}
		c, err := DecodeControl(whole[:size])
		require.NoError(t, err)
		again, err := c.Encode()
		require.NoError(t, err)
		require.Equal(t, whole[:size], again[:size], name)
	}
}

func TestControlRefused(t *testing.T) {
	t.Parallel()
	header := func(order binary.AppendByteOrder, control, catalog uint32) []byte {
		p := order.AppendUint32(make([]byte, 8, ControlFileSize), control)
		return order.AppendUint32(p, catalog)[:ControlFileSize]
	}
	tests := []struct {
		name, want string
		file       []byte
	}{
		{"byte order", "other byte order (1300 there)", header(binary.BigEndian, 1300, 202209061)},
		{"byte order of an unknown version", "other byte order", header(binary.BigEndian, 1900, 202209061)},
		{"Greenplum's byte order", "other byte order (12010700 there)", header(binary.BigEndian, 12010700, 302307241)},
		{"Greenplum 6", "Greenplum 6", header(binary.LittleEndian, 9420600, 301908232)},
		{"PostgreSQL 11", "version 1100, catalog version 201809051", header(binary.LittleEndian, 1100, 201809051)},
	}
	for _, tt := range tests {
		_, err := DecodeControl(tt.file)
		require.ErrorIs(t, err, ErrControlUnsupported, tt.name)
		require.ErrorContains(t, err, tt.want)
	}
	_, err := DecodeControl(make([]byte, ControlFileSize))
	require.ErrorIs(t, err, ErrControlCorrupt)
	c := readFixtureControl(t, controlFixtures(t)[0])
	c.FloatFormat = 1
	p, err := c.Encode()
	require.NoError(t, err)
	_, err = DecodeControl(p)
	require.ErrorIs(t, err, ErrControlUnsupported)
	_, err = (&ControlFile{PgControlVersion: 1}).Encode()
	require.ErrorIs(t, err, ErrControlUnsupported)
}

// TestWriteControl writes a control file and reads it again; TestControlOracle has a server's tools read one.
func TestWriteControl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "global"), 0o700))
	path := filepath.Join(dir, ControlFileName)
	for _, name := range controlFixtures(t) {
		c := readFixtureControl(t, name)
		require.ErrorIs(t, WriteControl(vfs.OS, t.TempDir(), c), os.ErrNotExist)
		require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte{0xff}, ControlFileSize), 0o600))
		require.NoError(t, WriteControl(vfs.OS, dir, c))
		got, err := ReadControl(vfs.OS, dir)
		require.NoError(t, err)
		require.Equal(t, c, got)
		p, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, p, mustEncode(t, c))
	}
}

// TestReadControlTorn: half of a change that a server is making is no corruption, if a later read is whole.
func TestReadControlTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "global"), 0o700))
	path := filepath.Join(dir, ControlFileName)
	c := readFixtureControl(t, controlFixtures(t)[0])
	whole := mustEncode(t, c)
	torn := bytes.Clone(whole)
	torn[20] ^= 0xff
	require.NoError(t, os.WriteFile(path, torn, 0o600))
	_, err := ReadControl(vfs.OS, dir)
	require.ErrorIs(t, err, ErrControlCorrupt)
	require.ErrorContains(t, err, path)

	repaired := make(chan error, 1)
	go func() {
		time.Sleep(controlReadPause / 2)
		torn[20] ^= 0x0f
		err := os.WriteFile(path, torn, 0o600)
		time.Sleep(controlReadPause)
		repaired <- errors.Join(err, os.WriteFile(path, whole, 0o600))
	}()
	_, _ = ReadControl(vfs.OS, dir) // what it sees depends on the scheduler
	require.NoError(t, <-repaired)
	got, err := ReadControl(vfs.OS, dir)
	require.NoError(t, err)
	require.Equal(t, c, got)
}

func TestStateNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "in production", DBInProduction.String())
	require.Equal(t, "unrecognized status code", DBState(7).String())
	require.Equal(t, "replica", WalLevelReplica.String())
	require.Equal(t, `unrecognized "wal_level"`, WalLevel(3).String())
	require.Equal(t, "???", new(ControlFile).RedoWALFile())
}

func mustEncode(t *testing.T, c *ControlFile) []byte {
	t.Helper()
	p, err := c.Encode()
	require.NoError(t, err)
	return p
}

func readFixtureControl(t *testing.T, name string) *ControlFile {
	t.Helper()
	c, err := DecodeControl(readFixture(t, name))
	require.NoError(t, err, name)
	return c
}

func FuzzControl(f *testing.F) {
	for _, name := range controlFixtures(f) {
		f.Add(readFixture(f, name))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, p []byte) {
		// Give the CRC what it asks for, else the fuzzer never gets past it.
		if l, err := layoutOf(p); err == nil {
			w := &walker{buf: p}
			new(ControlFile).walk(w, l)
			if w.off+4 <= len(p) && !w.short {
				binary.LittleEndian.PutUint32(p[w.off:], crc(p[:w.off]))
			}
		}
		c, err := DecodeControl(p)
		if err != nil {
			if c != nil || !errors.Is(err, ErrControlCorrupt) && !errors.Is(err, ErrControlUnsupported) {
				t.Fatal(c, err)
			}
			return
		}
		c.Describe(time.UTC)
		again, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if d, err := DecodeControl(again); err != nil || *d != *c {
			t.Fatalf("%v\n%v\n%v", err, c, d)
		}
	})
}
