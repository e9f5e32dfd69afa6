// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Database (src/include/commands/dbcommands_xlog.h, src/backend/access/rmgrdesc/dbasedesc.c).
func databaseOps(d *xlog.Dialect) []op {
	copied := func() Payload { return new(DatabaseCreateFileCopy) }
	drop := func() Payload { return new(DatabaseDrop) }
	if d.DatabaseStrategies() {
		return []op{
			{0x00, "CREATE_FILE_COPY", copied},
			{0x10, "CREATE_WAL_LOG", func() Payload { return new(DatabaseCreateWALLog) }},
			{0x20, "DROP", drop},
		}
	}
	return []op{{0x00, "CREATE", copied}, {0x10, "DROP", drop}}
}

// DatabaseCreateFileCopy is xl_dbase_create_file_copy_rec: a database's directory was copied, file by file, which redo
// does too. Up to 14 it is called xl_dbase_create_rec and the only way to make a database.
//
//	db_id u32, tablespace_id u32, src_db_id u32, src_tablespace_id u32
type DatabaseCreateFileCopy struct {
	Database         uint32
	Tablespace       uint32
	SourceDatabase   uint32
	SourceTablespace uint32
}

func (p *DatabaseCreateFileCopy) decode(in *input) {
	p.Database, p.Tablespace, p.SourceDatabase, p.SourceTablespace = in.u32(), in.u32(), in.u32(), in.u32()
}

// Describe implements Payload.
func (p *DatabaseCreateFileCopy) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "copy dir ", p.SourceTablespace)
	dst = appendUint(dst, "/", p.SourceDatabase)
	dst = appendUint(dst, " to ", p.Tablespace)
	return appendUint(dst, "/", p.Database)
}

// DatabaseCreateWALLog is xl_dbase_create_wal_log_rec: a database's directory was made. What comes into it has records
// of its own.
//
//	db_id u32, tablespace_id u32
type DatabaseCreateWALLog struct {
	Database   uint32
	Tablespace uint32
}

func (p *DatabaseCreateWALLog) decode(in *input) { p.Database, p.Tablespace = in.u32(), in.u32() }

// Describe implements Payload.
func (p *DatabaseCreateWALLog) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "create dir ", p.Tablespace)
	return appendUint(dst, "/", p.Database)
}

// DatabaseDrop is xl_dbase_drop_rec: a database's directories were removed.
//
//	db_id u32, ntablespaces i32, tablespace_id u32 * ntablespaces
//	db_id u32, tablespace_id u32                                     up to 12
type DatabaseDrop struct {
	Database    uint32
	Tablespaces Uint32s
}

func (p *DatabaseDrop) decode(in *input) {
	p.Database = in.u32()
	n := int64(1)
	if in.DatabaseDropsMany() {
		n = int64(in.i32())
	}
	p.Tablespaces = in.u32s(n)
}

// Describe implements Payload.
func (p *DatabaseDrop) Describe(dst []byte, _ *Printing) []byte {
	dst = append(dst, "dir"...)
	for i := range p.Tablespaces.Len() {
		dst = appendUint(dst, " ", p.Tablespaces.At(i))
		dst = appendUint(dst, "/", p.Database)
	}
	return dst
}
