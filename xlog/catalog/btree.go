// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// Of a B-tree's pages (src/include/access/nbtree.h): the special space is previous u32, next u32, level u32, flags u16,
// cycle u16; the first page, behind its header, begins with magic u32, version u32, root u32.
const (
	btreeMagic      = 0x053162
	btreeOpaque     = 16
	btreeLeaf       = 0x0001 // BTP_LEAF
	btreeIgnored    = 0x0014 // BTP_DELETED, BTP_HALF_DEAD
	btreeAltTID     = 0x2000 // INDEX_ALT_TID_MASK of t_info: the offset of t_tid says something else
	btreePosting    = 0x2000 // BT_IS_POSTING of that offset: there is a list of TIDs
	btreeOffsetMask = 0x0FFF // BT_OFFSET_MASK of that offset: the number of columns, or of TIDs

	maxBtreeDepth = 32 // levels, more than any has
)

var errBtree = fmt.Errorf("%w: B-tree", xlog.ErrCorrupt)

// btree looks up what a B-tree has whose first column is an OID.
type btree struct {
	cat    *Catalog
	loc    xlog.RelFileLocator
	blocks uint32
	page   bufpage.Page // the one that is looked at
}

// lookup finds the TIDs of a key (_bt_search in src/backend/access/nbtree/nbtsearch.c). Some may be of tuples that are
// gone.
func (c *Catalog) lookup(loc xlog.RelFileLocator, key uint32) ([]bufpage.TID, error) {
	blocks, err := c.store.Blocks(loc, xlog.MainFork)
	if err != nil {
		return nil, err
	}
	b := &btree{cat: c, loc: loc, blocks: blocks, page: make(bufpage.Page, c.dialect.BlockSize())}
	tids, err := b.find(key)
	if err != nil {
		err = fmt.Errorf("index %s: %w", loc, err)
	}
	return tids, err
}

func (b *btree) find(key uint32) ([]bufpage.TID, error) {
	if err := b.cat.copyPage(b.page, b.loc, 0); err != nil {
		return nil, err
	}
	meta := b.page[bufpage.HeaderSize:]
	if binary.LittleEndian.Uint32(meta) != btreeMagic {
		return nil, fmt.Errorf("%w: no metapage", errBtree)
	}
	root := binary.LittleEndian.Uint32(meta[8:])
	if root == 0 {
		return nil, nil
	}
	if err := b.descend(root, key); err != nil {
		return nil, err
	}
	return b.collect(key)
}

// descend goes down to the first leaf that may have the key.
func (b *btree) descend(block, key uint32) error {
	for range maxBtreeDepth {
		if err := b.read(block); err != nil {
			return err
		}
		if err := b.moveRight(key); err != nil || b.flags()&btreeLeaf != 0 {
			return err
		}
		block = b.child(key)
	}
	return fmt.Errorf("%w: more than %d levels", errBtree, maxBtreeDepth)
}

// child is the page below that may have the key first.
func (b *btree) child(key uint32) (block uint32) {
	for off := b.first(); off <= b.page.MaxOffset(); off++ {
		t := b.page.IndexTuple(off)
		if t == nil || off > b.first() && !before(t, key) {
			break
		}
		block = t.TID().Block
	}
	return block
}

// collect reads the key's TIDs from the leaf on.
func (b *btree) collect(key uint32) (tids []bufpage.TID, err error) {
	for range b.blocks {
		var past bool
		if tids, past, err = b.collectPage(tids, key); err != nil || past || b.next() == 0 {
			return tids, err
		}
		if err := b.read(b.next()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: its leaves form a ring", errBtree)
}

// collectPage adds the key's TIDs of a leaf; past tells that it has a later key.
func (b *btree) collectPage(tids []bufpage.TID, key uint32) (_ []bufpage.TID, past bool, err error) {
	if b.flags()&btreeIgnored != 0 {
		return tids, false, nil
	}
	for off := b.first(); off <= b.page.MaxOffset(); off++ {
		t := b.page.IndexTuple(off)
		if t == nil || before(t, key) {
			continue
		}
		if keyOf(t) != key {
			return tids, true, nil
		}
		if tids, err = appendTIDs(tids, t); err != nil {
			return nil, false, err
		}
	}
	return tids, false, nil
}

// read reads a page of the tree.
func (b *btree) read(block uint32) error {
	if block == 0 {
		return fmt.Errorf("%w: a pointer to the metapage", errBtree)
	}
	if err := b.cat.copyPage(b.page, b.loc, block); err != nil {
		return err
	}
	if len(b.page.Special()) != btreeOpaque {
		return fmt.Errorf("%w: block %d is no page of it", errBtree, block)
	}
	return nil
}

// moveRight goes on to the page that has the key when the one that was pointed to was split or is deleted
// (_bt_moveright).
func (b *btree) moveRight(key uint32) error {
	for range b.blocks {
		high := b.page.IndexTuple(1)
		if b.next() == 0 || b.flags()&btreeIgnored == 0 && (high == nil || !before(high, key)) {
			return nil
		}
		if err := b.read(b.next()); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: its pages form a ring", errBtree)
}

func (b *btree) next() uint32  { return binary.LittleEndian.Uint32(b.page.Special()[4:]) }
func (b *btree) flags() uint16 { return binary.LittleEndian.Uint16(b.page.Special()[12:]) }

// first is the number of the first item: before it, on all pages but the rightmost, is the high key.
func (b *btree) first() int {
	if b.next() == 0 {
		return 1
	}
	return 2
}

// keyOf is the first column.
func keyOf(t bufpage.IndexTuple) uint32 {
	if len(t) < bufpage.IndexHeaderSize+4 {
		return 0
	}
	return binary.LittleEndian.Uint32(t[bufpage.IndexHeaderSize:])
}

// before tells whether a tuple stands before the first with a key. One without columns stands before all.
func before(t bufpage.IndexTuple, key uint32) bool {
	truncated := t.Info()&btreeAltTID != 0 && t.TID().Offset&(btreePosting|btreeOffsetMask) == 0
	return truncated || keyOf(t) < key
}

// appendTIDs adds a leaf's tuple's TID, or those of its list.
func appendTIDs(tids []bufpage.TID, t bufpage.IndexTuple) ([]bufpage.TID, error) {
	tid := t.TID()
	if t.Info()&btreeAltTID == 0 || tid.Offset&btreePosting == 0 {
		return append(tids, tid), nil
	}
	at, n := int(tid.Block), int(tid.Offset&btreeOffsetMask)
	if at > len(t) || n*bufpage.TIDSize > len(t)-at {
		return nil, fmt.Errorf("%w: a list of %d TIDs in %d bytes", errBtree, n, len(t))
	}
	for i := range n {
		tids = append(tids, bufpage.GetTID(t[at+i*bufpage.TIDSize:]))
	}
	return tids, nil
}
