// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Kinds of invalidation messages (src/include/storage/sinval.h). Zero and above are the number of a catalog cache.
const (
	InvalCatalog  int8 = -1
	InvalRelcache int8 = -2
	InvalSmgr     int8 = -3
	InvalRelmap   int8 = -4
	InvalSnapshot int8 = -5
	InvalRelSync  int8 = -6 // from 18 on
)

// Invalidation is SharedInvalidationMessage: what other sessions must forget.
//
//	id i8, pad 3, dbId u32, object u32
//	id i8, backend_hi i8, backend_lo u16, [pad 4 before a relation of 16 bytes,] relation    for InvalSmgr
type Invalidation struct {
	ID       int8
	Database uint32 // 0 for a shared catalog
	// Object is the hash of a catalog cache's key, or the id of a catalog or relation, by ID.
	Object uint32
	// Backend and Relation belong to InvalSmgr. Backend is -1 for a relation that is not temporary.
	Backend  int32
	Relation xlog.RelFileLocator
}

// Invalidations is an array of invalidation messages in a record.
type Invalidations struct {
	raw  []byte
	size int
}

// Len is the number of messages.
func (a Invalidations) Len() int { return itemCount(a.raw, a.size) }

// At is message i.
func (a Invalidations) At(i int) Invalidation {
	b := a.raw[i*a.size : (i+1)*a.size]
	msg := Invalidation{ID: int8(b[0])}
	if msg.ID == InvalSmgr {
		msg.Backend = int32(int8(b[1]))<<16 | int32(binary.LittleEndian.Uint16(b[2:]))
		msg.Relation = relationAt(b[a.size-a.relationSize():])
		return msg
	}
	msg.Database, msg.Object = binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	return msg
}

func (a Invalidations) relationSize() int {
	if a.size == 24 {
		return 16
	}
	return 12
}

// invalidations reads n messages.
func (in *input) invalidations(n int32) Invalidations {
	size := in.InvalidationSize()
	return Invalidations{raw: in.array(int64(n), size), size: size}
}

// countedInvalidations reads a number of messages and the messages, aligned as they are behind it: xl_xact_invals.
func (in *input) countedInvalidations() Invalidations {
	n := in.i32()
	if in.InvalidationSize() == 24 {
		in.skip(4)
	}
	return in.invalidations(n)
}

// appendInvalidations is standby_desc_invalidations of src/backend/access/rmgrdesc/standbydesc.c. The database and
// tablespace are those of a relation cache file to remove, when initFile says so.
func (p *Printing) appendInvalidations(
	dst []byte, msgs Invalidations, database, tablespace uint32, initFile bool,
) []byte {
	if msgs.Len() == 0 {
		return dst
	}
	if initFile {
		dst = appendUint(dst, "; relcache init file inval dbid ", database)
		dst = appendUint(dst, " tsid ", tablespace)
	}
	dst = append(dst, "; inval msgs:"...)
	for i := range msgs.Len() {
		dst = p.appendInvalidation(dst, msgs.At(i))
	}
	return dst
}

func (p *Printing) appendInvalidation(dst []byte, msg Invalidation) []byte {
	switch {
	case msg.ID >= 0:
		return appendInt(dst, " catcache ", msg.ID)
	case msg.ID == InvalCatalog:
		return appendUint(dst, " catalog ", msg.Object)
	case msg.ID == InvalRelcache:
		return appendUint(dst, " relcache ", msg.Object)
	case msg.ID == InvalSmgr:
		return append(dst, " smgr"...)
	case msg.ID == InvalRelmap:
		return appendUint(dst, " relmap db ", msg.Database)
	case msg.ID == InvalSnapshot:
		return appendUint(dst, " snapshot ", msg.Object)
	case msg.ID == InvalRelSync && p.Dialect.RelSyncInvalidations():
		return appendUint(dst, " relsync ", msg.Object)
	}
	return appendInt(dst, " unrecognized id ", msg.ID)
}

// itemCount is the number of items of size bytes in raw; an array that was never read has a size of 0.
func itemCount(raw []byte, size int) int {
	if size == 0 {
		return 0
	}
	return len(raw) / size
}

// relationAt reads a RelFileLocator, of 12 or 16 bytes, that b is.
func relationAt(b []byte) xlog.RelFileLocator {
	rel := xlog.RelFileLocator{Tablespace: binary.LittleEndian.Uint32(b), Database: binary.LittleEndian.Uint32(b[4:])}
	if len(b) == 16 {
		rel.RelNumber = binary.LittleEndian.Uint64(b[8:])
	} else {
		rel.RelNumber = uint64(binary.LittleEndian.Uint32(b[8:]))
	}
	return rel
}
