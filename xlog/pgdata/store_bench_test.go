// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// BenchmarkFind looks for pages of thirty relations that are all in the cache, in an order as that of catalog changes.
func BenchmarkFind(b *testing.B) {
	s := newStore(b, testDir(b, vfs.OS, b.TempDir(), false), StoreConfig{})
	const relations, blocks = 30, 50
	for i := range relations {
		require.NoError(b, s.Extend(rel(1000+i), xlog.MainFork, blocks))
	}
	for i := 0; b.Loop(); i++ {
		s.Begin()
		buf, err := s.Find(rel(1000+i%relations), xlog.MainFork, uint32(i*7%blocks))
		if err != nil || buf == nil {
			b.Fatal(err)
		}
		buf.MarkDirty()
	}
}

// BenchmarkCreateDrop makes a relation with three pages in two forks, and drops it.
func BenchmarkCreateDrop(b *testing.B) {
	s := newStore(b, testDir(b, vfs.OS, b.TempDir(), false), StoreConfig{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Begin()
		r := rel(1000 + i)
		for block := range uint32(2) {
			buf, err := s.Zero(r, xlog.MainFork, block)
			if err != nil {
				b.Fatal(err)
			}
			buf.MarkDirty()
		}
		buf, err := s.Zero(r, xlog.FSMFork, 0)
		if err != nil {
			b.Fatal(err)
		}
		buf.MarkDirty()
		if err := s.Drop(r); err != nil {
			b.Fatal(err)
		}
	}
}
