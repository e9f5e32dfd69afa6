// SPDX-License-Identifier: Apache-2.0

package faultfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog/vfs"
)

const seeds = 64

func create(t *testing.T, fsys vfs.FS, name string, content []byte) vfs.File {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, vfs.FileMode)
	require.NoError(t, err)
	_, err = f.WriteAt(content, 0)
	require.NoError(t, err)
	return f
}

func read(t *testing.T, fsys vfs.FS, name string) []byte {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	content, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	require.NoError(t, err)
	return content
}

func TestSyncedContentAndNameSurvive(t *testing.T) {
	t.Parallel()
	fsys := New()
	want := bytes.Repeat([]byte{7}, 5000)
	f := create(t, fsys, "a", want)
	require.NoError(t, f.Sync())
	require.Nil(t, read(t, fsys.Crash(0), "a"), "the name was not synced")
	require.NoError(t, fsys.SyncDir("."))
	for seed := range uint64(seeds) {
		require.Equal(t, want, read(t, fsys.Crash(seed), "a"))
	}
}

func TestDisksAreIndependent(t *testing.T) {
	t.Parallel()
	fsys := New()
	f := create(t, fsys, "a", []byte("before"))
	require.NoError(t, f.Sync())
	require.NoError(t, fsys.SyncDir("/"))
	found := fsys.Crash(0)
	_, err := f.WriteAt([]byte("B"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	g := create(t, found, "a", []byte("xx"))
	require.NoError(t, g.Sync())
	require.Equal(t, "Before", string(read(t, fsys.Crash(0), "a")))
	require.Equal(t, "xxfore", string(read(t, found.Crash(0), "a")))
}

func TestUnsyncedWritesTearBySector(t *testing.T) {
	t.Parallel()
	fsys := New()
	f := create(t, fsys, "a", bytes.Repeat([]byte{1}, 4*sector))
	require.NoError(t, f.Sync())
	require.NoError(t, fsys.SyncDir("/"))
	_, err := f.WriteAt(bytes.Repeat([]byte{2}, 2*sector), sector/2)
	require.NoError(t, err)

	torn := make(map[string]bool)
	for seed := range uint64(seeds) {
		got := read(t, fsys.Crash(seed), "a")
		require.Len(t, got, 4*sector)
		require.EqualValues(t, 1, got[0])
		require.EqualValues(t, 1, got[3*sector])
		require.Equal(t, got[sector], got[2*sector-1], "a sector is whole")
		torn[string([]byte{got[sector/2], got[sector], got[2*sector]})] = true
	}
	require.Len(t, torn, 8, "each of three sectors old or new")
	require.Equal(t, bytes.Repeat([]byte{1}, 4*sector), read(t, fsys.Crash(0), "a"))
}

func TestUnsyncedRenameIsDoneOrNot(t *testing.T) {
	t.Parallel()
	fsys := New()
	require.NoError(t, fsys.Mkdir("d", vfs.DirMode))
	require.NoError(t, fsys.SyncDir("/"))
	require.NoError(t, create(t, fsys, "d/old", []byte("x")).Sync())
	require.NoError(t, fsys.SyncDir("d"))
	require.NoError(t, fsys.Rename("d/old", "d/new"))
	require.NoError(t, fsys.Remove("d/new"))
	seen := make(map[string]int)
	for seed := range uint64(seeds) {
		list, err := fsys.Crash(seed).ReadDir("d")
		require.NoError(t, err)
		name := ""
		for _, e := range list {
			name += e.Name()
		}
		seen[name]++
	}
	require.Len(t, seen, 3, "%v", seen)
	require.Contains(t, seen, "old")
	require.Contains(t, seen, "new")
	require.Contains(t, seen, "")
}

func TestFailedSyncDropsPages(t *testing.T) {
	t.Parallel()
	fsys := New()
	f := create(t, fsys, "a", []byte("lost"))
	require.NoError(t, fsys.SyncDir("/"))
	fsys.Fail(Fault{Op: Sync, Times: 1})
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	require.NoError(t, f.Sync(), "the next one succeeds and proves nothing")
	require.Equal(t, []byte("lost"), read(t, fsys, "a"))
	for seed := range uint64(seeds) {
		require.Empty(t, read(t, fsys.Crash(seed), "a"))
	}
}

// TestDirect: a direct write is found after any crash, and makes nothing else safe.
func TestDirect(t *testing.T) {
	t.Parallel()
	fsys := New()
	f := create(t, fsys, "a", bytes.Repeat([]byte{1}, 3*vfs.DirectBlock))
	require.NoError(t, f.Sync())
	require.NoError(t, fsys.SyncDir("/"))
	_, err := f.WriteAt(bytes.Repeat([]byte{2}, 3*vfs.DirectBlock), 0)
	require.NoError(t, err)
	direct, err := fsys.OpenDirect("a")
	require.NoError(t, err)
	want := bytes.Repeat([]byte{3}, vfs.DirectBlock)
	_, err = direct.WriteAt(want, vfs.DirectBlock)
	require.NoError(t, err)
	_, err = direct.WriteAt(want[1:], vfs.DirectBlock)
	require.ErrorIs(t, err, syscall.EINVAL)
	found := make(map[byte]bool)
	for seed := range uint64(seeds) {
		content := read(t, fsys.Crash(seed), "a")
		require.Equal(t, want, content[vfs.DirectBlock:2*vfs.DirectBlock])
		found[content[0]], found[content[2*vfs.DirectBlock]] = true, true
	}
	require.Equal(t, map[byte]bool{1: true, 2: true}, found)
}

func TestSpace(t *testing.T) {
	t.Parallel()
	fsys := New()
	fsys.SetSpace(1000)
	f := create(t, fsys, "a", make([]byte, 900))
	n, err := f.WriteAt(make([]byte, 200), 900)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 100, n)
	require.ErrorIs(t, f.Preallocate(1001), syscall.ENOSPC)
	_, err = f.WriteAt(make([]byte, 1000), 0)
	require.NoError(t, err, "what is allocated can be written again")
	require.NoError(t, fsys.Remove("a"))
	create(t, fsys, "b", make([]byte, 1000))
}

func TestFaults(t *testing.T) {
	t.Parallel()
	fsys := New()
	f := create(t, fsys, "a", nil)
	fsys.Fail(Fault{Op: Write, After: 1, Times: 1, Err: syscall.EDQUOT, Short: 0.5})
	_, err := f.WriteAt([]byte("12345678"), 0)
	require.NoError(t, err)
	n, err := f.WriteAt([]byte("abcdefgh"), 0)
	require.ErrorIs(t, err, syscall.EDQUOT)
	require.Equal(t, 4, n)
	require.Equal(t, []byte("abcd5678"), read(t, fsys, "a"))
	_, err = f.WriteAt([]byte("!"), 0)
	require.NoError(t, err)
}

func TestNothingHappensAfterTheCrash(t *testing.T) {
	t.Parallel()
	fsys := New()
	f := create(t, fsys, "a", []byte("1"))
	require.NoError(t, f.Sync())
	require.NoError(t, fsys.SyncDir("/"))
	fsys.CrashAfter(1)
	_, err := f.WriteAt([]byte("2"), 0)
	require.NoError(t, err)
	require.False(t, fsys.Crashed())
	require.ErrorIs(t, f.Sync(), ErrCrashed)
	require.True(t, fsys.Crashed())
	require.ErrorIs(t, fsys.Rename("a", "b"), ErrCrashed)
	require.Equal(t, []byte("1"), read(t, fsys.Crash(0), "a"))
	require.Equal(t, []byte("2"), read(t, fsys.Crash(1), "a"))
}

func TestErrorsAreThoseOfTheOS(t *testing.T) {
	t.Parallel()
	fsys := New()
	_, err := fsys.OpenFile("none", os.O_RDWR, 0)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = fsys.OpenFile("none/x", os.O_RDWR|os.O_CREATE, 0)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, fsys.Mkdir("d", vfs.DirMode))
	require.ErrorIs(t, fsys.Mkdir("d", vfs.DirMode), fs.ErrExist)
	f := create(t, fsys, "d/f", []byte("x"))
	require.ErrorIs(t, fsys.Remove("d"), syscall.ENOTEMPTY)
	_, err = fsys.OpenFile("d/f", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0)
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = fsys.ReadDir("d/f")
	require.ErrorIs(t, err, syscall.ENOTDIR)
	require.NoError(t, f.Truncate(3))
	require.Equal(t, []byte("x\x00\x00"), read(t, fsys, "d/f"))
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Close(), fs.ErrClosed)
	held, err := fsys.Lock("d/lock")
	require.NoError(t, err)
	_, err = fsys.Lock("d/lock")
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, held.Close())
}
