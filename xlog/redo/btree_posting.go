// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Posting lists of B-trees (src/backend/access/nbtree/nbtdedup.c). An index tuple has a header of 8 bytes,
//
//	t_tid: block u16 (upper half), block u16 (lower half), offset u16; t_info u16
//
// and its size is in the lower bits of t_info. In a tuple with a posting list the block of t_tid says where in the tuple
// the list begins, and the offset how long it is.
const (
	indexTupleHeader        = 8
	itemPointerSize         = 6      // of ItemPointerData
	indexTupleSizeMask      = 0x1FFF // INDEX_SIZE_MASK
	btreeAltPointer         = 0x2000 // INDEX_ALT_TID_MASK, in t_info: t_tid is something else
	btreeIsPosting          = 0x2000 // BT_IS_POSTING, in the offset of t_tid
	btreePostingLengthMask  = 0x0FFF // BT_OFFSET_MASK
	btreeMaxPostingPointers = btreePostingLengthMask
)

// btreeTuple is a tuple of a page.
type btreeTuple []byte

// btreeItem is item off of a page.
func btreeItem(page bufpage.Page, off int) (btreeTuple, error) {
	item := page.Item(off)
	if len(item) < indexTupleHeader {
		return nil, fmt.Errorf("%w %d is no index tuple", bufpage.ErrItem, off)
	}
	return item, nil
}

func (t btreeTuple) info() uint16         { return binary.LittleEndian.Uint16(t[6:]) }
func (t btreeTuple) setInfo(v uint16)     { binary.LittleEndian.PutUint16(t[6:], v) }
func (t btreeTuple) size() int            { return int(t.info() & indexTupleSizeMask) }
func (t btreeTuple) block() uint32        { return uint32(t.u16(0))<<16 | uint32(t.u16(2)) }
func (t btreeTuple) u16(at int) uint16    { return binary.LittleEndian.Uint16(t[at:]) }
func (t btreeTuple) setOffset(off uint16) { binary.LittleEndian.PutUint16(t[4:], off) }

func (t btreeTuple) setBlock(block uint32) {
	binary.LittleEndian.PutUint16(t, uint16(block>>16))
	binary.LittleEndian.PutUint16(t[2:], uint16(block))
}

func (t btreeTuple) setSize(n int) { t.setInfo(t.info()&^indexTupleSizeMask | uint16(n)) }

// isPosting tells whether the tuple has a posting list.
func (t btreeTuple) isPosting() bool {
	return t.info()&btreeAltPointer != 0 && t.u16(4)&btreeIsPosting != 0
}

// parts is the size of the tuple without its item pointers, and those: the posting list, or t_tid.
func (t btreeTuple) parts() (keySize int, pointers []byte, err error) {
	if !t.isPosting() {
		if t.size() > len(t) || t.size() < indexTupleHeader {
			return 0, nil, fmt.Errorf("%w: tuple of %d bytes", bufpage.ErrItem, t.size())
		}
		return t.size(), t[:itemPointerSize], nil
	}
	begin, n := uint64(t.block()), uint64(t.u16(4)&btreePostingLengthMask)
	end := begin + itemPointerSize*n
	if begin < indexTupleHeader || end > uint64(len(t)) {
		return 0, nil, fmt.Errorf("%w: posting list of %d at %d", bufpage.ErrItem, n, begin)
	}
	return int(begin), t[begin:end], nil
}

// swapPosting puts the item pointer of a new tuple into a posting list of the page, at index at, and the last one of
// that into the tuple (_bt_swap_posting).
func swapPosting(tuple, posting []byte, at int) error {
	if len(tuple) < indexTupleHeader || len(posting) < indexTupleHeader || !btreeTuple(posting).isPosting() {
		return fmt.Errorf("%w has no posting list to split", bufpage.ErrItem)
	}
	_, list, err := btreeTuple(posting).parts()
	if err != nil {
		return err
	}
	n := len(list) / itemPointerSize
	if at <= 0 || at >= n {
		return fmt.Errorf("posting list tuple with %d items cannot be split at offset %d", n, at)
	}
	var last [itemPointerSize]byte
	copy(last[:], list[itemPointerSize*(n-1):])
	gap := list[itemPointerSize*at:]
	copy(gap[itemPointerSize:], gap[:len(gap)-itemPointerSize])
	copy(gap[:itemPointerSize], tuple)
	copy(tuple, last[:])
	return nil
}

// formPosting makes a tuple of the key of base, its first keySize bytes, and a number of item pointers
// (_bt_form_posting).
func (s *scratch) formPosting(base btreeTuple, keySize int, pointers []byte) (btreeTuple, error) {
	n := len(pointers) / itemPointerSize
	size := keySize
	if n > 1 {
		size = (keySize + len(pointers) + 7) &^ 7
	}
	if n == 0 || n > btreeMaxPostingPointers || size > indexTupleSizeMask || keySize > len(base) {
		return nil, fmt.Errorf("%w: posting list of %d, key of %d bytes", bufpage.ErrItem, n, keySize)
	}
	t := btreeTuple(s.zeroItem(size))
	copy(t, base[:keySize])
	t.setSize(size)
	if n == 1 {
		t.setInfo(t.info() &^ btreeAltPointer)
		copy(t, pointers)
		return t, nil
	}
	t.setInfo(t.info() | btreeAltPointer)
	t.setBlock(uint32(keySize))
	t.setOffset(uint16(n) | btreeIsPosting)
	copy(t[keySize:], pointers)
	return t, nil
}

// shortenPosting makes the tuple that a posting list becomes without the item pointers with the given indexes
// (_bt_update_posting).
func (s *scratch) shortenPosting(t btreeTuple, deleted rmgr.Uint16s) (btreeTuple, error) {
	if !t.isPosting() {
		return nil, fmt.Errorf("%w has no posting list to shorten", bufpage.ErrItem)
	}
	keySize, list, err := t.parts()
	if err != nil {
		return nil, err
	}
	s.pointers = s.pointers[:0]
	next := 0
	for i := 0; len(list) > 0; i++ {
		if next < deleted.Len() && int(deleted.At(next)) == i {
			next++
		} else {
			s.pointers = append(s.pointers, list[:itemPointerSize]...)
		}
		list = list[itemPointerSize:]
	}
	if next != deleted.Len() {
		return nil, fmt.Errorf("%w: the posting list has not all that goes", bufpage.ErrItem)
	}
	return s.formPosting(t, keySize, s.pointers)
}
