// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"math/bits"
	"sync"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Buffer is a page in the cache. It may be used until the Store's next Begin.
type Buffer struct {
	Page  bufpage.Page
	Rel   xlog.RelFileLocator
	Block uint32
	Fork  xlog.ForkNumber

	dirty bool // the files do not have it
	used  bool // since the clock's hand passed

	fork       *fork // nil when it holds no page
	chain      *Buffer
	prev, next *Buffer // other pages of the fork
	lent       uint64  // the record that was redone when it was handed out last
	dirtied    uint64  // the record that changed it last
}

// MarkDirty says that the page was changed (MarkBufferDirty).
func (b *Buffer) MarkDirty() {
	r := b.fork.rel
	b.dirtied, b.dirty = r.store.record, true
	r.store.noteChange(r)
}

// MarkDirtyHint says that something was changed that may be lost (MarkBufferDirtyHint in recovery): where pages have
// checksums, or wal_log_hints is on, the change alone does not make the page be written.
func (b *Buffer) MarkDirtyHint() {
	if b.fork.rel.store.keepHints {
		b.MarkDirty()
	}
}

// frames is the memory of the pages, which the garbage collector does not see, and the table by which they are found.
type frames struct {
	memory  []byte
	buffers []Buffer
	free    *Buffer // linked by chain
	used    int     // buffers that hold a page
	table   []*Buffer
	shift   uint // from a hash to an index of table
	hand    int  // of the clock

	fresh     int            // of buffers, the first that was never used
	populated int            // bytes of memory that the kernel has given, or is asked for
	asking    sync.WaitGroup // it is being asked
}

// populateAhead is for how many bytes the kernel is asked at once, by another goroutine, before they are needed.
const populateAhead = 16 << 20

// minFrames is the least number of pages: more than any record refers to.
const minFrames = 256

func (c *frames) init(budget int64, blockSize int) error {
	n := max(int(budget/int64(blockSize)), minFrames)
	memory, err := mapMemory(n * blockSize)
	if err != nil {
		return err
	}
	width := bits.Len(uint(n))
	*c = frames{memory: memory, buffers: make([]Buffer, n), table: make([]*Buffer, 1<<width), shift: uint(64 - width)}
	for i := n - 1; i >= 0; i-- {
		b := &c.buffers[i]
		b.Page = memory[i*blockSize : (i+1)*blockSize : (i+1)*blockSize]
		b.chain, c.free = c.free, b
	}
	return nil
}

func (c *frames) close() error {
	c.asking.Wait()
	memory := c.memory
	*c = frames{}
	return unmapMemory(memory)
}

// populate sees to it that there is memory for the buffers that come into use next, when so many bytes are in use.
func (c *frames) populate(used int) {
	if c.populated == len(c.memory) || c.populated-used >= populateAhead/2 {
		return
	}
	part := c.memory[c.populated:min(c.populated+populateAhead, len(c.memory))]
	c.populated += len(part)
	c.asking.Go(func() { populate(part) })
}

// slot is where the list of pages begins in which a page is.
func (c *frames) slot(loc xlog.RelFileLocator, number xlog.ForkNumber, block uint32) **Buffer {
	h := loc.RelNumber<<32 ^ uint64(loc.Database)<<40 ^ uint64(number)<<30 ^ uint64(block)
	return &c.table[h*0x9E3779B97F4A7C15>>c.shift]
}

// lookup finds a page in the cache.
func (c *frames) lookup(f *fork, block uint32) *Buffer {
	for b := *c.slot(f.rel.loc, f.number, block); b != nil; b = b.chain {
		if b.Block == block && b.fork == f {
			return b
		}
	}
	return nil
}

// occupy makes the first free buffer hold a block.
func (c *frames) occupy(b *Buffer, f *fork, block uint32) {
	c.free = b.chain
	if c.fresh < len(c.buffers) && b == &c.buffers[c.fresh] {
		c.fresh++
		c.populate(c.fresh * len(b.Page))
	}
	b.Rel, b.Fork, b.Block, b.fork = f.rel.loc, f.number, block, f
	slot := c.slot(b.Rel, b.Fork, block)
	b.chain, *slot = *slot, b
	if b.next = f.pages; b.next != nil {
		b.next.prev = b
	}
	f.pages = b
	c.used++
}

// release gives a buffer back, and what was in it up.
func (c *frames) release(b *Buffer) {
	slot := c.slot(b.Rel, b.Fork, b.Block)
	for *slot != b {
		slot = &(*slot).chain
	}
	*slot = b.chain
	if b.prev != nil {
		b.prev.next = b.next
	} else {
		b.fork.pages = b.next
	}
	if b.next != nil {
		b.next.prev = b.prev
	}
	*b = Buffer{Page: b.Page, chain: c.free}
	c.free = b
	c.used--
}

var errAllInUse = errors.New("the cache of pages is too small for the record")
