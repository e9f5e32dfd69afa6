// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Uint64s is an array of 64-bit numbers in a record, such as words of a bitmap.
type Uint64s []byte

// Len is the number of items.
func (a Uint64s) Len() int { return len(a) / 8 }

// At is item i.
func (a Uint64s) At(i int) uint64 { return binary.LittleEndian.Uint64(a[8*i:]) }

func (in *input) u64s(n int64) Uint64s { return in.array(n, 8) }

// BitmapInsertWords is xl_bm_bitmapwords: words came to one or more bitmap pages, blocks 1 and on. Block 0 is the LOV
// page.
//
//	relation, num_pages i32, init_first_page u8, lov_blkno u32, lov_offset u16, pad to 8, last_compword u64,
//	last_word u64, lov_words_header u8, pad 7, last_setbit u64
//	blocks 1 to num_pages: see Page
type BitmapInsertWords struct {
	Relation      xlog.RelFileLocator
	NumPages      int32
	InitFirstPage bool   // the first page is new, and the first of the vector
	Block         uint32 // the LOV page
	Offset        uint16
	Item          BitmapLOVItem // but for Head, Tail and LastTidLocation
}

func (p *BitmapInsertWords) decode(in *input) {
	*p = BitmapInsertWords{Relation: in.relation(), NumPages: in.i32(), InitFirstPage: in.bool()}
	in.align(4)
	p.Block, p.Offset = in.u32(), in.u16()
	in.align(8)
	p.Item = BitmapLOVItem{LastCompWord: in.u64(), LastWord: in.u64(), WordsHeader: in.u8()}
	in.align(8)
	p.Item.LastSetBit = in.u64()
	p.checkPages(in)
}

// checkPages fails for a page whose words are not there.
func (p *BitmapInsertWords) checkPages(in *input) {
	for i := range in.body.Blocks {
		b := &in.body.Blocks[i]
		if _, ok := BitmapPageOf(b.Data); b.ID > 0 && b.Data != nil && !ok {
			in.fail("words of a page do not fit its data")
		}
	}
}

// Describe implements Payload.
func (p *BitmapInsertWords) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.BitmapTextFull() {
		return bitmapText(dst, "insert words in a not-last bitmap page", p.Relation)
	}
	dst = appendInt(dst, "bm_num_pages ", p.NumPages)
	dst = appendBool(dst, ", bm_init_first_page ", p.InitFirstPage)
	dst = appendBlock(dst, ", bm_lov_blkno ", p.Block)
	dst = appendUint(dst, ", bm_lov_offset ", p.Offset)
	dst = appendUint(dst, ", bm_last_compword ", p.Item.LastCompWord)
	dst = appendUint(dst, ", bm_last_word ", p.Item.LastWord)
	dst = appendUint(dst, ", lov_words_header ", p.Item.WordsHeader)
	dst = appendUint(dst, ", bm_last_setbit ", p.Item.LastSetBit)
	return appendRelation(dst, ", rel ", p.Relation)
}

// BitmapPage is xl_bm_bitmapwords_perpage: words for one page.
//
//	blkno u32, pad 4, last_tid u64, start_hword u16, num_hwords u16, start_cword u16, num_cwords u16,
//	[next_blkno u32, pad 4,] header words u64 * num_hwords, content words u64 * num_cwords
type BitmapPage struct {
	Block       uint32
	LastTid     uint64 // tid location of the last bit on the page
	StartHeader uint16 // where HeaderWords go on the page
	Start       uint16 // where Words go
	HasNext     bool   // Next is there
	Next        uint32 // the vector's next page
	HeaderWords Uint64s
	Words       Uint64s
}

// BitmapPageOf takes apart the data of a block of a BitmapInsertWords. It is false when the data is no such. Whether
// there is a number of the next page differs between builds of one catalog version; the data's length tells.
func BitmapPageOf(data []byte) (p BitmapPage, ok bool) {
	in := input{main: data}
	p.Block = in.u32()
	in.skip(4)
	p.LastTid = in.u64()
	p.StartHeader = in.u16()
	headers := int(in.u16())
	p.Start = in.u16()
	words := int(in.u16())
	if p.HasNext = in.left() == 8+8*(headers+words); p.HasNext {
		p.Next = in.u32()
		in.skip(4)
	}
	p.HeaderWords, p.Words = in.u64s(int64(headers)), in.u64s(int64(words))
	return p, in.err == "" && in.left() == 0
}

