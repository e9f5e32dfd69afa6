// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of ReplicationOrigin (src/include/replication/origin.h, src/backend/access/rmgrdesc/replorigindesc.c).
func originOps(*xlog.Dialect) []op {
	return []op{
		{0x00, "SET", func() Payload { return new(OriginSet) }},
		{0x10, "DROP", func() Payload { return new(OriginDrop) }},
	}
}

// OriginSet is xl_replorigin_set: how far replication from elsewhere has come.
//
//	remote_lsn u64, node_id u16, force bool
type OriginSet struct {
	RemoteLSN xlog.LSN
	Origin    uint16
	Force     bool // set it even if that goes back
}

func (p *OriginSet) decode(in *input) { p.RemoteLSN, p.Origin, p.Force = in.lsn(), in.u16(), in.bool() }

// Describe implements Payload.
func (p *OriginSet) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "set ", p.Origin)
	dst = appendLSN(dst, "; lsn ", p.RemoteLSN)
	if p.Force {
		return append(dst, "; force: 1"...)
	}
	return append(dst, "; force: 0"...)
}

// OriginDrop is xl_replorigin_drop: replication from elsewhere was given up.
//
//	node_id u16
type OriginDrop struct {
	Origin uint16
}

func (p *OriginDrop) decode(in *input) { p.Origin = in.u16() }

// Describe implements Payload.
func (p *OriginDrop) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(dst, "drop ", p.Origin)
}
