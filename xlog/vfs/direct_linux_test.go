// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestDirect: blocks written around the cache are read through it.
func TestDirect(t *testing.T) {
	t.Parallel()
	fsys := OS.(DirectFS)
	name := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("block..."), 3*DirectBlock/8)
	require.NoError(t, os.WriteFile(name, make([]byte, len(want)), FileMode))
	_, err := fsys.OpenDirect(name + "missing")
	require.ErrorIs(t, err, fs.ErrNotExist)
	f, err := fsys.OpenDirect(name)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("Linux has no direct writes on this filesystem")
	}
	require.NoError(t, err)
	block := DirectBuffer(DirectBlock)
	for at := 0; at < len(want); at += DirectBlock {
		copy(block, want[at:])
		_, err = f.WriteAt(block, int64(at))
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestDirectBuffer(t *testing.T) {
	t.Parallel()
	for size := 1; size < 100_000; size += 4321 {
		b := DirectBuffer(size)
		require.Len(t, b, size)
		require.Zero(t, uintptr(unsafe.Pointer(&b[0]))%DirectBlock)
	}
}
