// SPDX-License-Identifier: Apache-2.0

// Package bufpage understands pages of relation files: it restores them from the full-page images in the log
// (RestoreBlockImage in src/backend/access/transam/xlogreader.c) and reads and checks their headers
// (src/include/storage/bufpage.h, PageIsVerifiedExtended in src/backend/storage/page/bufpage.c).
//
//	page := make([]byte, dialect.BlockSize())
//	for i := range body.Blocks {
//		if blk := &body.Blocks[i]; blk.HasImage() {
//			err := bufpage.RestoreImage(page, &blk.Image)
//			...
//			err = bufpage.Check(page)
//		}
//	}
//
// An image is a page without its hole, the free space between the line pointers and the tuples, and may be
// compressed:
//
//	page    | header, line pointers | hole: zeros | tuples, special space |
//	        0                  HoleOffset  HoleOffset+HoleLength        len(page)
//	image   | header, line pointers | tuples, special space |
//
// Pages are the caller's. Nothing is allocated for an image, and nothing is written outside the page, whatever the
// image says.
package bufpage

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// ErrImage says that a full-page image cannot be restored. It is an xlog.ErrCorrupt too.
var ErrImage = fmt.Errorf("%w: full-page image", xlog.ErrCorrupt)

// RestoreImage makes a page of an image. The page is as long as the dialect's BlockSize. After an error, which is an
// ErrImage, its content is undefined.
func RestoreImage(page []byte, img *xlog.Image) error {
	offset, hole := int(img.HoleOffset), int(img.HoleLength)
	if img.Data == nil || offset+hole > len(page) {
		return imageError(img, errors.New("no image of a page of this size"))
	}
	content := page[:len(page)-hole]
	if err := decompress(content, img); err != nil {
		return imageError(img, err)
	}
	copy(page[offset+hole:], content[offset:])
	clear(page[offset : offset+hole])
	return nil
}

func imageError(img *xlog.Image, err error) error {
	return fmt.Errorf("%w: %d bytes, compression %s, hole of %d at %d: %w",
		ErrImage, len(img.Data), img.Compression, img.HoleLength, img.HoleOffset, err)
}

var errLength = errors.New("wrong length")

// decompress fills dst exactly.
func decompress(dst []byte, img *xlog.Image) error {
	switch img.Compression {
	case xlog.NotCompressed:
		if len(img.Data) != len(dst) {
			return errLength
		}
		copy(dst, img.Data)
		return nil
	case xlog.PGLZ:
		return DecompressPGLZ(dst, img.Data)
	case xlog.LZ4:
		return DecompressLZ4(dst, img.Data)
	case xlog.Zstd:
		return decompressZstd(dst, img.Data)
	}
	return errors.New("unknown compression")
}
