// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxBlockID is the highest id of a block reference (XLR_MAX_BLOCK_ID).
const MaxBlockID = 32

// Ids in the place of a block id that begin something else.
const (
	idDataShort = 255 // main data, length u8
	idDataLong  = 254 // main data, length u32
	idOrigin    = 253 // replication origin, u16
	idTopXID    = 252 // top-level transaction id, u32; from 14 on
)

// Bits of fork_flags in a block reference.
const (
	forkMask          uint8 = 0x0F
	BlockHasImage     uint8 = 0x10 // BKPBLOCK_HAS_IMAGE
	BlockHasData      uint8 = 0x20 // BKPBLOCK_HAS_DATA
	BlockWillInit     uint8 = 0x40 // BKPBLOCK_WILL_INIT: redo makes the page anew
	blockSameRelation uint8 = 0x80 // BKPBLOCK_SAME_REL: the relation of the reference before
)

// ForkNumber says which file of a relation a block is in.
type ForkNumber uint8

// The forks.
const (
	MainFork ForkNumber = iota
	FSMFork
	VisibilityMapFork
	InitFork
)

// String is the fork's name as pg_waldump prints it.
func (f ForkNumber) String() string {
	if names := [...]string{"main", "fsm", "vm", "init"}; int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("fork(%d)", uint8(f))
}

// RelFileLocator is the address of a relation's files: RelFileLocator, called RelFileNode up to PostgreSQL 15.
type RelFileLocator struct {
	Tablespace uint32
	Database   uint32 // 0 for a shared relation
	RelNumber  uint64 // 32 bits everywhere but in Cloudberry
}

// String is the form of pg_waldump, tablespace/database/relation.
func (l RelFileLocator) String() string {
	return fmt.Sprintf("%d/%d/%d", l.Tablespace, l.Database, l.RelNumber)
}

// Compression says how a full-page image is stored.
type Compression uint8

// The ways to store an image.
const (
	NotCompressed Compression = iota
	PGLZ
	LZ4
	Zstd
)

// String is the name as wal_compression spells it.
func (c Compression) String() string {
	if names := [...]string{"off", "pglz", "lz4", "zstd"}; int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("compression(%d)", uint8(c))
}

// Image is a full-page image in a block reference. The page is HoleOffset bytes of it, HoleLength zero bytes, and
// the rest; when it is compressed, what is compressed is the page without its hole.
type Image struct {
	Data        []byte // nil when the reference has no image
	HoleOffset  uint16
	HoleLength  uint16
	Info        uint8 // bimg_info as stored
	Compression Compression
	Apply       bool // redo restores the page from it; otherwise it is there for comparison only
}

// BlockRef is one block that a record refers to.
type BlockRef struct {
	ID    uint8
	Flags uint8 // BlockHasImage and so on, without the fork
	Fork  ForkNumber
	Block uint32
	Rel   RelFileLocator
	Data  []byte // nil when there is none
	Image Image

	dataLen, imageLen uint16
}

// HasImage tells whether the reference carries a full-page image.
func (b *BlockRef) HasImage() bool { return b.Flags&BlockHasImage != 0 }

// Body is a record's payload taken apart. The bytes, after the record's header:
//
//	block reference  id u8, fork_flags u8, data_len u16,
//	                 [image: length u16, hole_offset u16, bimg_info u8, [hole_length u16 if compressed with a hole]]
//	                 [relation, 12 or 16 bytes, unless SAME_REL], block u32
//	...
//	[253 origin u16] [252 top xid u32]
//	255 len u8, or 254 len u32      when there is main data; last of the heads
//	for each reference its image, then its data; then the main data
//
// Slices point into the record that was decoded. A Body may be used for any number of records, one after another.
type Body struct {
	Blocks []BlockRef
	Main   []byte
	Origin uint16 // replication origin, 0 for none
	TopXID uint32 // top-level transaction, 0 when not given
}

var (
	errRecordLength = errors.New("record with invalid length")
	errNoRelation   = errors.New("BKPBLOCK_SAME_REL set but no previous rel")
)

