// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of DistributedLog, in which a Greenplum segment notes the distributed transaction of each local one
// (src/include/access/distributedlog.h, src/backend/access/rmgrdesc/distributedlogdesc.c). Coordinators write none.
func distributedLogOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "DISTRIBUTEDLOG_ZEROPAGE", func() Payload { return new(DistributedLogZeroPage) }},
		{0x10, "DISTRIBUTEDLOG_TRUNCATE", func() Payload { return new(DistributedLogTruncate) }},
	}
}

// DistributedLogZeroPage says that a page of zeros was added.
//
//	page i32
type DistributedLogZeroPage struct {
	Page int32
}

func (p *DistributedLogZeroPage) decode(in *input) { p.Page = in.i32() }

// Describe implements Payload.
func (p *DistributedLogZeroPage) Describe(dst []byte, _ *Printing) []byte {
	return appendInt(dst, "zeropage: ", p.Page)
}

// DistributedLogTruncate says that the pages before one were removed.
//
//	page i32
type DistributedLogTruncate struct {
	Page int32 // the oldest that is left
}

func (p *DistributedLogTruncate) decode(in *input) { p.Page = in.i32() }

// Describe implements Payload.
func (p *DistributedLogTruncate) Describe(dst []byte, _ *Printing) []byte {
	return appendInt(dst, "truncate before: ", p.Page)
}
