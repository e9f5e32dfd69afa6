// SPDX-License-Identifier: Apache-2.0

// Package redo applies the records of the log to the pages of a data directory, as a server in recovery does
// (the rm_redo functions of every resource manager, src/backend/access/transam/xlogrecovery.c), byte for byte.
//
//	r, err := redo.New(redo.Config{Dir: dir})          // a base backup, or a directory that was in recovery
//	stop, err := r.Replay(ctx, redo.ReplayConfig{})    // or Apply for each record, and Restartpoint when it is Due
//	err = r.Shutdown()                                 // or Close, as if the process had been killed
//
// New, Apply, restartpoints and the control file are in recovery.go, redo.go, restartpoint.go, restartbeside.go and
// control.go. Pages show in files when the cache is full and at restartpoints, and never before the control file asks for
// the replay of what changed them, so that the directory can be begun with again at any moment, here or by PostgreSQL.
//
// There is a file for each resource manager, with the same name as in package rmgr. Each changes the blocks that a
// record refers to one by one, and each block depends on nothing but the record and itself.
package redo

import (
	"errors"
	"fmt"
	"sync"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Redo applies records to a store. It belongs to one goroutine.
type Redo struct {
	store   *pgdata.Store
	dialect *xlog.Dialect
	decoder *rmgr.Decoder
	layout  uint8 // version of new pages
	invalid invalidPages
	failed  error // of a record: final, for pages may have been changed in part

	recovery
	between    between
	restarting sync.Mutex // held while a restartpoint is made, and taken before between

	state    *pgdata.Transactions
	counters Counters
	running  Running

	// Of the record that is being applied.
	rec  *xlog.Record
	body *xlog.Body
	lsn  xlog.LSN // end of the record: what pages that it changes get as pd_lsn

	scratch scratch
	check   consistencyCheck
	only    *catalogOnly // nil: everything is applied

	observer Observer // may be nil
}

// rmgrs applies the records of a resource manager.
var rmgrs = map[xlog.RmgrID]func(*Redo, rmgr.Payload) error{
	rmgr.XLOG:              (*Redo).xlog,
	rmgr.Transaction:       (*Redo).transaction,
	rmgr.Storage:           (*Redo).storage,
	rmgr.CLOG:              (*Redo).clog,
	rmgr.Database:          (*Redo).database,
	rmgr.Tablespace:        (*Redo).tablespace,
	rmgr.MultiXact:         (*Redo).multiXact,
	rmgr.RelMap:            (*Redo).relMap,
	rmgr.Standby:           (*Redo).standby,
	rmgr.Heap2:             (*Redo).heap2,
	rmgr.Heap:              (*Redo).heap,
	rmgr.Btree:             (*Redo).btree,
	rmgr.Hash:              (*Redo).hash,
	rmgr.Gin:               (*Redo).gin,
	rmgr.Gist:              (*Redo).gist,
	rmgr.Sequence:          (*Redo).sequence,
	rmgr.SPGist:            (*Redo).spgist,
	rmgr.BRIN:              (*Redo).brin,
	rmgr.CommitTs:          (*Redo).commitTs,
	rmgr.ReplicationOrigin: (*Redo).origin,
	rmgr.Generic:           (*Redo).generic,
	rmgr.LogicalMessage:    (*Redo).logicalMessage,
	rmgr.Bitmap:            (*Redo).bitmap,
	rmgr.DistributedLog:    (*Redo).distributedLog,
	rmgr.Appendonly:        (*Redo).appendonly,
}

// table is rmgrs as an array.
var table = func() (t [256]func(*Redo, rmgr.Payload) error) {
	for id, f := range rmgrs {
		t[id] = f
	}
	return t
}()

// Apply redoes a record, which must be the one after the last. After an error of redo nothing more is applied or written,
// for pages may have been changed in part: every later call returns that error.
func (r *Redo) Apply(rec *xlog.Record) error {
	payload, err := r.decode(rec)
	if err != nil {
		return err
	}
	r.between.Lock()
	defer r.between.Unlock()
	err = r.applyDecoded(payload)
	r.publish()
	return err
}

// decode makes rec the record that is to be applied.
func (r *Redo) decode(rec *xlog.Record) (rmgr.Payload, error) {
	payload, err := r.decoder.Decode(rec)
	r.take(rec, r.decoder.Body())
	return payload, err
}

// take is decode for one who has done that.
func (r *Redo) take(rec *xlog.Record, body *xlog.Body) { r.rec, r.body, r.lsn = rec, body, rec.End }

// applyDecoded applies the record that was taken, for one who holds between and publishes then.
func (r *Redo) applyDecoded(payload rmgr.Payload) error {
	r.store.Begin()
	if r.failed != nil {
		return r.failed
	}
	if err := r.observed(payload); err != nil {
		r.failed = r.fail(err)
		return r.failed
	}
	if r.applied++; r.applied%publishEvery == 0 {
		r.publishCounts()
	}
	return nil
}

// apply is ApplyWalRecord in src/backend/access/transam/xlogrecovery.c.
func (r *Redo) apply(payload rmgr.Payload) error {
	if r.rec.LSN < r.end {
		return fmt.Errorf("replay is at %s already", r.end)
	}
	if _, unknown := payload.(*rmgr.Unknown); unknown || table[r.rec.Rmgr] == nil {
		return errors.New("unknown record")
	}
	r.counters.sawXID(r.rec.XID)
	if r.rec.Rmgr == rmgr.XLOG {
		if err := r.switchTimeline(payload); err != nil {
			return err
		}
	}
	r.next = r.lsn
	r.running.saw(r.rec.XID)
	if err := r.redo(payload); err != nil {
		return err
	}
	if err := r.checkConsistency(); err != nil {
		return err
	}
	if r.rec.Rmgr == rmgr.Transaction {
		r.noteTime(payload)
	}
	r.prev, r.end = r.rec.LSN, r.lsn
	return r.reachConsistency()
}

// unknown is the error for a payload that a resource manager does not have.
func unknown(p rmgr.Payload) error { return fmt.Errorf("no redo for %T", p) }
