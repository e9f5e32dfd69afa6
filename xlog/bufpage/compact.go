// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/walmirror/walmirror/xlog"
)

// maxLines is the number of line pointers for which there is room on a page, with nothing else.
const maxLines = (MaxPageSize - HeaderSize) / itemIDSize

// MaxIndexTuples is the number of items that an index page of the size may have (MaxIndexTuplesPerPage).
func MaxIndexTuples(pageSize int) int { return (pageSize - HeaderSize) / (16 + itemIDSize) }

// kept is an item that stays on the page while gaps are closed (itemIdCompactData): its line pointer as it was, and behind
// 32 bits the number of that which it will have.
type kept uint64

func keep(id ItemID, line int) kept { return kept(id) | kept(line)<<32 }

func (k kept) id() ItemID { return ItemID(k) }
func (k kept) line() int  { return int(k >> 32) }

// at is where the item is.
func (k kept) at() int { return k.id().Offset() }

// end is where the item and its padding end.
func (k kept) end() int { return k.at() + MaxAlign(k.id().Len()) }

// compaction gathers what stays on a page, in the order of the line pointers.
type compaction struct {
	page           Page
	upper, special int // of the page
	limit          int // how many items the page may have
	n              int
	sorted         bool // each begins before the one before it
	total          int  // bytes
	placed         int  // how many of the first items are where they will be
	fill           int  // where the last of those begins
	items          [maxLines]kept
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
	c.n, c.sorted, c.total = 0, true, 0
	c.placed, c.fill = 0, c.special
	return c, nil
}

// end gives the compaction back.
func (c *compaction) end() {
	c.page = nil
	compactions.Put(c)
}

// add keeps the item of id, which will be that of line pointer off.
func (c *compaction) add(off int, id ItemID) {
	c.items[c.n] = keep(id, off)
	c.n++
}

// check looks at what is kept, and whether it can be on the page.
func (c *compaction) check() error {
	lower, upper, special := c.page.Lower(), c.upper, c.special
	last, total := special, 0
	for i, item := range c.items[:c.n] {
		at, end := item.at(), item.end()
		if at < upper || end > special {
			return errItem("corrupted line pointer: offset = %d, size = %d", at, item.id().Len())
		}
		if at >= last {
			c.sorted = false
		}
		if c.placed == i && end == c.fill {
			c.placed, c.fill = i+1, at
		}
		last, total = at, total+end-at
	}
	switch c.total = total; {
	case c.n > c.limit:
		return errItem("more than %d", c.limit)
	case total > special-lower:
		return errItem("corrupted lengths: total %d, available space %d", total, special-lower)
	}
	return nil
}

// finish moves the items to the end of the page (compactify_tuples). Nothing outside of where they come to lie changes.
func (c *compaction) finish(d *xlog.Dialect) {
	switch {
	case c.sorted || !d.PageKeepsItemOrder() && c.clear():
		c.move(c.page)
	case d.PageKeepsItemOrder():
		slices.SortFunc(c.items[:c.n], func(a, b kept) int { return b.at() - a.at() })
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
		it := c.items[i]
		if end > to {
			return false
		}
		to += it.end() - it.at()
		end = max(end, it.end())
	}
	return true
}

// move copies the items that are not in their places, and has the line pointers point to them. Those that lie side by side
// are copied at once.
func (c *compaction) move(from Page) {
	p, upper, items := c.page, c.fill, c.items[c.placed:c.n]
	for len(items) > 0 {
		tail := items[0].end()
		head, by := tail, upper-tail
		for len(items) > 0 && items[0].end() == head {
			head = items[0].at()
			p.setLine(items[0].line(), items[0].id()+ItemID(by)) // lp_off is the lowest part
			items = items[1:]
		}
		upper = head + by
		p.put(upper, from[head:tail], head)
	}
	p.SetUpper(upper)
}

// put copies what was at another place to where it comes to lie, unless it is there.
func (p Page) put(at int, content []byte, was int) {
	if at != was {
		copy(p[at:], content)
	}
}

// keepStored keeps every item, makes unused line pointers zero, and counts them. Which line pointers have items is chance,
// so nothing branches on it: a branch that the processor guesses wrong takes longer than all that is done for an item.
func (c *compaction) keepStored() (unused int) {
	n, dirt := 0, ItemID(0)
	lines := c.page[HeaderSize:lineAt(c.page.MaxOffset()+1)]
	for i := 1; len(lines) >= itemIDSize; i++ {
		id := ItemID(binary.LittleEndian.Uint32(lines))
		lines = lines[itemIDSize:]
		c.items[n] = keep(id, i)
		free := number(id.Flags() == Unused)
		dirt |= id & ItemID(-free)
		n += number(id.Len() != 0) &^ free
		unused += free
	}
	if c.n = n; dirt != 0 {
		c.page.clearUnused()
	}
	return unused
}

// number is 1 or 0.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// clearUnused makes unused line pointers zero.
func (p Page) clearUnused() {
	for off := 1; off <= p.MaxOffset(); off++ {
		if p.line(off).Flags() == Unused {
			p.setLine(off, 0)
		}
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
	unused := c.keepStored()
	if err := c.check(); err != nil {
		return err
	}
	c.finish(d)
	if d.PageTruncatesLines() {
		for unused > 0 && p.line(p.MaxOffset()) == 0 {
			unused--
			p.SetLower(p.Lower() - itemIDSize)
		}
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
