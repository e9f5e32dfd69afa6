// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// maxRunning is how many transactions are kept track of at most: many times what a server can have in progress.
const maxRunning = 1 << 17

// Running is the transactions that are in progress at a place of the log, so that those who read later know whose rows
// are not to be seen (the known-assigned transaction ids of src/backend/storage/ipc/procarray.c). Ids are given away in
// order: one that is newer than the newest seen so far is in progress, and so are all between.
//
// Subtransactions of one that has many are not listed: from the first such on, Overflowed says how far pg_subtrans
// would have to be asked. Redo itself never needs any of this.
type Running struct {
	xids       []uint32 // in order of age, the oldest first
	newest     uint32   // the newest id that was seen, 0 before the first snapshot
	overflowed uint32   // the newest transaction that may have subtransactions which are not listed, 0 for none
	known      bool     // whether all that are in progress are listed
	pending    uint32   // when a snapshot was incomplete: all is known when the oldest is newer than this
}

// Known tells whether all transactions in progress are known. It takes a while from the begin of recovery.
func (r *Running) Known() bool { return r.known }

// XIDs is the transactions and subtransactions in progress, the oldest first. It is valid until the next record.
func (r *Running) XIDs() []uint32 { return r.xids }

// Overflowed is the newest transaction that may have subtransactions which are not listed; 0 when there is none.
func (r *Running) Overflowed() uint32 { return r.overflowed }

// Newest is the newest transaction that was seen.
func (r *Running) Newest() uint32 { return r.newest }

// saw notes that a record mentions a transaction, 0 for none (RecordKnownAssignedTransactionIds).
func (r *Running) saw(xid uint32) {
	if xid < xlog.FirstNormalXID || r.newest == 0 || !precedes(r.newest, xid) {
		return
	}
	if uint64(len(r.xids))+uint64(xid-r.newest) > maxRunning {
		*r = Running{xids: r.xids[:0], newest: xid} // until a record lists all transactions again
	}
	if r.known || r.pending != 0 {
		for x := after(r.newest); precedes(x, xid); x = after(x) {
			r.xids = append(r.xids, x)
		}
		r.xids = append(r.xids, xid)
	}
	r.newest = xid
}

// after is the next transaction id.
func after(xid uint32) uint32 { return max(xid+1, xlog.FirstNormalXID) }

// before is the transaction id before xid.
func before(xid uint32) uint32 {
	if xid <= xlog.FirstNormalXID {
		return 1<<32 - 1
	}
	return xid - 1
}

// end notes the end of a transaction and its subtransactions (ExpireTreeKnownAssignedTransactionIds).
func (r *Running) end(xid uint32, subxacts rmgr.Uint32s) {
	if len(r.xids) == 0 {
		return
	}
	r.remove(xid)
	for i := range subxacts.Len() {
		r.remove(subxacts.At(i))
	}
}

func (r *Running) remove(xid uint32) {
	if i, found := r.find(xid); found {
		r.xids = slices.Delete(r.xids, i, i+1)
	}
}

// find is the place of a transaction, or where it would be.
func (r *Running) find(xid uint32) (int, bool) {
	return slices.BinarySearchFunc(r.xids, xid, func(x, xid uint32) int { return int(int32(x - xid)) })
}

// assign notes that transactions are subtransactions of another: they need not be listed any more
// (ProcArrayApplyXidAssignment).
func (r *Running) assign(top uint32, subxacts rmgr.Uint32s) {
	newest := top
	for i := range subxacts.Len() {
		if sub := subxacts.At(i); precedes(newest, sub) {
			newest = sub
		}
	}
	r.saw(newest)
	for i := range subxacts.Len() {
		r.remove(subxacts.At(i))
	}
	if r.newest != 0 && (r.overflowed == 0 || precedes(r.overflowed, newest)) {
		r.overflowed = newest
	}
}

// expire notes that no transaction before oldest is in progress: those that are listed ended in a crash
// (ExpireOldKnownAssignedTransactionIds).
func (r *Running) expire(oldest uint32) {
	i, _ := r.find(oldest)
	r.xids = slices.Delete(r.xids, 0, i)
	if r.overflowed != 0 && precedes(r.overflowed, oldest) {
		r.overflowed = 0
	}
}

// snapshot applies a record that lists all transactions in progress (ProcArrayApplyRecoveryInfo). over tells whether a
// transaction has ended, which may have happened between the snapshot and the record.
func (r *Running) snapshot(p *rmgr.RunningXacts, over func(xid uint32) (bool, error)) error {
	r.expire(p.OldestRunningXID)
	if r.known {
		return nil
	}
	if r.pending != 0 && p.SubxidOverflow && p.XIDs.Len() > 0 {
		r.known = precedes(r.pending, p.OldestRunningXID)
		return nil
	}
	return r.begin(p, over)
}

// begin takes the transactions of a snapshot.
func (r *Running) begin(p *rmgr.RunningXacts, over func(xid uint32) (bool, error)) error {
	r.xids = r.xids[:0]
	for _, list := range []rmgr.Uint32s{p.XIDs, p.SubXIDs} {
		for i := range min(list.Len(), maxRunning) {
			ended, err := over(list.At(i))
			if err != nil {
				return err
			}
			if !ended {
				r.xids = append(r.xids, list.At(i))
			}
		}
	}
	slices.SortFunc(r.xids, func(a, b uint32) int { return int(int32(a - b)) })
	r.xids = slices.Compact(r.xids)
	newest := before(p.NextXID)
	if r.newest == 0 || precedes(r.newest, newest) {
		r.newest = newest
	}
	r.known, r.pending, r.overflowed = !p.SubxidOverflow, 0, 0
	if p.SubxidOverflow {
		r.pending, r.overflowed = r.newest, r.newest
	}
	return nil
}

// shutdown notes that the server was shut down when next was the next transaction: only prepared ones are in progress.
func (r *Running) shutdown(next uint32, prepared []uint32) {
	*r = Running{xids: append(r.xids[:0], prepared...), newest: before(next), known: true}
	slices.SortFunc(r.xids, func(a, b uint32) int { return int(int32(a - b)) })
	if len(prepared) > 0 {
		r.overflowed = r.newest // they may have subtransactions
	}
}
