// SPDX-License-Identifier: Apache-2.0

package xlog

import "encoding/binary"

// ImageBytes is how much of the record is full-page images, in bytes (XLogRecGetFPILen). It is cheaper than Decode: of
// a record without images it looks at no more than the heads of its block references. body is for its use.
func (r *Record) ImageBytes(body *Body) (n uint32, err error) {
	if r.withoutImages() {
		return 0, nil
	}
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

// withoutImages tells whether no block reference has an image. It may be false of a malformed record.
func (r *Record) withoutImages() bool {
	if len(r.Raw) < RecordHeaderSize {
		return false
	}
	rest, data := r.Raw[RecordHeaderSize:], 0
	for len(rest) > data && rest[0] <= MaxBlockID {
		if len(rest) < 4 || rest[1]&BlockHasImage != 0 {
			return false
		}
		size := 4 + 4
		if rest[1]&blockSameRelation == 0 {
			size += r.dialect.relNodeSize
		}
		if size > len(rest) {
			return false
		}
		data += int(binary.LittleEndian.Uint16(rest[2:]))
		rest = rest[size:]
	}
	return true
}
