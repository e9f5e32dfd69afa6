// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Pages of Greenplum's bitmap indexes (src/include/access/bitmap.h). Block 0 is the metapage, with BMMetaPageData behind
// the header; LOV pages have values as items, BMLOVItemData each (rmgr.BitmapLOVItem); bitmap pages have words behind
// the header, and no line pointers.
//
//	metapage     magic u32, version u32, lov_heapId u32, lov_indexId u32, lov_lastpage u32
//	bitmap page  header words u64 * n, content words u64 * m, see xlog.Dialect.BitmapWords
const (
	bitmapMagic    = 0x4249544D // BITMAP_MAGIC
	bitmapVersion  = 2          // BITMAP_VERSION
	bitmapMetaLast = bufpage.HeaderSize + 16
	bitmapLOVSize  = 48
	bitmapWordBits = 64 // BM_HRL_WORD_SIZE
)

// bitmapOpaque is the special space of a bitmap page (BMBitmapOpaqueData).
//
//	hrl_words_used u32, bitmap_next u32, last_tid_location u64
type bitmapOpaque []byte

const bitmapOpaqueSize = 16

func (o bitmapOpaque) setUsed(n uint32)      { binary.LittleEndian.PutUint32(o, n) }
func (o bitmapOpaque) setNext(block uint32)  { binary.LittleEndian.PutUint32(o[4:], block) }
func (o bitmapOpaque) setLastTid(tid uint64) { binary.LittleEndian.PutUint64(o[8:], tid) }

// bitmapPage is a bitmap page taken apart.
type bitmapPage struct {
	headers, words []byte
	bitmapOpaque
}

// bitmapPageOf takes a page apart. content and headers are how many words of either kind it has.
func bitmapPageOf(page bufpage.Page, content, headers int) (b bitmapPage, err error) {
	special := page.Special()
	if len(special) != bitmapOpaqueSize {
		return b, fmt.Errorf("not a bitmap page")
	}
	middle := bufpage.HeaderSize + 8*headers
	return bitmapPage{page[bufpage.HeaderSize:middle], page[middle : middle+8*content], special}, nil
}

// bitmapCopy copies words to a place among others.
func bitmapCopy(dst []byte, at uint16, words rmgr.Uint64s) error {
	if 8*int(at)+len(words) > len(dst) {
		return fmt.Errorf("%d words at %d reach outside the page", words.Len(), at)
	}
	copy(dst[8*int(at):], words)
	return nil
}

// write adds the words of a record.
func (b bitmapPage) write(p rmgr.BitmapPage) error {
	if err := bitmapCopy(b.headers, p.StartHeader, p.HeaderWords); err != nil {
		return err
	}
	if err := bitmapCopy(b.words, p.Start, p.Words); err != nil {
		return err
	}
	b.setLastTid(p.LastTid)
	b.setUsed(uint32(p.Start) + uint32(p.Words.Len()))
	return nil
}

// writeWhole replaces all words. Those of the record are as many as a page has.
func (b bitmapPage) writeWhole(p *rmgr.BitmapWholePage, next uint32) {
	copy(b.words, p.Words)
	copy(b.headers, p.HeaderWords)
	b.setUsed(uint32(p.NumWords))
	b.setLastTid(p.LastTid)
	b.setNext(next)
}

// bitmapLOV is an item of a LOV page, as rmgr.BitmapLOVItem draws it.
type bitmapLOV []byte

func bitmapLOVOf(page bufpage.Page, off uint16) (bitmapLOV, error) {
	item := page.Item(int(off))
	if len(item) < bitmapLOVSize {
		return nil, fmt.Errorf("no LOV item %d", off)
	}
	return item, nil
}

func (l bitmapLOV) setHead(block uint32) { binary.LittleEndian.PutUint32(l, block) }
func (l bitmapLOV) setTail(block uint32) { binary.LittleEndian.PutUint32(l[4:], block) }

// setLast writes the last two words, and what goes with them.
func (l bitmapLOV) setLast(item *rmgr.BitmapLOVItem, lastTid uint64) {
	binary.LittleEndian.PutUint64(l[8:], item.LastCompWord)
	binary.LittleEndian.PutUint64(l[16:], item.LastWord)
	binary.LittleEndian.PutUint64(l[24:], lastTid)
	binary.LittleEndian.PutUint64(l[32:], item.LastSetBit)
	l[40] = item.WordsHeader
}
