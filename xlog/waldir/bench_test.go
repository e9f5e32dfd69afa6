// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

const benchPiece = 128 << 10 // what a server sends at once

// BenchmarkWriteSync measures a stream with Sync running beside it all the time, in both layouts.
//
// Compare with BenchmarkPlain: go test -run - -bench 'WriteSync|Plain' -benchtime 1024x ./xlog/waldir
func BenchmarkWriteSync(b *testing.B) {
	for name, partial := range map[string]bool{"archive": true, "data directory": false} {
		b.Run(name, func(b *testing.B) { benchWriteSync(b, partial) })
	}
}

func benchWriteSync(b *testing.B, partial bool) {
	d, err := Open(Config{Path: b.TempDir(), Partial: partial})
	require.NoError(b, err)
	defer d.Close()
	size := d.size
	lsn := size.Start(1)
	require.NoError(b, d.Begin(1, lsn))
	wake, done := make(chan struct{}, 1), make(chan error, 1)
	go func() { done <- syncWhenWoken(d, wake) }()
	piece := make([]byte, benchPiece)
	b.SetBytes(benchPiece)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, d.Write(lsn, piece))
		lsn = lsn.Add(len(piece))
		select {
		case wake <- struct{}{}:
		default:
		}
		if size.Offset(lsn) == 0 {
			_, err := d.RemoveBefore(lsn - 1)
			require.NoError(b, err)
		}
	}
	close(wake)
	require.NoError(b, <-done)
	_, err = d.Sync()
	require.NoError(b, err)
}

func syncWhenWoken(d *Dir, wake <-chan struct{}) error {
	for range wake {
		if _, err := d.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkPlain does what dd would: the same files preallocated, written and fsynced once each, one after the other.
func BenchmarkPlain(b *testing.B) {
	const size = int64(xlog.DefaultSegmentSize)
	name := filepath.Join(b.TempDir(), "segment")
	piece := make([]byte, benchPiece)
	b.SetBytes(benchPiece)
	var f vfs.File
	for offset := size; b.Loop(); offset += benchPiece {
		if offset == size {
			finishPlain(b, f)
			f = beginPlain(b, name, size)
			offset = 0
		}
		_, err := f.WriteAt(piece, offset)
		require.NoError(b, err)
	}
	finishPlain(b, f)
}

func beginPlain(b *testing.B, name string, size int64) vfs.File {
	require.NoError(b, os.RemoveAll(name))
	f, err := vfs.OS.OpenFile(name, os.O_RDWR|os.O_CREATE, vfs.FileMode)
	require.NoError(b, err)
	require.NoError(b, f.Preallocate(size))
	return f
}

func finishPlain(b *testing.B, f vfs.File) {
	if f != nil {
		require.NoError(b, f.Sync())
		require.NoError(b, f.Close())
	}
}
