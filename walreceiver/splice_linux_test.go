// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSplice: what arrives gets to its place in the file; a file's error is told from a connection's.
func TestSplice(t *testing.T) {
	t.Parallel()
	a, b, err := socketPair("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()

	_, err = b.Write([]byte("abcdef"))
	require.NoError(t, err)
	n, err := splice(a, f, 2, 4)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "01abcd6789", string(got))

	rest := make([]byte, 10)
	n, err = a.Read(rest)
	require.NoError(t, err)
	require.Equal(t, "ef", string(rest[:n]))

	require.NoError(t, a.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = splice(a, f, 0, 1)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, ok := errors.AsType[errFile](err)
	require.False(t, ok)
	require.NoError(t, a.SetReadDeadline(time.Time{}))

	readOnly, err := os.Open(name)
	require.NoError(t, err)
	defer readOnly.Close()
	_, err = b.Write([]byte("gh"))
	require.NoError(t, err)
	n, err = splice(a, readOnly, 0, 2)
	require.Zero(t, n)
	_, ok = errors.AsType[errFile](err)
	require.True(t, ok)
	require.ErrorIs(t, err, unix.EBADF)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)

	require.NoError(t, b.Close())
	_, err = splice(a, f, 0, 1)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, a.Close())
	_, err = splice(a, f, 0, 1)
	require.Error(t, err)
}

// TestSpliceDoesNotAllocate: the log of a message takes no memory of ours.
func TestSpliceDoesNotAllocate(t *testing.T) {
	a, b, err := socketPair("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "f"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer f.Close()
	p := make([]byte, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := b.Write(p); err != nil {
			panic(err)
		}
		if _, err := splice(a, f, 0, len(p)); err != nil {
			panic(err)
		}
	}))
}
