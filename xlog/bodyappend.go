// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Append writes the payload that Decode takes apart, as XLogRecordAssemble does (src/backend/access/transam/xloginsert.c).
// Of Flags only BlockWillInit counts: the rest follows from what there is. Of an image Info is taken as it is; 0
// stands for what its other fields say. A reference to the relation of the one before becomes SAME_REL. What does not fit
// its field is cut, which a Writer does not allow.
func (b *Body) Append(d *Dialect, dst []byte) []byte {
	for i := range b.Blocks {
		same := i > 0 && b.Blocks[i].Rel == b.Blocks[i-1].Rel
		dst = b.Blocks[i].appendHead(d, dst, same)
	}
	if b.Origin != 0 {
		dst = binary.LittleEndian.AppendUint16(append(dst, idOrigin), b.Origin)
	}
	if b.TopXID != 0 {
		dst = binary.LittleEndian.AppendUint32(append(dst, idTopXID), b.TopXID)
	}
	switch n := len(b.Main); {
	case n > math.MaxUint8:
		dst = binary.LittleEndian.AppendUint32(append(dst, idDataLong), uint32(n))
	case n > 0:
		dst = append(dst, idDataShort, byte(n))
	}
	for i := range b.Blocks {
		dst = append(dst, b.Blocks[i].Image.Data...)
		dst = append(dst, b.Blocks[i].Data...)
	}
	return append(dst, b.Main...)
}

func (b *BlockRef) appendHead(d *Dialect, dst []byte, same bool) []byte {
	flags := b.Flags&BlockWillInit | uint8(b.Fork)&forkMask
	if b.Image.Data != nil {
		flags |= BlockHasImage
	}
	if len(b.Data) > 0 {
		flags |= BlockHasData
	}
	if same {
		flags |= blockSameRelation
	}
	dst = append(dst, b.ID, flags)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(b.Data)))
	if b.Image.Data != nil {
		dst = b.Image.appendHead(d, dst)
	}
	if !same {
		dst = b.Rel.appendTo(d, dst)
	}
	return binary.LittleEndian.AppendUint32(dst, b.Block)
}

// appendHead: the hole's length is written only when the page was compressed without its hole.
func (img *Image) appendHead(d *Dialect, dst []byte) []byte {
	info := img.Info
	if info == 0 {
		info = d.image.info(img)
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(img.Data)))
	dst = binary.LittleEndian.AppendUint16(dst, img.HoleOffset)
	dst = append(dst, info)
	if img.Compression != NotCompressed && img.HoleLength > 0 {
		dst = binary.LittleEndian.AppendUint16(dst, img.HoleLength)
	}
	return dst
}

// info is the bimg_info that says what an image is.
func (m images) info(img *Image) (info uint8) {
	if img.HoleLength > 0 {
		info |= m.hole
	}
	if img.Apply {
		info |= m.apply
	}
	switch img.Compression {
	case PGLZ:
		info |= m.pglz
	case LZ4:
		info |= m.lz4
	case Zstd:
		info |= m.zstd
	}
	return info
}

func (l RelFileLocator) appendTo(d *Dialect, dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, l.Tablespace)
	dst = binary.LittleEndian.AppendUint32(dst, l.Database)
	if d.relNodeSize == 16 {
		return binary.LittleEndian.AppendUint64(dst, l.RelNumber)
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(l.RelNumber))
}

// errRecord says that a record cannot be written as it was asked for.
var errRecord = errors.New("no such WAL record can be written")

// check finds what Append would cut and Decode would refuse.
func (b *Body) check(d *Dialect) error {
	for i := range b.Blocks {
		blk := &b.Blocks[i]
		switch {
		case blk.ID > MaxBlockID, i > 0 && blk.ID <= b.Blocks[i-1].ID:
			return fmt.Errorf("%w: block reference %d at place %d: ids grow, up to %d", errRecord, blk.ID, i, MaxBlockID)
		case len(blk.Data) > math.MaxUint16:
			return fmt.Errorf("%w: block reference %d has %d bytes of data", errRecord, blk.ID, len(blk.Data))
		case blk.Image.Data != nil && !blk.Image.fits(d):
			return fmt.Errorf("%w: block reference %d has an image of %d bytes with a hole of %d", errRecord, blk.ID,
				len(blk.Image.Data), blk.Image.HoleLength)
		case d.relNodeSize < 16 && blk.Rel.RelNumber > math.MaxUint32:
			return fmt.Errorf("%w: relation %s in %s", errRecord, blk.Rel, d.name)
		}
	}
	if b.TopXID != 0 && !d.topXID {
		return fmt.Errorf("%w: %s has no top-level transaction in records", errRecord, d.name)
	}
	return nil
}

// fits tells whether an image is that of one page.
func (img *Image) fits(d *Dialect) bool {
	size := len(img.Data) + int(img.HoleLength)
	if img.Compression == NotCompressed {
		return size == int(d.blockSize)
	}
	return size < int(d.blockSize)
}