// Decode takes apart raw, a whole record with its header, by the rules of DecodeXLogRecord
// (src/backend/access/transam/xlogreader.c).
func (b *Body) Decode(d *Dialect, raw []byte) error {
	b.Blocks, b.Main, b.Origin, b.TopXID = b.Blocks[:0], nil, 0, 0
	if len(raw) < RecordHeaderSize {
		return ErrShort
	}
	p := bodyParser{d: d, rest: raw[RecordHeaderSize:]}
	if err := p.heads(b); err != nil {
		return err
	}
	if uint64(len(p.rest)) != p.payload {
		return errRecordLength
	}
	for i := range b.Blocks {
		blk := &b.Blocks[i]
		if blk.HasImage() {
			blk.Image.Data = p.take(int(blk.imageLen))
		}
		if blk.dataLen > 0 {
			blk.Data = p.take(int(blk.dataLen))
		}
	}
	b.Main = p.rest
	return nil
}

// Block is the reference with the given id, or nil.
func (b *Body) Block(id uint8) *BlockRef {
	for i := range b.Blocks {
		if b.Blocks[i].ID == id {
			return &b.Blocks[i]
		}
	}
	return nil
}

// bodyParser walks over the heads of a payload.
type bodyParser struct {
	d       *Dialect
	rest    []byte
	payload uint64 // bytes of data that the heads so far announce
}

