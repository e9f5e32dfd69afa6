// SPDX-License-Identifier: Apache-2.0

package coordinator

import (
	"context"
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/walsender/syncrep"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// ErrEnded says that the transaction was committed or undone already.
var ErrEnded = errors.New("the transaction has ended")

// A Tx is a transaction. There is one at a time: Begin waits for the one before. Its methods belong to one goroutine. After
// an error of Insert, Update or Delete, Commit undoes it and gives that error again.
type Tx struct {
	c      *Coordinator
	xid    uint32 // 0 until something is changed
	failed error
	ended  bool
}

// Begin begins a transaction. It must be ended with Commit or Rollback.
func (c *Coordinator) Begin(ctx context.Context) (*Tx, error) {
	select {
	case c.turn <- struct{}{}:
	case <-c.gone:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.working.Lock()
	defer c.working.Unlock()
	if err := c.usable(); err != nil {
		<-c.turn
		return nil, err
	}
	return &Tx{c: c}, nil
}

// Insert adds a row to its table.
func (tx *Tx) Insert(row catalog.Struct) error {
	return tx.change(row.Catalog(), func(rel *catalog.Relation) error {
		var tuple bufpage.HeapTuple
		err := tx.c.look(func() (err error) {
			tuple, err = rel.Form(row)
			return err
		})
		if err != nil {
			return err
		}
		return tx.insertTuple(rel, tuple)
	})
}

// Update replaces each row of a table for which change returns another one, and says how many it replaced.
func (tx *Tx) Update(table string, change func(row *catalog.Row) (catalog.Struct, error)) (n int, err error) {
	type version struct {
		at    place
		tuple bufpage.HeapTuple
	}
	err = tx.change(table, func(rel *catalog.Relation) error {
		var list []version
		err := tx.rows(rel, func(row *catalog.Row, at place) error {
			src, err := change(row)
			if err != nil || src == nil {
				return err
			}
			tuple, err := rel.Form(src)
			list = append(list, version{at, tuple})
			return err
		})
		for _, v := range list {
			if err != nil {
				break
			}
			err = tx.updateTuple(rel, v.at, v.tuple)
		}
		n = len(list)
		return err
	})
	return n, err
}

// Delete removes each row of a table for which match is true, and says how many.
func (tx *Tx) Delete(table string, match func(row *catalog.Row) (bool, error)) (n int, err error) {
	err = tx.change(table, func(rel *catalog.Relation) error {
		var list []place
		err := tx.rows(rel, func(row *catalog.Row, at place) error {
			ok, err := match(row)
			if ok {
				list = append(list, at)
			}
			return err
		})
		for _, at := range list {
			if err != nil {
				break
			}
			err = tx.deleteTuple(rel, at)
		}
		n = len(list)
		return err
	})
	return n, err
}

// Commit makes the transaction durable, here and, where synchronous standbys are named, on them; only then others see its
// rows. When ctx ends, or the coordinator is closed, while standbys are waited for, the transaction is committed all the
// same, and the error is an ErrUnconfirmed.
func (tx *Tx) Commit(ctx context.Context) (xlog.LSN, error) {
	tx.c.working.Lock()
	defer tx.c.working.Unlock()
	if err := tx.check(); err != nil {
		return 0, errors.Join(err, tx.rollback())
	}
	defer tx.release()
	if tx.xid == 0 {
		return tx.c.primary.Position(), nil
	}
	end, unconfirmed, err := tx.commit(ctx)
	switch {
	case err == nil:
		err = tx.c.maybeCheckpoint()
	case unconfirmed != nil: // and closed meanwhile
		return end, unconfirmed
	}
	if err != nil {
		return 0, tx.c.fail(err)
	}
	return end, unconfirmed
}

func (tx *Tx) commit(ctx context.Context) (lsn xlog.LSN, unconfirmed, err error) {
	_, err = tx.c.primary.Commit(tx.xid, func(end xlog.LSN) error {
		if err := tx.c.secure(); err != nil {
			return err
		}
		lsn, unconfirmed = end, tx.c.confirm(ctx, end)
		return tx.c.usable()
	})
	return lsn, unconfirmed, err
}

// ErrUnconfirmed says that a transaction was committed, but that the standbys which Commit waited for may lack it.
var ErrUnconfirmed = errors.New("committed here, but not confirmed by the synchronous standbys")

// confirm waits for the synchronous standbys. Meanwhile Abort can work.
func (c *Coordinator) confirm(ctx context.Context, end xlog.LSN) error {
	if c.sync == nil {
		return nil
	}
	c.working.Unlock()
	defer c.working.Lock()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(c.life, func() { stop(ErrClosed) })()
	if err := c.sync.Wait(ctx, end, syncrep.Flush); err != nil {
		return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	return nil
}

// Rollback undoes the transaction. After Commit it does nothing.
func (tx *Tx) Rollback() error {
	tx.c.working.Lock()
	defer tx.c.working.Unlock()
	return tx.rollback()
}

func (tx *Tx) rollback() error {
	if tx.ended {
		return nil
	}
	defer tx.release()
	if tx.xid == 0 {
		return nil
	}
	if err := tx.c.usable(); err != nil {
		return err
	}
	err := tx.c.primary.Abort(tx.xid)
	if err == nil {
		err = tx.c.secure()
	}
	return tx.c.fail(err)
}

// release lets the next transaction begin.
func (tx *Tx) release() {
	tx.ended = true
	<-tx.c.turn
}

func (tx *Tx) check() error {
	if tx.ended {
		return ErrEnded
	}
	return errors.Join(tx.failed, tx.c.usable())
}

// change runs fn on a table as part of the transaction.
func (tx *Tx) change(table string, fn func(rel *catalog.Relation) error) error {
	tx.c.working.Lock()
	defer tx.c.working.Unlock()
	if err := tx.check(); err != nil {
		return err
	}
	rel, err := tx.c.table(table)
	if err == nil {
		err = tx.assignXID()
	}
	if err == nil {
		err = fn(rel)
	}
	if err != nil {
		tx.failed = fmt.Errorf("%s: %w", table, err)
	}
	return tx.failed
}

// assignXID takes the next transaction id, and begins its page of pg_xact (ExtendCLOG in
// src/backend/access/transam/clog.c).
func (tx *Tx) assignXID() error {
	if tx.xid != 0 {
		return nil
	}
	tx.xid = uint32(tx.c.redo.Counters().NextXID)
	d := tx.c.redo.DataDir().Dialect
	perPage := uint32(d.BlockSize()) * 4
	if tx.xid%perPage != 0 && tx.xid != xlog.FirstNormalXID {
		return nil
	}
	rec := &tx.c.rec
	rec.Begin(rmgr.CLOG, rmgr.InfoCLOGZeroPage, 0)
	rec.Data([]byte{byte(tx.xid / perPage), byte(tx.xid / perPage >> 8), byte(tx.xid / perPage >> 16), 0})
	return tx.insert()
}

// rows calls fn for each row that the transaction sees, with its own changes.
func (tx *Tx) rows(rel *catalog.Relation, fn func(row *catalog.Row, at place) error) error {
	return tx.c.look(func() error {
		return rel.ScanVersions(func(row *catalog.Row, visible bool) error {
			own := row.XMin() == tx.xid
			gone := row.XMax() == tx.xid && row.Tuple().Infomask()&bufpage.XmaxInvalid == 0
			if gone || !visible && !own {
				return nil
			}
			return fn(row, place{tid: row.TID})
		})
	})
}
