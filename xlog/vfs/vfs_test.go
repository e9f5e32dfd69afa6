// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPreallocate(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "f")
	f, err := OS.OpenFile(name, os.O_RDWR|os.O_CREATE, FileMode)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("kept"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Preallocate(100_000))
	require.NoError(t, f.Preallocate(10), "it never shortens")
	require.NoError(t, f.Sync())
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, append([]byte("kept"), make([]byte, 100_000-4)...), content)
}

func TestWriteZeros(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte("kept"), FileMode))
	f, err := OS.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	const size = 2*zeroChunk + 5
	require.NoError(t, writeZeros(f, 4, size))
	require.NoError(t, writeZeros(f, size, 4), "nothing to do")
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, bytes.Equal(append([]byte("kept"), make([]byte, size-4)...), content))
}

func TestSyncDir(t *testing.T) {
	t.Parallel()
	require.NoError(t, OS.SyncDir(t.TempDir()))
	require.Error(t, OS.SyncDir(filepath.Join(t.TempDir(), "none")))
}

func TestExists(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	there, err := Exists(OS, name)
	require.NoError(t, err)
	require.False(t, there)
	require.NoError(t, os.WriteFile(name, nil, FileMode))
	for _, name := range []string{name, dir} {
		there, err = Exists(OS, name)
		require.NoError(t, err)
		require.True(t, there)
	}
	there, err = Exists(OS, filepath.Join(name, "below"))
	require.Error(t, err, "what cannot be known is an error")
	require.False(t, there)
}

const lockHelper = "WALMIRROR_TEST_LOCK"

// TestMain lets the test program be the process that holds a lock.
func TestMain(m *testing.M) {
	name := os.Getenv(lockHelper)
	if name == "" {
		os.Exit(m.Run())
	}
	if _, err := OS.(Locker).Lock(name); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed or the test ends
}

func TestLockEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), lockHelper+"="+name)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	_, err = holder.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line := make([]byte, 7)
	_, err = out.Read(line)
	require.NoError(t, err)
	require.Equal(t, "locked\n", string(line))

	_, err = OS.(Locker).Lock(name)
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	require.ErrorIs(t, err, ErrLocked)
	require.Equal(t, holder.Process.Pid, locked.PID)
	require.Contains(t, err.Error(), fmt.Sprint(holder.Process.Pid))

	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait()
	held, err := OS.(Locker).Lock(name)
	require.NoError(t, err)
	require.NoError(t, held.Close())
}
