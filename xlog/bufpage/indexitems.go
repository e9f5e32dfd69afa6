// SPDX-License-Identifier: Apache-2.0

package bufpage

import "github.com/walmirror/walmirror/xlog"

// indexItem finds an item that is to be removed or replaced: where it is, and its length in bytes, aligned.
func (p Page) indexItem(off int) (at, length int, err error) {
	if err := p.checkAligned(); err != nil {
		return 0, 0, err
	}
	if off < 1 || off > p.MaxOffset() {
		return 0, 0, errItem("invalid index offset %d of %d", off, p.MaxOffset())
	}
	return p.placed(p.line(off))
}

// placed checks where a line pointer of an index points to.
func (p Page) placed(id ItemID) (at, length int, err error) {
	at, length = id.Offset(), id.Len()
	if at < p.Upper() || at+length > p.SpecialOffset() || at != MaxAlign(at) {
		return 0, 0, errItem("corrupted line pointer: offset = %d, size = %d", at, length)
	}
	return at, MaxAlign(length), nil
}

// shift moves what lies before at up by n bytes, and has the first lines line pointers of items up to there follow;
// those without storage too if all is set.
func (p Page) shift(at, n, lines int, all bool) {
	upper := p.Upper()
	copy(p[upper+n:], p[upper:at])
	p.SetUpper(upper + n)
	for off := 1; off <= lines; off++ {
		if id := p.line(off); (all || id.Len() != 0) && id.Offset() <= at {
			p.setLine(off, MakeItemID(id.Offset()+n, id.Flags(), id.Len()))
		}
	}
}

// IndexDelete removes an item and its line pointer; those behind move up (PageIndexTupleDelete). After an error the
// page is as before; that holds for all the methods here.
func (p Page) IndexDelete(off int) error {
	at, length, err := p.indexItem(off)
	if err != nil {
		return err
	}
	lines := p.MaxOffset()
	copy(p[lineAt(off):], p[lineAt(off+1):p.Lower()])
	p.SetLower(p.Lower() - itemIDSize)
	p.shift(at, length, lines-1, true)
	return nil
}

// few is the number of items up to which they are removed one by one, as the server does it.
const few = 2

// IndexMultiDelete removes items and their line pointers (PageIndexMultiDelete). offs are in ascending order.
func (p Page) IndexMultiDelete(d *xlog.Dialect, offs []uint16) error {
	if len(offs) <= few {
		return p.deleteFew(offs)
	}
	c, err := beginCompaction(p, MaxIndexTuples(len(p)))
	if err != nil {
		return err
	}
	defer c.end()
	if err := c.allBut(offs); err != nil {
		return err
	}
	p.deleteLines(offs)
	c.finish(d)
	return nil
}

func (p Page) deleteFew(offs []uint16) error {
	for i := len(offs) - 1; i >= 0; i-- {
		if err := p.IndexDelete(int(offs[i])); err != nil {
			return err
		}
	}
	return nil
}

// allBut keeps all items but those of offs.
func (c *compaction) allBut(offs []uint16) error {
	for off := 1; off <= c.page.MaxOffset(); off++ {
		id := c.page.line(off)
		if _, _, err := c.page.placed(id); err != nil {
			return err
		}
		if len(offs) > 0 && off == int(offs[0]) {
			offs = offs[1:]
			continue
		}
		c.add(c.n+1, id)
	}
	if len(offs) > 0 {
		return errItem("incorrect index offsets, the first of them %d", offs[0])
	}
	return c.check()
}

// deleteLines removes line pointers, of which there are, in ascending order.
func (p Page) deleteLines(offs []uint16) {
	to := int(offs[0])
	for i, off := range offs {
		next := p.MaxOffset() + 1
		if i+1 < len(offs) {
			next = int(offs[i+1])
		}
		copy(p[lineAt(to):], p[lineAt(int(off)+1):lineAt(next)])
		to += next - int(off) - 1
	}
	p.SetLower(lineAt(to))
}

// IndexDeleteNoCompact removes an item, and makes its line pointer unused, or removes that too when it is the last
// (PageIndexTupleDeleteNoCompact).
func (p Page) IndexDeleteNoCompact(off int) error {
	at, length, err := p.indexItem(off)
	if err != nil {
		return err
	}
	lines := p.MaxOffset()
	if off < lines {
		p.setLine(off, 0)
	} else {
		p.SetLower(p.Lower() - itemIDSize)
		lines--
	}
	p.shift(at, length, lines, false)
	return nil
}

// IndexOverwrite replaces an item by another in its place (PageIndexTupleOverwrite).
func (p Page) IndexOverwrite(d *xlog.Dialect, off int, item []byte) error {
	at, length, err := p.indexItem(off)
	if err != nil {
		return err
	}
	grow := MaxAlign(len(item)) - length
	if grow > p.Upper()-p.Lower() || len(item) > maxLineOffset {
		return errItem("no room for %d bytes instead of %d", len(item), length)
	}
	if grow != 0 {
		p.shift(at, -grow, p.MaxOffset(), false)
	}
	flags := Normal
	if d.PageOverwriteKeepsState() {
		flags = p.line(off).Flags()
	}
	p.setLine(off, MakeItemID(at-grow, flags, len(item)))
	copy(p[at-grow:], item)
	return nil
}
