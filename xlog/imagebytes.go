// SPDX-License-Identifier: Apache-2.0

package xlog

import "encoding/binary"

// ImageBytes is how much of the record is full-page images, in bytes (XLogRecGetFPILen). It is cheaper than Decode: of
// a record without images it looks at no more than the heads of its block references. body is for its use.
func (r *Record) ImageBytes(body *Body) (n uint32, err error) {
	if len(r.Raw) < RecordHeaderSize {
		return r.decodedImageBytes(body)
	}
	rest, data := r.Raw[RecordHeaderSize:], 0
	for len(rest) > data && rest[0] <= MaxBlockID {
		if len(rest) < 4 || rest[1]&BlockHasImage != 0 {
			return r.decodedImageBytes(body)
		}
		size := 4 + 4
		if rest[1]&blockSameRelation == 0 {
			size += r.dialect.relNodeSize
		}
		if size > len(rest) {
			return r.decodedImageBytes(body)
		}
		data += int(binary.LittleEndian.Uint16(rest[2:]))
		rest = rest[size:]
	}
	return 0, nil
}

// decodedImageBytes is ImageBytes of a record that has images, or is malformed.
func (r *Record) decodedImageBytes(body *Body) (n uint32, err error) {
	if err := r.Decode(body); err != nil {
		return 0, err
	}
	return body.ImageBytes(), nil
}

// ImageBytes is how much of the record is full-page images, in bytes (XLogRecGetFPILen).
func (b *Body) ImageBytes() (n uint32) {
	for i := range b.Blocks {
		n += uint32(len(b.Blocks[i].Image.Data))
	}
	return n
}
