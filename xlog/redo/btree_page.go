// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Pages of B-trees (src/include/access/nbtree.h).

// Bits of btpo_flags.
const (
	btreeLeaf            uint16 = 1 << 0 // BTP_LEAF
	btreeRoot            uint16 = 1 << 1 // BTP_ROOT
	btreeDeleted         uint16 = 1 << 2 // BTP_DELETED
	btreeMetaPage        uint16 = 1 << 3 // BTP_META
	btreeHalfDead        uint16 = 1 << 4 // BTP_HALF_DEAD
	btreeHasGarbage      uint16 = 1 << 6 // BTP_HAS_GARBAGE
	btreeIncompleteSplit uint16 = 1 << 7 // BTP_INCOMPLETE_SPLIT
	btreeHasFullXid      uint16 = 1 << 8 // BTP_HAS_FULLXID, from 14 on
)

const (
	btreeHighKey    = 1        // P_HIKEY
	btreeMagic      = 0x053162 // BTREE_MAGIC
	btreeOpaqueSize = 16
)

// btreeOpaque is the special space of a page (BTPageOpaqueData).
//
//	btpo_prev u32, btpo_next u32, btpo_level u32, btpo_flags u16, btpo_cycleid u16
//
// Up to 13 a deleted page has the transaction that deleted it in place of its level.
type btreeOpaque []byte

func btreeOpaqueOf(page bufpage.Page) (btreeOpaque, error) {
	special := page.Special()
	if len(special) != btreeOpaqueSize {
		return nil, errors.New("not a page of a B-tree")
	}
	return special, nil
}

func (o btreeOpaque) setPrev(block uint32)  { binary.LittleEndian.PutUint32(o, block) }
func (o btreeOpaque) next() uint32          { return binary.LittleEndian.Uint32(o[4:]) }
func (o btreeOpaque) setNext(block uint32)  { binary.LittleEndian.PutUint32(o[4:], block) }
func (o btreeOpaque) setLevel(level uint32) { binary.LittleEndian.PutUint32(o[8:], level) }
func (o btreeOpaque) flags() uint16         { return binary.LittleEndian.Uint16(o[12:]) }
func (o btreeOpaque) setFlags(flags uint16) { binary.LittleEndian.PutUint16(o[12:], flags) }
func (o btreeOpaque) clearFlags(f uint16)   { o.setFlags(o.flags() &^ f) }
func (o btreeOpaque) setCycleID(id uint16)  { binary.LittleEndian.PutUint16(o[14:], id) }

// firstKey is the number of the first item that is not the high key (P_FIRSTDATAKEY).
func (o btreeOpaque) firstKey() int {
	if o.next() == 0 {
		return btreeHighKey
	}
	return btreeHighKey + 1
}

// writeBtreeMeta fills an empty page as the metapage (BTMetaPageData).
//
//	btm_magic u32, btm_version u32, btm_root u32, btm_level u32, btm_fastroot u32, btm_fastlevel u32,
//	btm_oldest_btpo_xact u32 (btm_last_cleanup_num_delpages from 14 on), pad 4, btm_last_cleanup_num_heap_tuples f64
//	[, btm_allequalimage u8, pad 7 from 13 on]
func writeBtreeMeta(page bufpage.Page, m *rmgr.BtreeMetadata, d *xlog.Dialect) {
	le, b := binary.LittleEndian, page[bufpage.HeaderSize:]
	for i, v := range [...]uint32{btreeMagic, m.Version, m.Root, m.Level, m.FastRoot, m.FastLevel, m.OldestXid} {
		le.PutUint32(b[4*i:], v)
	}
	tuples, size := m.CleanupHeapTuples, 40
	if d.BtreeFullXids() {
		le.PutUint32(b[24:], m.CleanupDeletedPages)
		tuples = -1
	}
	le.PutUint64(b[32:], math.Float64bits(tuples))
	if d.BtreePostings() {
		size = 48
		if m.AllEqualImage {
			b[40] = 1
		}
	}
	btreeOpaque(page.Special()).setFlags(btreeMetaPage)
	page.SetLower(bufpage.HeaderSize + size)
}

// writeBtreeDeleted marks an empty page as deleted (BTPageSetDeleted). It may be used again when no transaction that is
// older than safeXid is left.
func writeBtreeDeleted(page bufpage.Page, safeXid uint64, d *xlog.Dialect) {
	o := btreeOpaque(page.Special())
	if !d.BtreeFullXids() {
		o.setLevel(uint32(safeXid))
		o.setFlags(btreeDeleted)
		return
	}
	o.setFlags(o.flags() | btreeDeleted | btreeHasFullXid)
	binary.LittleEndian.PutUint64(page[bufpage.HeaderSize:], safeXid)
	page.SetLower(bufpage.HeaderSize + 8)
}

// addBtreeTopParent gives a half-dead leaf page its only item, a high key that points to the topmost page of the branch
// that goes.
func addBtreeTopParent(page bufpage.Page, block uint32) error {
	tuple := make(bufpage.IndexTuple, indexTupleHeader)
	tuple.SetTID(bufpage.TID{Block: block})
	tuple.SetInfo(indexTupleHeader | bufpage.IndexReserved)
	_, err := page.AddItem(tuple, btreeHighKey, false, false)
	return err
}

// restoreBtreePage adds to an empty page all its tuples, the last one first (_bt_restore_page). They are the upper part
// of the page as it was.
func restoreBtreePage(page bufpage.Page, tuples rmgr.IndexTuples) error {
	n := 0
	for rest := tuples; len(rest) > 0; n++ {
		var tuple []byte
		if tuple, rest = rest.Next(); len(tuple)%8 != 0 {
			return fmt.Errorf("tuple of %d bytes", len(tuple))
		}
	}
	upper, lower := page.Upper()-len(tuples), page.Lower()+4*n
	if upper < lower {
		return fmt.Errorf("%w: %d tuples, %d bytes, are too many for a page", bufpage.ErrItem, n, len(tuples))
	}
	copy(page[upper:], tuples)
	page.SetLower(lower)
	page.SetUpper(upper)
	for at := upper; n > 0; n-- {
		var tuple []byte
		tuple, tuples = tuples.Next()
		page.SetItemID(n, bufpage.MakeItemID(at, bufpage.Normal, len(tuple)))
		at += len(tuple)
	}
	return nil
}
