// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Tablespace (src/include/commands/tablespace.h, src/backend/access/rmgrdesc/tblspcdesc.c).
func tablespaceOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "CREATE", func() Payload { return new(TablespaceCreate) }},
		{0x10, "DROP", func() Payload { return new(TablespaceDrop) }},
	}
}

// TablespaceCreate is xl_tblspc_create_rec: a tablespace was made.
//
//	ts_id u32, ts_path char *, ends with a zero
type TablespaceCreate struct {
	Tablespace uint32
	Path       []byte // its location; Greenplum's servers add a directory named by their dbid
}

func (p *TablespaceCreate) decode(in *input) { p.Tablespace, p.Path = in.u32(), in.cstring() }

// Describe implements Payload.
func (p *TablespaceCreate) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "", p.Tablespace)
	dst = append(append(dst, ` "`...), p.Path...)
	return append(dst, '"')
}

// TablespaceDrop is xl_tblspc_drop_rec: a tablespace was removed.
//
//	ts_id u32
type TablespaceDrop struct {
	Tablespace uint32
}

func (p *TablespaceDrop) decode(in *input) { p.Tablespace = in.u32() }

// Describe implements Payload.
func (p *TablespaceDrop) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(dst, "", p.Tablespace)
}
