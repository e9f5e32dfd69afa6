// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// unpack unpacks an archive into a new directory and returns it.
func unpack(t *testing.T, archive []byte, edit func(u *unpacker, tgt *target)) (dir string, u *unpacker, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	d, err := prepareDir(dir, vfs.DirMode, false)
	require.NoError(t, err)
	u = &unpacker{
		modes: ownerModes, sync: newFileSyncer(false), sums: newChecksumLog(ChecksumSHA256),
		onLink: func(tarMember) error { return nil }, progress: func(string, int64) {},
	}
	tgt := target{dir: d, base: true, made: map[string]bool{}}
	if edit != nil {
		edit(u, &tgt)
	}
	err = u.Unpack(bytes.NewReader(archive), tgt)
	require.NoError(t, u.sync.Wait())
	if err == nil {
		err = u.syncDirs()
	}
	require.NoError(t, d.Close())
	return dir, u, err
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 50_000)
	var seen int64
	archive := archiveOf(
		member{name: "backup_label", kind: tarFile, data: "label"},
		member{name: "base", kind: tarDirectory, edit: func(h *[tarBlock]byte) { copy(h[100:], "0007777 ") }},
		member{name: "base/1", kind: tarFile, data: big, edit: func(h *[tarBlock]byte) { copy(h[100:], "0006777 ") }},
		member{name: "global", kind: tarDirectory},
		member{name: controlFile, kind: tarFile, data: "control"},
	)
	dir, u, err := unpack(t, archive, func(u *unpacker, _ *target) { u.progress = func(_ string, n int64) { seen += n } })
	require.NoError(t, err)
	require.True(t, u.control)
	require.Equal(t, 3, u.files)
	require.Equal(t, int64(5+len(big)+7), u.bytes)
	require.Equal(t, int64(len(archive)), seen)
	got, err := os.ReadFile(filepath.Join(dir, "base/1"))
	require.NoError(t, err)
	require.Equal(t, big, string(got))
	require.NoFileExists(t, filepath.Join(dir, controlFile))
	require.FileExists(t, filepath.Join(dir, controlFileTemp))
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		st, err := d.Info()
		require.NoError(t, err)
		want := vfs.FileMode
		if d.IsDir() {
			want = vfs.DirMode | fs.ModeDir
		}
		require.Equal(t, want, st.Mode(), name)
		return nil
	}))
}

func TestUnpackGroupModes(t *testing.T) {
	t.Parallel()
	dir, _, err := unpack(t, archiveOf(
		member{name: "base", kind: tarDirectory}, member{name: "base/1", kind: tarFile, data: "x"},
	), func(u *unpacker, _ *target) { u.modes = groupModes })
	require.NoError(t, err)
	for name, mode := range map[string]fs.FileMode{"base": 0o750, "base/1": 0o640} {
		st, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, mode, st.Mode().Perm(), name)
	}
}

// TestUnpackHostile: no archive writes outside its directory, twice to one name, or over what is there.
func TestUnpackHostile(t *testing.T) {
	t.Parallel()
	archives := map[string][]byte{
		"file twice":      archiveOf(member{name: "a", kind: tarFile}, member{name: "a", kind: tarFile}),
		"dir twice":       archiveOf(member{name: "a", kind: tarDirectory}, member{name: "a", kind: tarDirectory}),
		"file for dir":    archiveOf(member{name: "a", kind: tarFile}, member{name: "a", kind: tarDirectory}),
		"file below file": archiveOf(member{name: "a", kind: tarFile}, member{name: "a/b", kind: tarFile}),
		"no parent":       archiveOf(member{name: "a/b", kind: tarFile}),
		"marker":          archiveOf(member{name: pgdata.IncompleteMarker, kind: tarFile, data: "x"}),
		"control twice": archiveOf(member{name: "global", kind: tarDirectory},
			member{name: controlFile, kind: tarFile}, member{name: controlFile, kind: tarFile}),
		"through a link":     archiveOf(member{name: "there/file", kind: tarFile, data: "x"}),
		"over a link":        archiveOf(member{name: "there", kind: tarFile, data: "x"}),
		"dir over a link":    archiveOf(member{name: "there", kind: tarDirectory}),
		"link in tablespace": archiveOf(member{name: "l", kind: tarSymlink, link: "/etc"}),
	}
	for name, b := range hostileMembers {
		archives[name] = b
	}
	for name, archive := range archives {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			dir, _, err := unpack(t, archive, func(u *unpacker, tgt *target) {
				require.NoError(t, os.Symlink(outside, filepath.Join(tgt.dir.path, "there")))
				tgt.base = name != "link in tablespace"
			})
			require.Error(t, err)
			t.Log(err)
			left, err := os.ReadDir(outside)
			require.NoError(t, err)
			require.Empty(t, left)
			marked, err := pgdata.IsIncomplete(vfs.OS, dir)
			require.NoError(t, err)
			require.True(t, marked)
		})
	}
}

