// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"unsafe"

	"github.com/walmirror/walmirror/xlog"
)

// Touched is blocks that are wanted soon, whose pages are brought near to the processor if they are in the cache. That
// takes steps, for each of which the one before gives the address. No step waits for memory: between two of them the
// processor should be busy with something else for a microsecond. Blocks may change and go meanwhile.
type Touched struct {
	blocks []touched
	steps  int // that were made
}

// TouchSteps is how many steps there are. Add is the first.
const TouchSteps = 4

type touched struct {
	slot   **Buffer
	buffer *Buffer // nil when it is not in the cache
	block  uint32
	item   uint16
}

// In bytes: what is taken from memory at once, and how much of each page's beginning is.
const cacheLine, touchedBytes = 64, 320

// Reset leaves no blocks.
func (t *Touched) Reset() { t.blocks, t.steps = t.blocks[:0], 1 }

// Add adds a block, and of its items one that is wanted too, or 0.
func (t *Touched) Add(s *Store, rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32, item uint16) {
	slot := s.slot(rel, fork, block)
	prefetch(unsafe.Pointer(slot), 1)
	t.blocks = append(t.blocks, touched{slot: slot, block: block, item: item})
}

// Step makes the steps up to the n-th that were not made yet.
func (t *Touched) Step(n int) {
	for t.steps < n {
		t.steps++
		for i := range t.blocks {
			switch b := &t.blocks[i]; t.steps {
			case 2:
				b.findBuffer()
			case 3:
				b.findPage()
			case 4:
				b.findItems()
			}
		}
	}
}

func (b *touched) findBuffer() {
	if b.buffer = *b.slot; b.buffer != nil {
		prefetch(unsafe.Pointer(b.buffer), int(unsafe.Sizeof(Buffer{})+cacheLine-1)/cacheLine)
	}
}

// findPage may take another relation's page of the same number for the block's: to be sure would be another step.
func (b *touched) findPage() {
	for b.buffer != nil && b.buffer.Block != b.block {
		b.buffer = b.buffer.chain
	}
	if b.buffer != nil {
		prefetch(unsafe.Pointer(unsafe.SliceData(b.buffer.Page)), touchedBytes/cacheLine)
	}
}

// findItems gets where the next item will be put, and the item that is wanted.
func (b *touched) findItems() {
	if b.buffer == nil {
		return
	}
	page := b.buffer.Page
	b.get(page.Upper() - 2*cacheLine)
	if b.item > 0 {
		b.get(page.ItemID(int(b.item)).Offset())
	}
}

func (b *touched) get(at int) {
	const lines = 3
	page := b.buffer.Page
	prefetch(unsafe.Pointer(&page[max(min(at, len(page)-lines*cacheLine), 0)]), lines)
}
