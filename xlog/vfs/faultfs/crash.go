// SPDX-License-Identifier: Apache-2.0

package faultfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// Crash returns the filesystem as it may be found after a loss of power at this moment; seed picks one of the ways.
// The result has no faults and no limits. The filesystem itself is not changed.
func (f *FS) Crash(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := crash{luck: newLuck(seed), copies: make(map[*node]*node), names: make(map[*node]map[string]*node)}
	for _, change := range f.journal {
		if c.luck() {
			c.apply(change)
		}
	}
	found := New()
	found.root = c.copy(f.root)
	return found
}

// crash builds the tree that is found.
type crash struct {
	luck   func() bool // whether the next thing survives
	names  map[*node]map[string]*node
	copies map[*node]*node
}

// newLuck draws how likely survival is for each seed beyond the two extremes.
func newLuck(seed uint64) func() bool {
	if seed < 2 {
		return func() bool { return seed == 1 }
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	chance := []float64{0.5, 0.1, 0.9}[seed%3]
	return func() bool { return rng.Float64() < chance }
}

func (c *crash) apply(change nameChange) {
	for _, s := range change {
		set(c.namesOf(s.dir), s.name, s.to)
	}
}

// namesOf is the directory's names after the crash.
func (c *crash) namesOf(dir *node) map[string]*node {
	if c.names[dir] == nil {
		c.names[dir] = maps.Clone(dir.safeNames)
	}
	return c.names[dir]
}

func (c *crash) copy(n *node) *node {
	if done := c.copies[n]; done != nil {
		return done
	}
	found := &node{mode: n.mode}
	c.copies[n] = found
	if n.names == nil {
		found.content = c.survivors(n)
		found.safe, found.shared = found.content, true
		return found
	}
	found.names = make(map[string]*node)
	names := c.namesOf(n)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found.names[name] = c.copy(names[name])
	}
	found.safeNames = maps.Clone(found.names)
	return found
}

// survivors is the content of a file after the crash.
func (c *crash) survivors(n *node) []byte {
	if len(n.pending) == 0 {
		n.shared = true
		return n.safe
	}
	content := slices.Clone(n.safe)
	for _, change := range n.pending {
		if change.data == nil {
			if c.luck() {
				content = apply(content, change)
			}
			continue
		}
		for piece := range change.sectors {
			if c.luck() {
				content = apply(content, piece)
			}
		}
	}
	return content
}

// sectors cuts a write where sectors end.
func (c change) sectors(yield func(change) bool) {
	for len(c.data) > 0 {
		n := min(sector-int(c.offset%sector), len(c.data))
		if !yield(change{c.offset, c.data[:n]}) {
			return
		}
		c.offset += int64(n)
		c.data = c.data[n:]
	}
}
