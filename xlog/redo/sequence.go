// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog/rmgr"
)

const (
	sequenceMagic   = 0x1717 // SEQ_MAGIC
	sequenceSpecial = 4      // sequence_magic
)

// sequence redoes records of Sequence: the sequence's only page is made anew (seq_redo in
// src/backend/commands/sequence.c).
func (r *Redo) sequence(p rmgr.Payload) error {
	log, ok := p.(*rmgr.SequenceLog)
	if !ok {
		return unknown(p)
	}
	buf, err := r.initBlock(0)
	if err != nil {
		return err
	}
	buf.Page.Init(sequenceSpecial, r.layout)
	binary.LittleEndian.PutUint32(buf.Page.Special(), sequenceMagic)
	if _, err := buf.Page.AddItem(log.Tuple, 1, false, false); err != nil {
		return r.pageError(buf, err)
	}
	r.changed(buf)
	return nil
}
