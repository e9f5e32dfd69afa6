// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of LogicalMessage (src/include/replication/message.h, src/backend/access/rmgrdesc/logicalmsgdesc.c).
func logicalMessageOps(*xlog.Dialect) []op {
	return []op{{0x00, "MESSAGE", func() Payload { return new(Message) }}}
}

// Message is xl_logical_message: a message to those who decode the log. Redo does nothing.
//
//	dbId u32, transactional bool, align 8, prefix_size u64, message_size u64,
//	prefix char * prefix_size, ends with a zero, message
type Message struct {
	Database      uint32
	Transactional bool // it counts only if its transaction commits
	Prefix        []byte
	Message       []byte
}

func (p *Message) decode(in *input) {
	p.Database, p.Transactional = in.u32(), in.bool()
	in.align(8)
	prefix, message := in.i64(), in.i64()
	p.Prefix = in.array(prefix, 1)
	if len(p.Prefix) == 0 || p.Prefix[len(p.Prefix)-1] != 0 {
		in.fail("the prefix has no end")
	}
	p.Prefix = cutZero(p.Prefix)
	p.Message = in.array(message, 1)
}

// Describe implements Payload.
func (p *Message) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.LogicalMessageTextFull() {
		dst = appendFlag(dst, !p.Transactional, "non")
		dst = append(dst, "transactional message size "...)
		return append(appendInt(dst, "", len(p.Message)), " bytes"...)
	}
	dst = appendFlag(dst, !p.Transactional, "non-")
	dst = append(append(dst, `transactional, prefix "`...), p.Prefix...)
	dst = appendInt(dst, `"; payload (`, len(p.Message))
	dst = append(dst, " bytes): "...)
	for i, c := range p.Message {
		dst = appendFlag(dst, i > 0, " ")
		dst = append(dst, upperDigits[c>>4], upperDigits[c&15])
	}
	return dst
}
