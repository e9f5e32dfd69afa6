// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Records of RelMap (src/include/utils/relmapper.h, src/backend/utils/cache/relmapper.c,
// src/backend/access/rmgrdesc/relmapdesc.c).
func relMapOps(*xlog.Dialect) []op {
	return []op{{0x00, "UPDATE", func() Payload { return new(RelMapUpdate) }}}
}

// RelMapMagic is RELMAPPER_FILEMAGIC.
const RelMapMagic = 0x592717

// RelMapUpdate is xl_relmap_update: the new content of a file pg_filenode.map.
//
//	dbid u32, tsid u32, nbytes i32, file
//
// The file:
//
//	magic u32, num_mappings i32, mappings, room for more, crc u32, [pad 4]
type RelMapUpdate struct {
	Database   uint32 // 0 for the map of shared catalogs
	Tablespace uint32
	File       []byte
	Mappings   RelMappings
}

func (p *RelMapUpdate) decode(in *input) {
	p.Database, p.Tablespace = in.u32(), in.u32()
	p.File = in.array(int64(in.i32()), 1)
	file := *in
	file.main, file.off = p.File, 0
	if file.u32() != RelMapMagic {
		in.fail("not a relation map")
		return
	}
	p.Mappings.size = 8
	if in.RelNodeSize() == 16 {
		p.Mappings.size = 16
	}
	p.Mappings.raw = file.array(int64(file.i32()), p.Mappings.size)
	in.fail(file.err)
}

// Describe implements Payload.
func (p *RelMapUpdate) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "database ", p.Database)
	dst = appendUint(dst, " tablespace ", p.Tablespace)
	return appendInt(dst, " size ", len(p.File))
}

// RelMappings is the files of catalogs.
//
//	mapoid u32, mapfilenumber u32
//	mapoid u32, pad 4, mapfilenumber u64    in Cloudberry
type RelMappings struct {
	raw  []byte
	size int
}

// Len is the number of catalogs.
func (a RelMappings) Len() int { return itemCount(a.raw, a.size) }

// At is mapping i: the object id of a catalog, or an index or TOAST table of one, and its file number.
func (a RelMappings) At(i int) (oid uint32, relNumber uint64) {
	b := a.raw[i*a.size : (i+1)*a.size]
	if a.size == 16 {
		return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[8:])
	}
	return binary.LittleEndian.Uint32(b), uint64(binary.LittleEndian.Uint32(b[4:]))
}
