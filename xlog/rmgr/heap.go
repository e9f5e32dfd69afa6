// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Heap (src/include/access/heapam_xlog.h, src/backend/access/rmgrdesc/heapdesc.c).
func heapOps(*xlog.Dialect) []op {
	insert := func() Payload { return new(HeapInsert) }
	return []op{
		{0x00, "INSERT", insert},
		{0x80, "INSERT+INIT", insert},
	}
}

// HeapInsert is xl_heap_insert: a tuple was inserted. Block 0 is its page; its data, an xl_heap_header and the tuple,
// is missing when the page's image has it.
//
//	offnum u16, flags u8
type HeapInsert struct {
	Offset uint16 // OffsetNumber of the tuple
	Flags  uint8
}

func (p *HeapInsert) decode(in *input) {
	p.Offset, p.Flags = in.u16(), in.u8()
}

// Describe implements Payload.
func (p *HeapInsert) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "off ", p.Offset)
	return appendHex2(dst, " flags ", p.Flags)
}
