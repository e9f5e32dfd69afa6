// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Pages of hash indexes (src/include/access/hash.h).

// Bits of hasho_flag.
const (
	hashOverflowPage      uint16 = 1 << 0 // LH_OVERFLOW_PAGE
	hashBitmapPage        uint16 = 1 << 2 // LH_BITMAP_PAGE
	hashMetaPage          uint16 = 1 << 3 // LH_META_PAGE
	hashNeedsSplitCleanup uint16 = 1 << 6 // LH_BUCKET_NEEDS_SPLIT_CLEANUP
	hashHasDeadTuples     uint16 = 1 << 7 // LH_PAGE_HAS_DEAD_TUPLES
)

const (
	hashNone       = math.MaxUint32 // InvalidBlockNumber, InvalidBucket
	hashPageID     = 0xFF80         // HASHO_PAGE_ID
	hashOpaqueSize = 16
)

// hashOpaque is the special space of a page (HashPageOpaqueData).
//
//	hasho_prevblkno u32, hasho_nextblkno u32, hasho_bucket u32, hasho_flag u16, hasho_page_id u16
type hashOpaque []byte

func hashOpaqueOf(page bufpage.Page) (hashOpaque, error) {
	special := page.Special()
	if len(special) != hashOpaqueSize {
		return nil, errors.New("not a page of a hash index")
	}
	return special, nil
}

func (o hashOpaque) setPrev(block uint32)  { binary.LittleEndian.PutUint32(o, block) }
func (o hashOpaque) setNext(block uint32)  { binary.LittleEndian.PutUint32(o[4:], block) }
func (o hashOpaque) setFlags(flags uint16) { binary.LittleEndian.PutUint16(o[12:], flags) }
func (o hashOpaque) clearFlags(f uint16)   { o.setFlags(binary.LittleEndian.Uint16(o[12:]) &^ f) }

// initHashPage makes a page without items (_hash_pageinit, _hash_initbuf).
func initHashPage(page bufpage.Page, prev, bucket uint32, flags uint16, layout uint8) {
	page.Init(hashOpaqueSize, layout)
	o := hashOpaque(page.Special())
	o.setPrev(prev)
	o.setNext(hashNone)
	binary.LittleEndian.PutUint32(o[8:], bucket)
	o.setFlags(flags)
	binary.LittleEndian.PutUint16(o[14:], hashPageID)
}

// initHashBitmap makes a bitmap page in which all overflow pages are in use (_hash_initbitmapbuffer). size is in bytes.
func initHashBitmap(page bufpage.Page, size int, layout uint8) error {
	initHashPage(page, hashNone, hashNone, hashBitmapPage, layout)
	end := bufpage.HeaderSize + size
	if end > page.Upper() {
		return fmt.Errorf("bitmap of %d bytes", size)
	}
	for i := bufpage.HeaderSize; i < end; i++ {
		page[i] = 0xFF
	}
	page.SetLower(end)
	return nil
}

// setHashBit says in a bitmap page whether an overflow page is in use.
func setHashBit(page bufpage.Page, bit uint32, used bool) error {
	at := bufpage.HeaderSize + uint64(bit/8)
	if at >= uint64(page.SpecialOffset()) || at >= uint64(len(page)) {
		return fmt.Errorf("no bit %d", bit)
	}
	if used {
		page[at] |= 1 << (bit % 8)
	} else {
		page[at] &^= 1 << (bit % 8)
	}
	return nil
}

// hashMeta is the contents of the metapage (HashMetaPageData).
//
//	hashm_magic u32, hashm_version u32, hashm_ntuples f64, hashm_ffactor u16, hashm_bsize u16, hashm_bmsize u16,
//	hashm_bmshift u16, hashm_maxbucket u32, hashm_highmask u32, hashm_lowmask u32, hashm_ovflpoint u32,
//	hashm_firstfree u32, hashm_nmaps u32, hashm_procid u32, hashm_spares u32 * 98,
//	hashm_mapp u32 * (1024, or an eighth of the page's bytes when that is less)
type hashMeta []byte