// BitmapUpdateWord is xl_bm_updateword: a word of a bitmap page, block 0, changed.
//
//	relation, blkno u32, word_no i32, pad to 8, cword u64, hword u64
type BitmapUpdateWord struct {
	Relation xlog.RelFileLocator
	Block    uint32
	Number   int32  // of the word on the page
	Word     uint64 // content word
	Header   uint64 // the header word that has its bit
}

func (p *BitmapUpdateWord) decode(in *input) {
	*p = BitmapUpdateWord{Relation: in.relation(), Block: in.u32(), Number: in.i32()}
	in.align(8)
	p.Word, p.Header = in.u64(), in.u64()
}

// Describe implements Payload.
func (p *BitmapUpdateWord) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.BitmapTextFull() {
		return bitmapText(dst, "update a word in a bitmap page", p.Relation)
	}
	dst = appendBlock(dst, "bm_blkno ", p.Block)
	dst = appendInt(dst, ", bm_word_no ", p.Number)
	dst = appendUint(dst, ", bm_cword ", p.Word)
	dst = appendUint(dst, ", bm_hword ", p.Header)
	return appendRelation(dst, ", rel ", p.Relation)
}

// BitmapWholePage is all words of a page in a BitmapUpdateWords.
//
//	blkno u32, pad to 8, content words u64 * n, header words u64 * n, last_tid u64, num_cwords u64
type BitmapWholePage struct {
	Block       uint32
	Words       Uint64s // as many as fit a page, see NumWords
	HeaderWords Uint64s
	LastTid     uint64
	NumWords    uint64 // content words in use
}

func (in *input) bitmapWholePage() (p BitmapWholePage) {
	words, headers := in.BitmapWords()
	p.Block = in.u32()
	in.align(8)
	p.Words, p.HeaderWords = in.u64s(int64(words)), in.u64s(int64(headers))
	p.LastTid, p.NumWords = in.u64(), in.u64()
	return p
}

// BitmapUpdateWords is xl_bm_updatewords: one or two bitmap pages were written anew. Block 0 is the first; then the
// second, when TwoPages says so, and the LOV page, when NewLastPage does.
//
//	relation, lov_blkno u32, lov_offset u16, pad, first page, second page, two_pages u8, pad 3, next_blkno u32,
//	new_lastpage u8, pad 7
type BitmapUpdateWords struct {
	Relation      xlog.RelFileLocator
	Block         uint32 // the LOV page
	Offset        uint16
	First, Second BitmapWholePage
	TwoPages      bool
	Next          uint32 // the vector's page behind these
	NewLastPage   bool   // the second page is the vector's last now
}

func (p *BitmapUpdateWords) decode(in *input) {
	*p = BitmapUpdateWords{Relation: in.relation(), Block: in.u32(), Offset: in.u16()}
	in.align(4)
	p.First = in.bitmapWholePage()
	p.Second = in.bitmapWholePage()
	p.TwoPages = in.bool()
	in.align(4)
	p.Next, p.NewLastPage = in.u32(), in.bool()
}

// Describe implements Payload.
func (p *BitmapUpdateWords) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.BitmapTextFull() {
		return bitmapText(dst, "update words in bitmap pages", p.Relation)
	}
	dst = appendBlock(dst, "bm_lov_blkno ", p.Block)
	dst = appendUint(dst, ", bm_lov_offset ", p.Offset)
	dst = appendBlock(dst, ", bm_first_blkno ", p.First.Block)
	dst = appendBlock(dst, ", bm_second_blkno ", p.Second.Block)
	dst = appendBool(dst, ", bm_two_pages ", p.TwoPages)
	dst = appendBlock(dst, ", bm_next_blkno ", p.Next)
	dst = appendBool(dst, ", bm_new_lastpage ", p.NewLastPage)
	return appendRelation(dst, ", rel ", p.Relation)
}
