// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"slices"
	"sync"

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
	page           Page
	upper, special int // of the page
	limit          int // how many items the page may have
	n              int
	last           int  // where the last item begins
	sorted         bool // each begins before the one before it
	total          int  // bytes
	placed         int  // how many of the first items are where they will be
	fill           int  // where the last of those begins
	items          [maxItems]kept
	room           [MaxPageSize]byte
}

// compactions are used again and again: to clear one takes longer than to close the gaps of a page.
var compactions = sync.Pool{New: func() any { return new(compaction) }}

// beginCompaction checks the page. The compaction is to be ended.
func beginCompaction(p Page, limit int) (*compaction, error) {
	if err := p.checkAligned(); err != nil {
		return nil, err
	}
	c := compactions.Get().(*compaction)
	c.page, c.upper, c.special, c.limit = p, p.Upper(), p.SpecialOffset(), limit
	c.n, c.last, c.sorted, c.total = 0, c.special, true, 0
	c.placed, c.fill = 0, c.special
	return c, nil
}

// end gives the compaction back.
func (c *compaction) end() {
	c.page = nil
	compactions.Put(c)
}

// add keeps the item of id, which will be that of line pointer off.
func (c *compaction) add(off int, id ItemID) error {
	at, n := id.Offset(), c.n
	end := at + MaxAlign(id.Len())
	if at < c.upper || end > c.special || n == c.limit || n >= len(c.items) {
		return c.wrong(id)
	}
	if c.placed == n && end == c.fill {
		c.placed, c.fill = n+1, at
	}
	if at >= c.last {
		c.sorted = false
	}
	c.items[n] = kept{uint16(off), uint16(at), uint16(end - at)}
	c.last, c.n, c.total = at, n+1, c.total+end-at
	return nil
}

// wrong says why an item cannot be kept.
func (c *compaction) wrong(id ItemID) error {
	if c.n == c.limit && id.Offset() >= c.upper && id.Offset()+MaxAlign(id.Len()) <= c.special {
		return errItem("more than %d", c.n)
	}
	return errItem("corrupted line pointer: offset = %d, size = %d", id.Offset(), id.Len())
}

// check says whether what is kept can be on the page.
func (c *compaction) check() error {
	if room := c.special - c.page.Lower(); c.total > room {
		return errItem("corrupted lengths: total %d, available space %d", c.total, room)
	}
	return nil
}

// finish moves the items to the end of the page (compactify_tuples). Nothing outside of where they come to lie changes.
func (c *compaction) finish(d *xlog.Dialect) {
	switch {
	case c.sorted || !d.PageKeepsItemOrder() && c.clear():
		c.move(c.page)
	case d.PageKeepsItemOrder():
		slices.SortFunc(c.items[:c.n], func(a, b kept) int { return int(b.at) - int(a.at) })
		c.placed, c.fill = 0, c.special
		c.move(c.page)
	default:
		from := c.room[:len(c.page)]
		copy(from[c.upper:], c.page[c.upper:])
		c.move(from)
	}
}

// clear tells whether no item comes to lie where one is that moves after it.
func (c *compaction) clear() bool {
	to, end := c.special-c.total, 0 // of an item; of those that move after it
	for i := c.n - 1; i >= c.placed; i-- {
		it := &c.items[i]
		if end > to {
			return false
		}
		to += int(it.length)
		end = max(end, int(it.at)+int(it.length))
	}
	return true
}

// move copies the items that are not in their places, and has the line pointers point to them. Those that lie side by side
// are copied at once.
func (c *compaction) move(from Page) {
	p, upper := c.page, c.fill
	head, tail := 0, 0 // of from, copied to upper
	for _, it := range c.items[c.placed:c.n] {
		at, end := int(it.at), int(it.at)+int(it.length)
		if end != head {
			p.put(upper, from[head:tail], head)
			tail = end
		}
		upper, head = upper-int(it.length), at
		id := p.line(int(it.line))
		p.setLine(int(it.line), MakeItemID(upper, id.Flags(), id.Len()))
	}
	p.put(upper, from[head:tail], head)
	p.SetUpper(upper)
}

// put copies what was at another place to where it comes to lie, unless it is there.
func (p Page) put(at int, content []byte, was int) {
	if at != was {
		copy(p[at:], content)
	}
}

// RepairFragmentation closes the gaps between the items of a heap page, and sets or clears the flag that says whether
// there are free line pointers (PageRepairFragmentation). After an error items are where they were.
func (p Page) RepairFragmentation(d *xlog.Dialect) error {
	c, err := beginCompaction(p, MaxHeapTuples(len(p)))
	if err != nil {
		return err
	}
	defer c.end()
	unused, last, lines := 0, 0, p.MaxOffset()
	for off := 1; off <= lines; off++ {
		id := p.line(off)
		switch {
		case id.Flags() == Unused:
			if id != 0 {
				p.setLine(off, 0)
			}
			unused++
			continue
		case id.Len() != 0:
			if err := c.add(off, id); err != nil {
				return err
			}
		}
		last = off
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
