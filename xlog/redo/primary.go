// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// Log is where a Primary writes. A *waldir.Dir is one, after its Begin.
type Log interface {
	xlog.LogSink
	// Sync makes everything durable that was written, and says up to where the log now is.
	Sync() (xlog.LSN, error)
}

// Primary goes on with the log of a directory that was recovered to the end of its log, on the same timeline, as the server
// that writes it. Every record is applied by redo at once, so that pages change in one way only, here, in a recovery after a
// crash, and in every standby.
//
// To the directory's control file this is a recovery that goes on: after a crash, New and Replay lead to the same pages. It
// belongs to the goroutine that the Redo belongs to; others look at pages in View.
type Primary struct {
	r      *Redo
	log    Log
	writer *xlog.Writer
}

// Primary begins to write. The log must be open for writing at Position.
func (r *Redo) Primary(log Log) (*Primary, error) {
	defer r.alone()()
	if r.failed != nil {
		return nil, r.failed
	}
	if err := r.enterArchiveRecovery(); err != nil {
		return nil, err
	}
	if !r.consistency.at.Valid() || !r.prev.Valid() {
		return nil, errors.New("a log can be gone on with only behind a record, in a consistent directory")
	}
	writer, err := xlog.NewWriter(xlog.WriterConfig{
		Dialect: r.dialect, SegmentSize: r.dir.SegmentSize, SystemID: r.dir.SystemID, Timeline: r.tli,
		Start: r.end, Prev: r.prev, Out: log,
	})
	if err != nil {
		return nil, err
	}
	p := &Primary{r: r, log: log, writer: writer}
	r.beforeWrite = func() error { return p.syncTo(r.next) }
	r.fullPageWrites = true // it logs images of pages after every checkpoint
	return p, nil
}

// Insert appends a record to the log and applies it. It is durable after Sync.
func (p *Primary) Insert(rec *xlog.RecordBuilder) (begin, end xlog.LSN, err error) {
	if p.r.failed != nil {
		return 0, 0, p.r.failed
	}
	if begin, end, err = p.writer.Insert(rec); err != nil {
		return 0, 0, err
	}
	return begin, end, p.r.Apply(p.writer.Last())
}

// Sync makes everything durable that was inserted.
func (p *Primary) Sync() error { return p.syncTo(p.writer.Position()) }

// syncTo is Sync up to lsn. Whoever looks at pages may have others written, and call it.
func (p *Primary) syncTo(lsn xlog.LSN) error {
	end, err := p.log.Sync()
	if err == nil && end < lsn {
		err = fmt.Errorf("the log is durable up to %s only, not %s", end, lsn)
	}
	return err
}

// Position is the end of the log.
func (p *Primary) Position() xlog.LSN { return p.writer.Position() }

// Checkpoint writes everything to disk, while no transaction is in progress, and moves the place from which recovery would
// begin (CreateCheckPoint in src/backend/access/transam/xlog.c).
func (p *Primary) Checkpoint() error {
	redo := p.writer.Next()
	if err := p.logRedo(); err != nil {
		return err
	}
	if err := p.logRunningXacts(); err != nil {
		return err
	}
	c := p.r.shutdownCheckPoint(redo)
	c.Shutdown, c.OldestActiveXID = false, uint32(c.NextXID)
	if _, _, err := p.insertDurably(p.r.checkPointRecord(c)); err != nil {
		return err
	}
	return p.r.Restartpoint()
}

// Shutdown leaves the directory as one of a server that was shut down, and closes the Redo.
func (p *Primary) Shutdown() error {
	if err := p.r.endLog(p.writer, p.insertDurably); err != nil {
		return err
	}
	return p.r.Close()
}

// insertDurably is Insert and Sync.
func (p *Primary) insertDurably(rec *xlog.RecordBuilder) (begin, end xlog.LSN, err error) {
	if begin, end, err = p.Insert(rec); err != nil {
		return 0, 0, err
	}
	return begin, end, p.Sync()
}

// logRedo marks the place where the redo of an online checkpoint begins, where the version wants that.
func (p *Primary) logRedo() error {
	if !p.r.dialect.LogsWALLevel() {
		return nil
	}
	var rec xlog.RecordBuilder
	rec.Begin(rmgr.XLOG, rmgr.InfoCheckPointRedo, 0)
	rec.Data(binary.LittleEndian.AppendUint32(nil, uint32(p.r.control.WalLevel)))
	_, _, err := p.Insert(&rec)
	return err
}

// logRunningXacts says that no transaction is in progress, so that a hot standby which begins here lets readers in
// (LogStandbySnapshot in src/backend/storage/ipc/standby.c).
func (p *Primary) logRunningXacts() error {
	next := uint32(p.r.counters.NextXID)
	none := rmgr.RunningXacts{NextXID: next, OldestRunningXID: next, LatestCompletedXID: xidBefore(next)}
	var rec xlog.RecordBuilder
	rec.Begin(rmgr.Standby, rmgr.InfoRunningXacts, 0)
	rec.Data(none.Append(nil))
	_, _, err := p.Insert(&rec)
	return err
}

// xidBefore is the transaction id before xid (TransactionIdRetreat).
func xidBefore(xid uint32) uint32 {
	if xid--; xid < xlog.FirstNormalXID {
		return ^uint32(0)
	}
	return xid
}

// Commit ends transaction xid (xl_xact_commit in src/include/access/xact.h). durable gets the end of the record, and makes
// the log so far durable, here and wherever it must be: nobody sees the transaction's rows before it returns, and if it
// fails nothing more can be done.
func (p *Primary) Commit(xid uint32, durable func(end xlog.LSN) error) (xlog.LSN, error) {
	if p.r.failed != nil {
		return 0, p.r.failed
	}
	_, end, err := p.writer.Insert(endOf(xid, rmgr.InfoXactCommit))
	if err == nil {
		err = durable(end)
	}
	if err != nil {
		return 0, err
	}
	return end, p.r.Apply(p.writer.Last())
}

// Abort undoes transaction xid (xl_xact_abort).
func (p *Primary) Abort(xid uint32) error {
	_, _, err := p.Insert(endOf(xid, rmgr.InfoXactAbort))
	return err
}

// endOf is the record of a transaction's end, now.
func endOf(xid uint32, info uint8) *xlog.RecordBuilder {
	var rec xlog.RecordBuilder
	rec.Begin(rmgr.Transaction, info, xid)
	rec.Data(binary.LittleEndian.AppendUint64(nil, uint64(xlog.Micros(time.Now()))))
	return &rec
}
