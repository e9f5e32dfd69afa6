// SPDX-License-Identifier: Apache-2.0

package xlogtest

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

const (
	sameRelation uint8 = 0x80
	idDataShort  byte  = 255
	idDataLong   byte  = 254
	idOrigin     byte  = 253
	idTopXID     byte  = 252
)

// AppendBody writes the payload that xlog.Body.Decode takes apart. Of an image it takes Info as it is. A reference to
// the relation of the one before becomes SAME_REL.
func AppendBody(dst []byte, d *xlog.Dialect, b *xlog.Body) []byte {
	for i := range b.Blocks {
		same := i > 0 && b.Blocks[i].Rel == b.Blocks[i-1].Rel
		dst = appendBlock(dst, d, &b.Blocks[i], same)
	}
	if b.Origin != 0 {
		dst = binary.LittleEndian.AppendUint16(append(dst, idOrigin), b.Origin)
	}
	if b.TopXID != 0 {
		dst = binary.LittleEndian.AppendUint32(append(dst, idTopXID), b.TopXID)
	}
	switch n := len(b.Main); {
	case n > 255:
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

func appendBlock(dst []byte, d *xlog.Dialect, blk *xlog.BlockRef, same bool) []byte {
	flags := blk.Flags&xlog.BlockWillInit | uint8(blk.Fork)
	if blk.Image.Data != nil {
		flags |= xlog.BlockHasImage
	}
	if len(blk.Data) > 0 {
		flags |= xlog.BlockHasData
	}
	if same {
		flags |= sameRelation
	}
	dst = append(dst, blk.ID, flags)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(blk.Data)))
	if blk.Image.Data != nil {
		dst = appendImageHead(dst, &blk.Image)
	}
	if !same {
		dst = appendRelation(dst, d, blk.Rel)
	}
	return binary.LittleEndian.AppendUint32(dst, blk.Block)
}

// appendImageHead: the hole's length is written only when the page was compressed without its hole.
func appendImageHead(dst []byte, img *xlog.Image) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(img.Data)))
	dst = binary.LittleEndian.AppendUint16(dst, img.HoleOffset)
	dst = append(dst, img.Info)
	if img.Compression != xlog.NotCompressed && img.HoleLength > 0 {
		dst = binary.LittleEndian.AppendUint16(dst, img.HoleLength)
	}
	return dst
}

func appendRelation(dst []byte, d *xlog.Dialect, l xlog.RelFileLocator) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, l.Tablespace)
	dst = binary.LittleEndian.AppendUint32(dst, l.Database)
	if d.RelNodeSize() == 16 {
		return binary.LittleEndian.AppendUint64(dst, l.RelNumber)
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(l.RelNumber))
}
