// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bytes"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// writeCounter counts the writes of files.
type writeCounter struct {
	vfs.FS
	writes *atomic.Int32
}

type countedFile struct {
	vfs.File
	writes *atomic.Int32
}

func (c writeCounter) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	return countedFile{f, c.writes}, err
}

func (f countedFile) WriteAt(p []byte, offset int64) (int, error) {
	f.writes.Add(1)
	return f.File.WriteAt(p, offset)
}

// TestZerosAhead: little pieces have zeros written behind them, once for many; large pieces, pieces of a segment that was
// there before, and pieces that nobody syncs do not. Never do zeros take the place of log.
func TestZerosAhead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		piece        int
		noSync, left bool
		zeros        bool
	}{
		{name: "little", piece: 1000, zeros: true},
		{name: "large", piece: 64 << 10},
		{name: "not synced", piece: 1000, noSync: true},
		{name: "left by an earlier run", piece: 1000, left: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			name := filepath.Join(path, testSize.Name(1, testSize.Number(testStart))+".partial")
			if test.left {
				require.NoError(t, os.WriteFile(name, make([]byte, testSize), vfs.FileMode))
			}
			var writes atomic.Int32
			d := openTest(t, Config{Path: path, FS: writeCounter{vfs.OS, &writes}, Partial: true, NoSync: test.noSync})
			require.NoError(t, d.Begin(1, testStart))
			total := int(testSize) * 3 / 4 / test.piece * test.piece
			pieces := 0
			for at := 0; at < total; pieces++ {
				require.NoError(t, d.Write(testStart.Add(at), testWAL(1, testStart.Add(at), test.piece)))
				at += test.piece
			}
			want := pieces
			if test.zeros {
				want += (total/zerosAhead + 1) * zerosAhead / len(zeros)
			}
			require.EqualValues(t, want, writes.Load())
			// A large piece and little ones behind it, over what is zeros now.
			for at := total; at < total+100_000; {
				n := []int{10, 3, 50_000, 1}[at%4]
				require.NoError(t, d.Write(testStart.Add(at), testWAL(1, testStart.Add(at), n)))
				at += n
			}
			_, err := d.Sync()
			require.NoError(t, err)
			_, end, _ := d.Resume()
			got, err := os.ReadFile(name)
			require.NoError(t, err)
			written := int(end - testStart)
			require.Len(t, got, int(testSize))
			require.True(t, bytes.Equal(testWAL(1, testStart, written), got[:written]))
			require.True(t, bytes.Equal(make([]byte, int(testSize)-written), got[written:]))
		})
	}
}