// take cuts n bytes off, or nil when there are fewer.
func (p *bodyParser) take(n int) []byte {
	if n > len(p.rest) {
		return nil
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

// heads reads everything before the data. After the length of the main data there is nothing but data.
func (p *bodyParser) heads(b *Body) error {
	for uint64(len(p.rest)) > p.payload {
		id := p.rest[0]
		p.rest = p.rest[1:]
		if id <= MaxBlockID {
			if err := p.block(b, id); err != nil {
				return err
			}
			continue
		}
		last, err := p.special(b, id)
		if last || err != nil {
			return err
		}
	}
	return nil
}

// special reads what has one of the high ids, and tells whether it is the last of the heads.
func (p *bodyParser) special(b *Body, id uint8) (last bool, err error) {
	field := p.take(p.specialLen(id))
	switch {
	case len(field) == 0 && p.specialLen(id) > 0:
		return false, errRecordLength
	case id == idDataShort:
		p.payload += uint64(field[0])
		return true, nil
	case id == idDataLong:
		p.payload += uint64(binary.LittleEndian.Uint32(field))
		return true, nil
	case id == idOrigin:
		b.Origin = binary.LittleEndian.Uint16(field)
		return false, nil
	case id == idTopXID && p.d.topXID:
		b.TopXID = binary.LittleEndian.Uint32(field)
		return false, nil
	}
	return false, fmt.Errorf("invalid block_id %d", id)
}

func (p *bodyParser) specialLen(id uint8) int {
	switch id {
	case idDataShort:
		return 1
	case idOrigin:
		return 2
	case idDataLong, idTopXID:
		return 4
	}
	return 0
}

// block reads one block reference.
func (p *bodyParser) block(b *Body, id uint8) error {
	n := len(b.Blocks)
	if n > 0 && id <= b.Blocks[n-1].ID {
		return fmt.Errorf("out-of-order block_id %d", id)
	}
	head := p.take(3)
	if head == nil {
		return errRecordLength
	}
	blk := b.next()
	flags := head[0]
	blk.ID, blk.Flags, blk.Fork = id, flags&^forkMask, ForkNumber(flags&forkMask)
	blk.dataLen, blk.imageLen, blk.Data, blk.Image = binary.LittleEndian.Uint16(head[1:]), 0, nil, Image{}
	if (flags&BlockHasData != 0) != (blk.dataLen > 0) {
		return fmt.Errorf("BKPBLOCK_HAS_DATA is %t, but data length is %d", flags&BlockHasData != 0, blk.dataLen)
	}
	p.payload += uint64(blk.dataLen)
	if flags&BlockHasImage != 0 {
		if err := p.image(blk); err != nil {
			return err
		}
	}
	if flags&blockSameRelation == 0 {
		return p.tag(blk)
	}
	if n == 0 {
		return errNoRelation
	}
	blk.Rel = b.Blocks[n-1].Rel
	return p.blockNumber(blk)
}

// next extends Blocks by one, whose fields are those of an earlier record.
func (b *Body) next() *BlockRef {
	if n := len(b.Blocks); n < cap(b.Blocks) {
		b.Blocks = b.Blocks[:n+1]
	} else {
		b.Blocks = append(b.Blocks, BlockRef{})
	}
	return &b.Blocks[len(b.Blocks)-1]
}

// tag reads a relation and a block number.
func (p *bodyParser) tag(blk *BlockRef) error {
	rel := p.take(p.d.relNodeSize)
	if rel == nil {
		return errRecordLength
	}
	blk.Rel.Tablespace = binary.LittleEndian.Uint32(rel)
	blk.Rel.Database = binary.LittleEndian.Uint32(rel[4:])
	if len(rel) == 16 {
		blk.Rel.RelNumber = binary.LittleEndian.Uint64(rel[8:])
	} else {
		blk.Rel.RelNumber = uint64(binary.LittleEndian.Uint32(rel[8:]))
	}
	return p.blockNumber(blk)
}

func (p *bodyParser) blockNumber(blk *BlockRef) error {
	number := p.take(4)
	if number == nil {
		return errRecordLength
	}
	blk.Block = binary.LittleEndian.Uint32(number)
	return nil
}

// image reads the head of a full-page image.
func (p *bodyParser) image(blk *BlockRef) error {
	head := p.take(5)
	if head == nil {
		return errRecordLength
	}
	img := &blk.Image
	blk.imageLen, img.HoleOffset = binary.LittleEndian.Uint16(head), binary.LittleEndian.Uint16(head[2:])
	img.Info = head[4]
	img.Compression, img.Apply = p.d.image.compression(img.Info), img.Info&p.d.image.apply != 0
	hole := img.Info&p.d.image.hole != 0
	switch {
	case img.Compression == NotCompressed:
		img.HoleLength = uint16(p.d.blockSize - uint32(blk.imageLen))
	case hole:
		length := p.take(2)
		if length == nil {
			return errRecordLength
		}
		img.HoleLength = binary.LittleEndian.Uint16(length)
	}
	p.payload += uint64(blk.imageLen)
	return checkImage(img, hole, uint32(blk.imageLen), p.d.blockSize)
}

// checkImage makes the cross-checks of DecodeXLogRecord between the fields of an image.
func checkImage(img *Image, hole bool, length, blockSize uint32) error {
	switch {
	case length > blockSize:
		return fmt.Errorf("block image length %d is longer than a block", length)
	case hole && (img.HoleOffset == 0 || img.HoleLength == 0 || length == blockSize):
		return fmt.Errorf("BKPIMAGE_HAS_HOLE set, but hole offset %d length %d block image length %d",
			img.HoleOffset, img.HoleLength, length)
	case !hole && (img.HoleOffset != 0 || img.HoleLength != 0):
		return fmt.Errorf("BKPIMAGE_HAS_HOLE not set, but hole offset %d length %d", img.HoleOffset, img.HoleLength)
	case uint32(img.HoleOffset)+uint32(img.HoleLength) > blockSize:
		return fmt.Errorf("hole offset %d length %d reaches beyond the block", img.HoleOffset, img.HoleLength)
	case img.Compression != NotCompressed && length == blockSize:
		return fmt.Errorf("block image is compressed, but its length is %d", length)
	}
	return nil
}

// compression is the method that bimg_info names. Like RestoreBlockImage it takes the first when there are several.
func (m images) compression(info uint8) Compression {
	switch {
	case info&m.pglz != 0:
		return PGLZ
	case info&m.lz4 != 0:
		return LZ4
	case info&m.zstd != 0:
		return Zstd
	}
	return NotCompressed
}
