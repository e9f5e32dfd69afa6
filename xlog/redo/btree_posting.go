// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Posting lists of B-trees (src/backend/access/nbtree/nbtdedup.c): a tuple has any number of item pointers behind its
// key. A bit of t_info says that t_tid is not one of them, and a bit of its offset that its block is where in the tuple
// the list begins, and its offset how long that is.
const (
	btreeIsPosting         uint16 = 0x2000 // BT_IS_POSTING
	btreePostingLengthMask uint16 = 0x0FFF // BT_OFFSET_MASK
)

const (
	indexTupleHeader = bufpage.IndexHeaderSize
	maxIndexTuple    = 0x1FFF // bytes, INDEX_SIZE_MASK
	itemPointerSize  = bufpage.TIDSize
)

// btreeItem is item off of a page.
func btreeItem(page bufpage.Page, off int) (bufpage.IndexTuple, error) {
	if tuple := page.IndexTuple(off); tuple != nil {
		return tuple, nil
	}
	return nil, fmt.Errorf("%w %d is no index tuple", bufpage.ErrItem, off)
}

// isPosting tells whether a tuple has a posting list (BTreeTupleIsPosting).
func isPosting(t bufpage.IndexTuple) bool {
	return t.Info()&bufpage.IndexReserved != 0 && t.TID().Offset&btreeIsPosting != 0
}

// postingParts is the size of a tuple without its item pointers, and those: the posting list, or t_tid.
func postingParts(t bufpage.IndexTuple) (keySize int, pointers []byte, err error) {
	if !isPosting(t) {
		if t.Size() > len(t) || t.Size() < indexTupleHeader {
			return 0, nil, fmt.Errorf("%w: tuple of %d bytes", bufpage.ErrItem, t.Size())
		}
		return t.Size(), t[:itemPointerSize], nil
	}
	tid := t.TID()
	begin, n := uint64(tid.Block), uint64(tid.Offset&btreePostingLengthMask)
	end := begin + itemPointerSize*n
	if begin < indexTupleHeader || end > uint64(len(t)) {
		return 0, nil, fmt.Errorf("%w: posting list of %d at %d", bufpage.ErrItem, n, begin)
	}
	return int(begin), t[begin:end], nil
}

// swapPosting puts the item pointer of a new tuple into a posting list of the page, at index at, and the last one of
// that into the tuple (_bt_swap_posting).
func swapPosting(tuple []byte, posting bufpage.IndexTuple, at int) error {
	if len(tuple) < indexTupleHeader || posting == nil || !isPosting(posting) {
		return fmt.Errorf("%w has no posting list to split", bufpage.ErrItem)
	}
	_, list, err := postingParts(posting)
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
func (s *scratch) formPosting(base bufpage.IndexTuple, keySize int, pointers []byte) (bufpage.IndexTuple, error) {
	n, size := len(pointers)/itemPointerSize, keySize
	if n > 1 {
		size = (keySize + len(pointers) + 7) &^ 7
	}
	if n == 0 || n > int(btreePostingLengthMask) || size > maxIndexTuple || keySize > len(base) {
		return nil, fmt.Errorf("%w: posting list of %d, key of %d bytes", bufpage.ErrItem, n, keySize)
	}
	t := bufpage.IndexTuple(s.zeroItem(size))
	copy(t, base[:keySize])
	t.SetSize(size)
	if n == 1 {
		t.SetInfo(t.Info() &^ bufpage.IndexReserved)
		copy(t, pointers)
		return t, nil
	}
	t.SetInfo(t.Info() | bufpage.IndexReserved)
	t.SetTID(bufpage.TID{Block: uint32(keySize), Offset: uint16(n) | btreeIsPosting})
	copy(t[keySize:], pointers)
	return t, nil
}

// shortenPosting makes the tuple that a posting list becomes without the item pointers with the given indexes
// (_bt_update_posting).
func (s *scratch) shortenPosting(t bufpage.IndexTuple, deleted rmgr.Uint16s) (bufpage.IndexTuple, error) {
	if !isPosting(t) {
		return nil, fmt.Errorf("%w has no posting list to shorten", bufpage.ErrItem)
	}
	keySize, list, err := postingParts(t)
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
