// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// A posting list (GinPostingList in src/include/access/ginblock.h, src/backend/access/gin/ginpostinglist.c) is a number
// of item pointers in ascending order: the first as it is, of each other the distance from the one before, 7 bits a
// byte, the lowest first, the eighth bit set when more bytes follow. For that an item pointer is a number: the block and,
// in the lowest 11 bits, the offset.
//
//	first ItemPointerData, nbytes u16, bytes, pad to 2

const (
	ginOffsetBits    = 11 // MaxHeapTuplesPerPageBits
	ginMaxVarbyte    = 7  // MaxBytesPerInteger
	ginPostingHeader = itemPointerSize + 2
)

var errPosting = errors.New("invalid posting list")

// nextGinPosting cuts a list off the lists of a page.
func nextGinPosting(lists []byte) (list, rest []byte, err error) {
	if len(lists) < ginPostingHeader {
		return nil, nil, errPosting
	}
	n := int(binary.LittleEndian.Uint16(lists[itemPointerSize:]))
	n = ginPostingHeader + n + n&1
	if n > len(lists) {
		return nil, nil, errPosting
	}
	return lists[:n:n], lists[n:], nil
}

func ginItemNumber(pointer []byte) (uint64, error) {
	t := bufpage.GetTID(pointer)
	if t.Offset>>ginOffsetBits != 0 {
		return 0, errPosting
	}
	return uint64(t.Block)<<ginOffsetBits | uint64(t.Offset), nil
}

// appendGinItems appends the items of a list to dst.
func appendGinItems(dst []uint64, list []byte) ([]uint64, error) {
	v, err := ginItemNumber(list)
	if err != nil {
		return dst, err
	}
	dst = append(dst, v)
	n := int(binary.LittleEndian.Uint16(list[itemPointerSize:]))
	for b := list[ginPostingHeader : ginPostingHeader+n]; len(b) > 0; {
		delta, n := ginVarbyte(b)
		if n == 0 {
			return dst, errPosting
		}
		b = b[n:]
		v += delta
		dst = append(dst, v)
	}
	return dst, nil
}

// ginVarbyte reads a distance and tells its length, 0 when it is not one.
func ginVarbyte(b []byte) (v uint64, n int) {
	for n < len(b) && n < ginMaxVarbyte {
		c := b[n]
		v |= uint64(c&0x7F) << (7 * n)
		n++
		if c&0x80 == 0 {
			return v, n
		}
	}
	return 0, 0
}

// appendGinPosting appends the list of items to dst (ginCompressPostingList). Items that are not in ascending order are
// an error.
func appendGinPosting(dst []byte, items []uint64) ([]byte, error) {
	start, last := len(dst), items[0]
	var head [ginPostingHeader]byte
	bufpage.TID{Block: uint32(last >> ginOffsetBits), Offset: uint16(last & (1<<ginOffsetBits - 1))}.Put(head[:])
	dst = append(dst, head[:]...)
	for _, v := range items[1:] {
		if v <= last {
			return dst, errPosting
		}
		dst = binary.AppendUvarint(dst, v-last)
		last = v
	}
	n := len(dst) - start - ginPostingHeader
	if n > 0xFFFF {
		return dst, errPosting
	}
	binary.LittleEndian.PutUint16(dst[start+itemPointerSize:], uint16(n))
	if n%2 != 0 {
		dst = append(dst, 0)
	}
	return dst, nil
}

// mergeGinItems appends to items, which are in ascending order, those of both, without duplicates, and gives what it
// appended (ginMergeItemPointers).
func mergeGinItems(items []uint64, more rmgr.ItemPointers) (all, merged []uint64, err error) {
	n := len(items)
	all = items
	for i := range more.Len() {
		p := more.At(i)
		if p.Offset>>ginOffsetBits != 0 {
			return all, nil, errPosting
		}
		all = append(all, uint64(p.Block)<<ginOffsetBits|uint64(p.Offset))
	}
	a, b := all[:n:n], all[n:len(all):len(all)]
	begin := len(all)
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			if a[0] == b[0] {
				b = b[1:]
			}
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	all = append(append(all, a...), b...)
	return all, all[begin:], nil
}
