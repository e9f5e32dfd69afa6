// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Records of Sequence (src/include/commands/sequence.h, src/backend/access/rmgrdesc/seqdesc.c).
func sequenceOps(*xlog.Dialect) []op {
	return []op{{0x00, "LOG", func() Payload { return new(SequenceLog) }}}
}

// SequenceLog is xl_seq_rec: the only row of a sequence. Redo makes page 0 anew, with it as its only tuple.
//
//	relation, tuple with its header of t_hoff bytes: last_value i64, log_cnt i64, is_called bool
type SequenceLog struct {
	Relation  xlog.RelFileLocator
	Tuple     []byte
	LastValue int64
	LogCount  int64 // values that can be had without another record
	IsCalled  bool  // LastValue itself was had
}

const (
	tupleHoffAt   = 22 // t_hoff in HeapTupleHeaderData
	sequenceWidth = 8 + 8 + 1
)

func (p *SequenceLog) decode(in *input) {
	p.Relation = in.relation()
	p.Tuple = in.rest()
	if len(p.Tuple) <= tupleHoffAt || len(p.Tuple) < int(p.Tuple[tupleHoffAt])+sequenceWidth {
		in.fail("too short for a sequence's row")
		return
	}
	row := p.Tuple[p.Tuple[tupleHoffAt]:]
	p.LastValue = int64(binary.LittleEndian.Uint64(row))
	p.LogCount = int64(binary.LittleEndian.Uint64(row[8:]))
	p.IsCalled = row[16] != 0
}

// Describe implements Payload.
func (p *SequenceLog) Describe(dst []byte, _ *Printing) []byte {
	return appendRelation(dst, "rel ", p.Relation)
}
