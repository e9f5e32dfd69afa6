// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

var errNoXID = errors.New("the record has no transaction id")

// transaction redoes records of Transaction (xact_redo in src/backend/access/transam/xact.c).
func (r *Redo) transaction(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.XactCommit:
		return r.commit(&p.XactEnd)
	case *rmgr.XactDistributedCommit:
		r.distributed.committed(r.dialect, &p.XactEnd)
		if r.rec.XID == 0 {
			return nil // the coordinator changed nothing itself
		}
		return r.commit(&p.XactEnd)
	case *rmgr.XactAbort:
		return r.abort(&p.XactEnd)
	case *rmgr.XactPrepare:
		return r.prepare(p)
	case *rmgr.XactAssignment:
		r.running.assign(p.TopXID, p.Subxacts)
		return nil
	case *rmgr.XactDistributedForget:
		delete(r.distributed, p.ID)
		return nil
	case *rmgr.XactInvalidations:
		return nil // of interest to logical decoding
	}
	return unknown(p)
}

// commit is xact_redo_commit.
func (r *Redo) commit(p *rmgr.XactEnd) error {
	xid, err := r.ended(p)
	if err != nil {
		return err
	}
	time := p.Time
	if p.Info&rmgr.XactHasOrigin != 0 {
		time = p.OriginTime
	}
	if err := r.setCommitTime(xid, p.Subxacts, time, p.Origin); err != nil {
		return err
	}
	if err := r.setStatus(xid, p.Subxacts, pgdata.XactCommitted); err != nil {
		return err
	}
	r.running.end(xid, p.Subxacts)
	if p.Info&rmgr.XactUpdateRelcacheFile != 0 {
		if err := r.store.RemoveRelcacheInit(p.Tablespace, p.Database); err != nil {
			return err
		}
	}
	if p.Info&rmgr.XactHasOrigin != 0 {
		if err := r.state.Origins.Advance(p.Origin, p.OriginLSN, false); err != nil {
			return err
		}
	}
	return r.finish(p)
}

// abort is xact_redo_abort, of a transaction or a subtransaction.
func (r *Redo) abort(p *rmgr.XactEnd) error {
	xid, err := r.ended(p)
	if err != nil {
		return err
	}
	if err := r.setStatus(xid, p.Subxacts, pgdata.XactAborted); err != nil {
		return err
	}
	r.running.end(xid, p.Subxacts)
	if p.Info&rmgr.XactHasOrigin != 0 && r.dialect.XactAbortAdvancesOrigin() {
		if err := r.state.Origins.Advance(p.Origin, p.OriginLSN, false); err != nil {
			return err
		}
	}
	return r.finish(p)
}

// ended is the transaction that ends; the next one is after it and its subtransactions.
func (r *Redo) ended(p *rmgr.XactEnd) (uint32, error) {
	xid := r.rec.XID
	if p.Info&rmgr.XactHasTwoPhase != 0 {
		xid = p.XID
	}
	if xid < xlog.FirstNormalXID {
		return 0, errNoXID
	}
	newest := xid
	for i := range p.Subxacts.Len() {
		if sub := p.Subxacts.At(i); precedes(newest, sub) {
			newest = sub
		}
	}
	r.counters.sawXID(newest)
	r.running.saw(newest)
	return xid, nil
}

// setStatus notes in pg_xact what became of a transaction and its subtransactions.
func (r *Redo) setStatus(xid uint32, subxacts rmgr.Uint32s, status pgdata.XactStatus) error {
	for i := range subxacts.Len() {
		if err := r.state.Commits.Set(subxacts.At(i), status); err != nil {
			return err
		}
	}
	return r.state.Commits.Set(xid, status)
}

// finish removes what ends with a transaction: files of relations, in Greenplum those of databases and tablespaces too,
// and what a prepared transaction has.
func (r *Redo) finish(p *rmgr.XactEnd) error {
	for i := range p.Relations.Len() {
		rel := p.Relations.At(i).Relation
		r.invalid.forgetRelation(rel)
		if err := r.store.Drop(rel); err != nil {
			return err
		}
	}
	for i := range p.Databases.Len() {
		dir := p.Databases.At(i)
		r.invalid.forgetDatabase(dir.Database)
		if err := r.store.DropDatabase(dir.Tablespace, dir.Database); err != nil {
			return err
		}
	}
	if p.RemoveTablespace != 0 {
		if err := r.store.DropTablespace(p.RemoveTablespace); err != nil {
			return err
		}
	}
	if p.Info&rmgr.XactHasTwoPhase != 0 {
		return r.state.Prepared.Remove(p.XID)
	}
	return nil
}

// prepare notes a prepared transaction (PrepareRedoAdd in src/backend/access/transam/twophase.c).
func (r *Redo) prepare(p *rmgr.XactPrepare) error {
	if p.XID < xlog.FirstNormalXID {
		return errNoXID
	}
	r.state.Prepared.Add(pgdata.FullXID(r.counters.NextXID, p.XID), r.lsn, r.body.Main)
	if p.Origin == 0 {
		return nil
	}
	return r.state.Origins.Advance(p.Origin, p.OriginLSN, false)
}