const (
	hashMagic      = 0x6440640 // HASH_MAGIC
	hashVersion    = 4         // HASH_VERSION
	hashSpares     = 98        // HASH_MAX_SPLITPOINTS
	hashSparesAt   = 52
	hashMapsAt     = hashSparesAt + 4*hashSpares
	hashMaxBitmaps = 1024
)

// hashMetaSize is the size of hashMeta in a page of so many bytes.
func hashMetaSize(page int) int { return (hashMapsAt + 4*min(page/8, hashMaxBitmaps) + 7) &^ 7 }

func hashMetaOf(page bufpage.Page) (hashMeta, error) {
	end := bufpage.HeaderSize + hashMetaSize(len(page))
	if _, err := hashOpaqueOf(page); err != nil || end > page.SpecialOffset() {
		return nil, errors.New("not the metapage of a hash index")
	}
	return hashMeta(page[bufpage.HeaderSize:end]), nil
}

func (m hashMeta) u32(at int) uint32       { return binary.LittleEndian.Uint32(m[at:]) }
func (m hashMeta) setU32(at int, v uint32) { binary.LittleEndian.PutUint32(m[at:], v) }
func (m hashMeta) setU16(at int, v int)    { binary.LittleEndian.PutUint16(m[at:], uint16(v)) }
func (m hashMeta) tuples() float64         { return math.Float64frombits(binary.LittleEndian.Uint64(m[8:])) }
func (m hashMeta) setTuples(n float64)     { binary.LittleEndian.PutUint64(m[8:], math.Float64bits(n)) }
func (m hashMeta) maxBucket() uint32       { return m.u32(24) }
func (m hashMeta) setMaxBucket(v uint32)   { m.setU32(24, v) }
func (m hashMeta) setMasks(high, low uint32) {
	m.setU32(28, high)
	m.setU32(32, low)
}
func (m hashMeta) overflowPoint() uint32     { return m.u32(36) }
func (m hashMeta) setOverflowPoint(v uint32) { m.setU32(36, v) }
func (m hashMeta) setFirstFree(v uint32)     { m.setU32(40, v) }

// addBitmap adds a bitmap page to the list of them.
func (m hashMeta) addBitmap(block uint32) error {
	n := m.u32(44)
	if uint64(n) >= uint64(len(m)-hashMapsAt)/4 {
		return fmt.Errorf("%d bitmap pages", n)
	}
	m.setU32(hashMapsAt+4*int(n), block)
	m.setU32(44, n+1)
	return nil
}

// setSpares writes the number of overflow pages before a split point.
func (m hashMeta) setSpares(point, n uint32) error {
	if point >= hashSpares {
		return fmt.Errorf("no split point %d", point)
	}
	m.setU32(hashSparesAt+4*int(point), n)
	return nil
}

// addSpares counts n overflow pages before the present split point.
func (m hashMeta) addSpares(n uint32) error {
	point := m.overflowPoint()
	if point >= hashSpares {
		return fmt.Errorf("no split point %d", point)
	}
	return m.setSpares(point, m.u32(hashSparesAt+4*int(point))+n)
}

// initHashMeta makes the metapage (_hash_init_metabuffer).
func initHashMeta(page bufpage.Page, p *rmgr.HashInitMetaPage, layout uint8) error {
	initHashPage(page, hashNone, hashNone, hashMetaPage, layout)
	m, err := hashMetaOf(page)
	if err != nil {
		return err
	}
	bitmap := len(page) - bufpage.HeaderSize - hashOpaqueSize
	shift := bits.Len(uint(bitmap)) - 1
	m.setU32(0, hashMagic)
	m.setU32(4, hashVersion)
	m.setU16(16, int(p.FillFactor))
	m.setU16(18, bitmap)
	m.setU16(20, 1<<shift)
	m.setU16(22, shift+3)
	m.setU32(48, p.Proc)

	buckets := hashBuckets(p.Tuples, p.FillFactor)
	point := hashSpareIndex(buckets)
	high := uint32(1)<<ceilLog2(buckets+1) - 1
	m.setMaxBucket(buckets - 1)
	m.setMasks(high, high>>1)
	m.setOverflowPoint(point)
	page.SetLower(bufpage.HeaderSize + len(m))
	return m.setSpares(point, 1)
}