// FuzzUnpack: whatever the archive, everything stays in the directory.
func FuzzUnpack(f *testing.F) {
	f.Add(archiveOf(member{name: "base", kind: tarDirectory}, member{name: "base/1", kind: tarFile, data: "data"}))
	f.Add(archiveOf(member{name: "there/1", kind: tarFile, data: "data"}))
	for _, b := range hostileMembers {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		outside := t.TempDir()
		dir, _, _ := unpack(t, archive, func(u *unpacker, tgt *target) {
			require.NoError(t, os.Symlink(outside, filepath.Join(tgt.dir.path, "there")))
		})
		for where, want := range map[string]int{outside: 0, filepath.Dir(dir): 1} {
			list, err := os.ReadDir(where)
			require.NoError(t, err)
			require.Len(t, list, want, where)
		}
	})
}

// TestUnpackMadeDirectories: only what we made ourselves may be there before.
func TestUnpackMadeDirectories(t *testing.T) {
	t.Parallel()
	archive := archiveOf(member{name: "pg_wal", kind: tarDirectory}, member{name: "./pg_wal/archive_status", kind: tarDirectory})
	_, _, err := unpack(t, archive, func(_ *unpacker, tgt *target) {
		require.NoError(t, tgt.dir.root.MkdirAll("pg_wal/archive_status", 0o755))
		tgt.made = map[string]bool{"pg_wal": true, "pg_wal/archive_status": true}
	})
	require.NoError(t, err)
	_, _, err = unpack(t, archive, func(_ *unpacker, tgt *target) {
		require.NoError(t, tgt.dir.root.Mkdir("pg_wal", 0o755))
	})
	require.ErrorIs(t, err, fs.ErrExist)
}

func TestChecksumLog(t *testing.T) {
	t.Parallel()
	log := newChecksumLog(ChecksumSHA256)
	add := func(name, data string) ManifestFile {
		h := log.newHash()
		_, _ = h.Write([]byte(data))
		log.add(name, int64(len(data)), h)
		return ManifestFile{Path: name, Size: int64(len(data)), Algorithm: ChecksumSHA256, Checksum: h.Sum(nil)}
	}
	good := add("good", "data")
	wrong := good
	wrong.Size++
	require.ErrorIs(t, log.check(wrong), ErrMismatch)
	wrong = good
	wrong.Checksum = bytes.Repeat([]byte{1}, 32)
	require.ErrorIs(t, log.check(wrong), ErrMismatch)
	wrong = good
	wrong.Algorithm, wrong.Checksum = ChecksumNone, nil
	require.ErrorIs(t, log.check(wrong), ErrMismatch, "no checksum where one was asked for")
	require.NoError(t, log.check(good))
	require.ErrorIs(t, log.check(good), ErrMismatch, "twice")
	require.ErrorIs(t, log.check(ManifestFile{Path: "missing"}), ErrMismatch)
	add("pg_wal/000000010000000000000001", "wal")
	require.NoError(t, log.checkRest())
	add("base/1/2", "more")
	err := log.checkRest()
	require.ErrorIs(t, err, ErrMismatch)
	require.ErrorContains(t, err, "base/1/2")
}

func TestDecompress(t *testing.T) {
	t.Parallel()
	plain := bytes.Repeat([]byte("walmirror "), 100_000)
	writers := map[string]func(io.Writer) io.WriteCloser{
		".gz":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		".lz4": func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
		".zst": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			require.NoError(t, err)
			return z
		},
	}
	for suffix, writer := range writers {
		t.Run(suffix, func(t *testing.T) {
			var b bytes.Buffer
			w := writer(&b)
			_, err := w.Write(plain)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			packed := b.Bytes()
			base, r, err := decompress("16385.tar"+suffix, bytes.NewReader(packed))
			require.NoError(t, err)
			require.Equal(t, "16385", base)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, plain, got)
			require.NoError(t, r.Close())
			for _, cut := range []int{0, 1, len(packed) / 2, len(packed) - 1} {
				_, r, err := decompress("base.tar"+suffix, bytes.NewReader(packed[:cut]))
				if err == nil {
					got, err = io.ReadAll(r)
				}
				require.False(t, err == nil && bytes.Equal(got, plain), "cut at %d", cut)
			}
		})
	}
	for _, name := range []string{"base", "base.tar.bz2", "base.zip", "", ".tar.gz.gz"} {
		_, _, err := decompress(name, strings.NewReader(""))
		require.Error(t, err, name)
	}
}

func TestFileSyncer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newFileSyncer(false)
	for i := range 300 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		require.NoError(t, err)
		require.NoError(t, s.Add(f))
	}
	require.NoError(t, s.Wait())

	s = newFileSyncer(false)
	f, err := os.Create(filepath.Join(dir, "closed"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_ = s.Add(f)
	require.ErrorIs(t, s.Wait(), os.ErrClosed)
}
