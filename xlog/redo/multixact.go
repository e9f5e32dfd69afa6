// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/rmgr"
)

// multiXact redoes records of MultiXact (multixact_redo in src/backend/access/transam/multixact.c).
func (r *Redo) multiXact(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.MultiXactZeroPage:
		if p.Members {
			return r.state.MultiXacts.ZeroMembersPage(p.Page)
		}
		return r.state.MultiXacts.ZeroOffsetsPage(p.Page)
	case *rmgr.MultiXactCreate:
		return r.createMultiXact(p)
	case *rmgr.MultiXactTruncate:
		r.counters.sawOldestMulti(p.EndMulti, p.OldestDB)
		return r.state.MultiXacts.Truncate(p.EndMulti, p.StartMembers, p.EndMembers)
	}
	return unknown(p)
}

func (r *Redo) createMultiXact(p *rmgr.MultiXactCreate) error {
	n := uint32(p.Members.Len())
	if err := r.state.MultiXacts.Create(p.MultiXact, p.Offset, n); err != nil {
		return err
	}
	newest := r.rec.XID
	for i := range n {
		m := p.Members.At(int(i))
		if m.Status > rmgr.MultiXactUpdate {
			return fmt.Errorf("member %d has the unknown status %d", i, m.Status)
		}
		if err := r.state.MultiXacts.SetMember(p.Offset+i, m.XID, uint8(m.Status)); err != nil {
			return err
		}
		if precedes(newest, m.XID) {
			newest = m.XID
		}
	}
	r.counters.sawMulti(p.MultiXact+1, p.Offset+n)
	r.counters.sawXID(newest)
	return nil
}
