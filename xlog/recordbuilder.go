// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"encoding/binary"
	"fmt"
)

// A RecordBuilder collects what a record is to hold, for Writer.Insert: the part of XLogBeginInsert, XLogRegisterData
// and the like (src/backend/access/transam/xloginsert.c). It copies what it is given, and is used for one record after
// another without allocating.
//
//	rec.Begin(xlog.RmgrID(10), 0x00, xid)
//	rec.Block(0, rel, xlog.MainFork, 17, 0)
//	rec.BlockData(0, tuple)
//	rec.Data(header)
//	begin, end, err := w.Insert(&rec)
//
// A mistake, such as data for a block that was not named, is Insert's error.
type RecordBuilder struct {
	header RecordHeader
	body   Body
	main   []byte
	blocks []blockBytes // of each of body.Blocks
	err    error
}

// blockBytes has a block reference's bytes, which are used again.
type blockBytes struct{ data, image []byte }

// Begin begins a record. info is xl_info with the bits of XLRInfoMask, such as XLRSpecialRelUpdate.
func (r *RecordBuilder) Begin(rmgr RmgrID, info uint8, xid uint32) {
	r.header = RecordHeader{XID: xid, Info: info, Rmgr: rmgr}
	r.body = Body{Blocks: r.body.Blocks[:0]}
	r.main, r.err = r.main[:0], nil
}

// Data adds main data behind what there is (XLogRegisterData).
func (r *RecordBuilder) Data(p []byte) {
	r.main = append(r.main, p...)
	r.body.Main = r.main
}

// Origin gives the record a replication origin (XLOG_INCLUDE_ORIGIN).
func (r *RecordBuilder) Origin(id uint16) { r.body.Origin = id }

// TopXID gives the record its top-level transaction, which some dialects know.
func (r *RecordBuilder) TopXID(xid uint32) { r.body.TopXID = xid }

// Block names a block that the record is about (XLogRegisterBlock). Ids grow from one to the next. flags is
// BlockWillInit or 0.
func (r *RecordBuilder) Block(id uint8, rel RelFileLocator, fork ForkNumber, block uint32, flags uint8) {
	n := len(r.body.Blocks)
	ref := r.body.next()
	*ref = BlockRef{ID: id, Flags: flags & BlockWillInit, Fork: fork, Block: block, Rel: rel}
	if n == len(r.blocks) {
		r.blocks = append(r.blocks, blockBytes{})
	}
	r.blocks[n].data, r.blocks[n].image = r.blocks[n].data[:0], r.blocks[n].image[:0]
}

// BlockData adds data to a block (XLogRegisterBufData). Redo does not look at it when there is an image to apply; a
// server then leaves it out unless it is needed for logical decoding.
func (r *RecordBuilder) BlockData(id uint8, p []byte) {
	if i := r.find(id); i >= 0 {
		own := &r.blocks[i]
		own.data = append(own.data, p...)
		r.body.Blocks[i].Data = own.data
	}
}

// Image adds a full-page image to a block, which redo applies. Of a page of the standard layout the hole between
// pd_lower and pd_upper is left out; whatever it holds becomes zero.
func (r *RecordBuilder) Image(id uint8, page []byte, standard bool) {
	i := r.find(id)
	if i < 0 {
		return
	}
	img := Image{Apply: true}
	if standard {
		img.HoleOffset, img.HoleLength = pageHole(page)
	}
	own := &r.blocks[i]
	own.image = append(own.image[:0], page[:img.HoleOffset]...)
	own.image = append(own.image, page[int(img.HoleOffset)+int(img.HoleLength):]...)
	img.Data = own.image
	r.body.Blocks[i].Image = img
}

// pageHole is the hole of a page of the standard layout (XLogRecordAssemble): pd_lower and pd_upper are at 12 and 14 of
// its header of 24 bytes (src/include/storage/bufpage.h).
func pageHole(page []byte) (offset, length uint16) {
	if len(page) < 24 {
		return 0, 0
	}
	lower, upper := binary.LittleEndian.Uint16(page[12:]), binary.LittleEndian.Uint16(page[14:])
	if lower < 24 || upper <= lower || int(upper) > len(page) {
		return 0, 0
	}
	return lower, upper - lower
}

// SetBody takes a payload as it is instead of one put together: that of a decoded record, to write it again. Its slices
// are not copied.
func (r *RecordBuilder) SetBody(b Body) {
	r.body.Blocks = append(r.body.Blocks[:0], b.Blocks...)
	r.body.Main, r.body.Origin, r.body.TopXID = b.Main, b.Origin, b.TopXID
}

// find is the place of a block that was named.
func (r *RecordBuilder) find(id uint8) int {
	for i := range r.body.Blocks {
		if r.body.Blocks[i].ID == id {
			return i
		}
	}
	r.fail(fmt.Errorf("%w: block %d was not named", errRecord, id))
	return -1
}

func (r *RecordBuilder) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// append writes the whole record, chained to the one at prev.
func (r *RecordBuilder) append(d *Dialect, prev LSN, dst []byte) ([]byte, error) {
	if r.err != nil {
		return dst, r.err
	}
	if err := r.body.check(d); err != nil {
		return dst, err
	}
	start := len(dst)
	r.header.Prev = prev
	dst = r.body.Append(d, r.header.Append(dst))
	raw := dst[start:]
	if uint64(len(raw)) > uint64(d.maxRecord) {
		return dst[:start], fmt.Errorf("%w: it would be %d bytes long", errRecord, len(raw))
	}
	binary.LittleEndian.PutUint32(raw, uint32(len(raw)))
	binary.LittleEndian.PutUint32(raw[20:], RecordCRC(raw))
	return dst, nil
}
