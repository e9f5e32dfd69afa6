// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// ErrStop ends a Scan without an error.
var ErrStop = errors.New("end of scan")

// Scan calls fn for each visible row, in the order of their TIDs. The row is valid during the call; in it others may be
// scanned. An error of fn ends the scan, and is returned unless it is ErrStop.
func (r *Relation) Scan(fn func(row *Row) error) error { return r.scan(nil, fn) }

// ScanVersions calls fn for each version of a row that is there, and tells whether it is visible: others are of
// transactions that are not over or were undone, or are not yet removed.
func (r *Relation) ScanVersions(fn func(row *Row, visible bool) error) error {
	return r.tuples(func(row *Row) error {
		visible, err := r.cat.Visible(row.tuple)
		if err != nil {
			return err
		}
		r.deform(row)
		return fn(row, visible)
	})
}

// scan is Scan of those rows whose tuple match accepts, nil all.
func (r *Relation) scan(match func(bufpage.HeapTuple) bool, fn func(row *Row) error) error {
	return r.tuples(func(row *Row) error {
		if match != nil && !match(row.tuple) {
			return nil
		}
		visible, err := r.cat.Visible(row.tuple)
		if err != nil || !visible {
			return err
		}
		r.deform(row)
		return fn(row)
	})
}

// tuples calls fn for each tuple, which is not deformed yet.
func (r *Relation) tuples(fn func(row *Row) error) error {
	if err := r.checkHeap(); err != nil {
		return err
	}
	blocks, err := r.cat.store.Blocks(r.Locator, xlog.MainFork)
	if err != nil {
		return err
	}
	row := &Row{rel: r}
	page := make(bufpage.Page, r.cat.dialect.BlockSize())
	for block := range blocks {
		if err := r.cat.copyPage(page, r.Locator, block); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		err := row.page(page, block, fn)
		if errors.Is(err, ErrStop) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

// tuplesAt is tuples of those that are at certain places, as far as there are any.
func (r *Relation) tuplesAt(tids []bufpage.TID, fn func(row *Row) error) error {
	if err := r.checkHeap(); err != nil {
		return err
	}
	row := &Row{rel: r}
	page := make(bufpage.Page, r.cat.dialect.BlockSize())
	for i, tid := range tids {
		if i == 0 || tid.Block != tids[i-1].Block {
			if err := r.cat.copyPage(page, r.Locator, tid.Block); err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
		}
		row.TID = tid
		if row.tuple = page.HeapTuple(int(tid.Offset)); row.tuple == nil {
			continue
		}
		if err := fn(row); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

// copyPage reads a block to memory of the reader's own: what the store lends is gone when somebody reads on.
func (c *Catalog) copyPage(page bufpage.Page, loc xlog.RelFileLocator, block uint32) error {
	c.store.Begin()
	buf, err := c.store.Read(loc, xlog.MainFork, block)
	if err != nil {
		return err
	}
	copy(page, buf.Page)
	return nil
}

// page calls fn for each tuple of a page.
func (row *Row) page(page bufpage.Page, block uint32, fn func(row *Row) error) error {
	for off := 1; off <= page.MaxOffset(); off++ {
		if page.ItemID(off).Flags() != bufpage.Normal {
			continue
		}
		row.TID = bufpage.TID{Block: block, Offset: uint16(off)}
		if row.tuple = page.HeapTuple(off); row.tuple == nil {
			return fmt.Errorf("%w: tuple %s", bufpage.ErrItem, row.TID)
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

// Deform takes a tuple apart that was taken from a page, whether visible or not. The row has the tuple's memory.
func (r *Relation) Deform(tuple bufpage.HeapTuple) (*Row, error) {
	if len(tuple) < bufpage.HeapHeaderSize {
		return nil, fmt.Errorf("%w: a tuple of %d bytes", ErrValue, len(tuple))
	}
	row := &Row{rel: r, tuple: tuple}
	r.deform(row)
	return row, row.err
}
