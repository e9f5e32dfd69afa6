// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"slices"

	"github.com/walmirror/walmirror/xlog"
)

// maxItems is the number of items that an index page may have, of the greatest size (MaxIndexTuplesPerPage). A heap
// page has fewer.
const maxItems = (MaxPageSize - HeaderSize) / (16 + itemIDSize)

// MaxIndexTuples is the number of items that an index page of the size may have (MaxIndexTuplesPerPage).
func MaxIndexTuples(pageSize int) int { return (pageSize - HeaderSize) / (16 + itemIDSize) }

// kept is an item that stays on the page while gaps are closed (itemIdCompactData).
type kept struct {
	line   uint16 // its line pointer
	at     uint16 // where it is
	length uint16 // bytes, aligned
}

// compaction gathers what stays on a page, in the order of the line pointers.
type compaction struct {
	page   Page
	limit  int // how many items the page may have
	n      int
	last   int  // where the last item begins
	sorted bool // each begins before the one before it
	total  int  // bytes
	items  [maxItems]kept
}

// begin checks the page.
func (c *compaction) begin(p Page, limit int) error {
	c.page, c.limit, c.last, c.sorted = p, limit, p.SpecialOffset(), true
	return p.checkAligned()
}

// add keeps the item of id, which will be that of line pointer off.
func (c *compaction) add(off int, id ItemID) error {
	at, length := id.Offset(), MaxAlign(id.Len())
	if at < c.page.Upper() || at+length > c.page.SpecialOffset() {
		return errItem("corrupted line pointer: offset = %d, size = %d", at, id.Len())
	}
	if c.n == c.limit {
		return errItem("more than %d", c.n)
	}
	c.sorted = c.sorted && at < c.last
	c.last = at
	c.items[c.n] = kept{uint16(off), uint16(at), uint16(length)}
	c.n++
	c.total += length
	return nil
}

// check says whether what is kept can be on the page.
func (c *compaction) check() error {
	if room := c.page.SpecialOffset() - c.page.Lower(); c.total > room {
		return errItem("corrupted lengths: total %d, available space %d", c.total, room)
	}
	return nil
}

// finish moves the items to the end of the page (compactify_tuples). Nothing outside of where they come to lie changes.
func (c *compaction) finish(d *xlog.Dialect) {
	switch {
	case c.sorted:
		c.move(c.page)
	case d.PageKeepsItemOrder():
		slices.SortFunc(c.items[:c.n], func(a, b kept) int { return int(b.at) - int(a.at) })
		c.move(c.page)
	default:
		var room [MaxPageSize]byte
		from, upper := room[:len(c.page)], c.page.Upper()
		copy(from[upper:], c.page[upper:])
		c.move(from)
	}
}

// move copies the items, and has the line pointers point to them. Those that lie side by side are copied at once.
func (c *compaction) move(from Page) {
	p, upper := c.page, c.page.SpecialOffset()
	head, tail := 0, 0 // of from, copied to upper
	for _, it := range c.items[:c.n] {
		at, end := int(it.at), int(it.at+it.length)
		if end != head {
			copy(p[upper:], from[head:tail])
			tail = end
		}
		upper, head = upper-int(it.length), at
		id := p.line(int(it.line))
		p.setLine(int(it.line), MakeItemID(upper, id.Flags(), id.Len()))
	}
	copy(p[upper:], from[head:tail])
	p.SetUpper(upper)
}

// RepairFragmentation closes the gaps between the items of a heap page, and sets or clears the flag that says whether
// there are free line pointers (PageRepairFragmentation). After an error items are where they were.
func (p Page) RepairFragmentation(d *xlog.Dialect) error {
	var c compaction
	if err := c.begin(p, MaxHeapTuples(len(p))); err != nil {
		return err
	}
	unused, last, lines := 0, 0, p.MaxOffset()
	for off := 1; off <= lines; off++ {
		id := p.line(off)
		if id.Flags() == Unused {
			p.setLine(off, 0)
			unused++
			continue
		}
		last = off
		if id.Len() == 0 {
			continue
		}
		if err := c.add(off, id); err != nil {
			return err
		}
	}
	if err := c.check(); err != nil {
		return err
	}
	c.finish(d)
	if d.PageTruncatesLines() {
		unused -= lines - last
		p.SetLower(p.Lower() - itemIDSize*(lines-last))
	}
	p.setFreeLines(unused > 0)
	return nil
}

// TruncateLines removes unused line pointers from the end, but never all, and sets or clears the flag that says whether
// there are free ones (PageTruncateLinePointerArray, from PostgreSQL 14 on).
func (p Page) TruncateLines() {
	n := p.MaxOffset()
	for n > 1 && p.line(n).Flags() == Unused {
		n--
	}
	p.SetLower(p.Lower() - itemIDSize*(p.MaxOffset()-n))
	p.setFreeLines(p.hasUnused(n))
}

// setFreeLines says whether there are free line pointers.
func (p Page) setFreeLines(are bool) {
	if are {
		p.SetFlags(p.Flags() | HasFreeLines)
	} else {
		p.SetFlags(p.Flags() &^ HasFreeLines)
	}
}
