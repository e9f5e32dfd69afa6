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
	c := crash{survival: newSurvival(seed), copies: make(map[*node]*node), names: make(map[*node]map[string]*node)}
	for i, change := range f.journal {
		if c.name(len(f.journal) - i - 1) {
			c.apply(change)
		}
	}
	found := New()
	found.root = c.copy(f.root)
	return found
}

// crash builds the tree that is found.
type crash struct {
	survival
	names  map[*node]map[string]*node
	copies map[*node]*node
}

// survival decides what is found of that which was not synced.
type survival struct {
	name func(younger int) bool // a change of names after which there were so many others
	data func() bool            // a sector or a length
}

func newSurvival(seed uint64) survival {
	always := func() bool { return true }
	never := func() bool { return false }
	switch seed {
	case 0:
		return survival{func(int) bool { return false }, never}
	case 1:
		return survival{func(int) bool { return true }, always}
	case 2:
		return survival{func(int) bool { return true }, never}
	case 3:
		return survival{func(younger int) bool { return younger == 0 }, always}
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	chance := []float64{0.5, 0.1, 0.9}[seed%3]
	luck := func() bool { return rng.Float64() < chance }
	return survival{func(int) bool { return luck() }, luck}
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
			if c.data() {
				content = apply(content, change)
			}
			continue
		}
		for piece := range change.sectors {
			if c.data() {
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
