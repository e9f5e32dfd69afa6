// SPDX-License-Identifier: Apache-2.0

package pgdata

import "github.com/walmirror/walmirror/xlog"

// BlockID says which block of which fork.
type BlockID struct {
	Rel   xlog.RelFileLocator
	Fork  xlog.ForkNumber
	Block uint32
}

// touchAtOnce is how many pages are touched at a time: what the processor can wait for at once.
const touchAtOnce = 32

// In bytes: what is taken from memory at once, and how much of each page's beginning is.
const cacheLine, touchedBytes = 64, 320

// Touch brings the beginnings of pages that are in the cache near to the processor. Each step is made for all of them, so
// that it waits for memory once, and not for each page. Pages that are not in the cache are left out. Another relation's
// page of the same number may be taken for one: to be sure would wait for memory once more.
func (s *Store) Touch(blocks []BlockID) {
	for len(blocks) > touchAtOnce {
		s.touch(blocks[:touchAtOnce])
		blocks = blocks[touchAtOnce:]
	}
	s.touch(blocks)
}

func (s *Store) touch(blocks []BlockID) {
	var found [touchAtOnce]*Buffer
	for i := range blocks {
		found[i] = *s.slot(blocks[i].Rel, blocks[i].Fork, blocks[i].Block)
	}
	for i := range blocks {
		b := found[i]
		for b != nil && b.Block != blocks[i].Block {
			b = b.chain
		}
		found[i] = b
	}
	var uppers [touchAtOnce]int
	sum := byte(0)
	for i := range blocks {
		if b := found[i]; b != nil {
			uppers[i] = b.Page.Upper()
			for at := cacheLine; at < touchedBytes; at += cacheLine {
				sum += b.Page[at]
			}
		}
	}
	for i := range blocks {
		if b := found[i]; b != nil {
			sum += b.Page[min(uppers[i], len(b.Page)-1)]
		}
	}
	s.touched += sum
}
