// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// errSegmentRows says that the rows of gp_segment_configuration cannot be changed here. A server's own promotion can.
var errSegmentRows = errors.New("gp_segment_configuration cannot be changed: name Greenplum's programs with --postgres")

// roleChange does what Greenplum's promotion does to gp_segment_configuration (gp_activate_standby in
// src/backend/utils/gp/segadmin.c): the old coordinator's row goes, and ours gets its role.
type roleChange struct {
	r      *redo.Redo
	insert redo.Insert
	rec    xlog.RecordBuilder
	xid    uint32

	rel      *catalog.Relation
	indexes  []segmentIndex
	rows     int
	old, own segmentRow
}

type segmentRow struct {
	catalog.SegmentConfiguration
	tid   bufpage.TID
	tuple bufpage.HeapTuple // nil: there is no such row
}

// newRoleChange is for the end of r's recovery: plan is its Check, and carryOut its Change.
func newRoleChange(r *redo.Redo) *roleChange { return &roleChange{r: r} }

// look reads while nobody else does.
func (c *roleChange) look(fn func() error) error { return c.r.View(context.Background(), fn) }

// plan finds out what is to be changed, and whether it can be.
func (c *roleChange) plan() error {
	dbid, err := c.r.DataDir().DBID()
	if err != nil {
		return err
	}
	return c.look(func() error {
		db, err := catalog.New(c.r.Store(), c.r.Transactions()).Database("")
		if err != nil {
			return err
		}
		if err := c.find(db, int16(dbid)); err != nil {
			return err
		}
		switch {
		case c.rows == 0:
			return nil // no coordinator's
		case c.own.tuple == nil:
			return fmt.Errorf("%w: it has no row for dbid %d", errSegmentRows, dbid)
		}
		c.indexes, err = segmentIndexes(db, c.rel)
		return errors.Join(err, c.checkRoom())
	})
}

// checkRoom looks whether the pages have room for what comes.
func (c *roleChange) checkRoom() error {
	page, err := c.read(c.rel.Locator, c.own.tid.Block)
	if err == nil && page.HeapFreeSpace() < bufpage.MaxAlign(len(c.own.tuple)) {
		err = fmt.Errorf("%w: block %d has no room", errSegmentRows, c.own.tid.Block)
	}
	for i := range c.indexes {
		if err != nil {
			break
		}
		err = c.findRoot(&c.indexes[i])
	}
	return err
}

// done tells whether the rows are as they should be: there are none, or an attempt before has changed them.
func (c *roleChange) done() bool {
	return c.rows == 0 || c.own.Role == 'p' && c.own.PreferredRole == 'p'
}

// find looks for the old coordinator's row and for ours.
func (c *roleChange) find(db *catalog.DB, dbid int16) (err error) {
	if c.rel, err = db.Relation(catalog.SegmentConfiguration{}.Catalog()); err != nil {
		return err
	}
	return c.rel.Scan(func(row *catalog.Row) error {
		s := segmentRow{tid: row.TID}
		if err := row.ScanStruct(&s.SegmentConfiguration); err != nil {
			return err
		}
		s.tuple = append(s.tuple, row.Tuple()...)
		c.rows++
		switch {
		case s.DBID == dbid:
			c.own = s
		case s.Content == -1 && s.PreferredRole == 'p':
			c.old = s
		}
		return nil
	})
}

// carryOut changes the rows with a transaction of its own.
func (c *roleChange) carryOut(insert redo.Insert) error {
	if c.insert = insert; c.done() {
		return nil
	}
	if err := c.beginTransaction(); err != nil {
		return err
	}
	if c.old.tuple != nil {
		if err := c.delete(c.old.tid); err != nil {
			return err
		}
	}
	at, err := c.update()
	if err != nil {
		return err
	}
	for _, index := range c.indexes {
		if err := c.insertEntry(index, at); err != nil {
			return err
		}
	}
	return c.commit()
}

// beginTransaction takes the next transaction id, and makes the pages on which its end is noted (ExtendCLOG and
// DistributedLog_Extend).
func (c *roleChange) beginTransaction() error {
	c.xid = max(uint32(c.r.Counters().NextXID), xlog.FirstNormalXID)
	size := uint32(c.r.DataDir().Dialect.BlockSize())
	for id, perPage := range map[xlog.RmgrID]uint32{rmgr.CLOG: size * 4, rmgr.DistributedLog: size / 8} {
		if c.xid%perPage != 0 && c.xid != xlog.FirstNormalXID {
			continue
		}
		c.rec.Begin(id, rmgr.InfoCLOGZeroPage, 0)
		c.rec.Data(binary.LittleEndian.AppendUint32(nil, c.xid/perPage))
		if err := c.add(); err != nil {
			return err
		}
	}
	return nil
}

func (c *roleChange) add() error {
	_, _, err := c.insert(&c.rec)
	return err
}

// read reads a page, in look.
func (c *roleChange) read(rel xlog.RelFileLocator, block uint32) (bufpage.Page, error) {
	b, err := c.r.Store().Read(rel, xlog.MainFork, block)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("%w: block %d of %s is not there", errSegmentRows, block, rel)
	}
	return b.Page, nil
}

// page copies a page as it is now, and logs the whole of it before it is changed.
func (c *roleChange) page(rel xlog.RelFileLocator, block uint32) (page bufpage.Page, err error) {
	err = c.look(func() error {
		p, err := c.read(rel, block)
		page = append(page, p...)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.rec.Begin(rmgr.XLOG, rmgr.InfoFPI, 0)
	c.rec.Block(0, rel, xlog.MainFork, block, 0)
	c.rec.Image(0, page, true)
	return page, c.add()
}

// Places in a row of gp_segment_configuration, which begins with dbid and content.
const (
	segmentRoleAt   = 4
	preferredRoleAt = 5
)

// delete is a row's record of deletion (heap_delete).
func (c *roleChange) delete(tid bufpage.TID) error {
	page, err := c.page(c.rel.Locator, tid.Block)
	if err != nil {
		return err
	}
	p := rmgr.HeapDelete{
		Xmax: c.xid, Offset: tid.Offset, Infobits: rmgr.KeysUpdated,
		Flags: cleared(page, rmgr.HeapDeleteAllVisibleCleared),
	}
	p.Build(&c.rec, c.xid, c.rel.Locator, tid.Block)
	return c.add()
}

// cleared is flag when a page was all-visible until now.
func cleared(page bufpage.Page, flag uint8) uint8 {
	if page.Flags()&bufpage.AllVisible != 0 {
		return flag
	}
	return 0
}

// update gives our row its new version, on the same page (heap_update).
func (c *roleChange) update() (at bufpage.TID, err error) {
	own := c.own.tid
	page, err := c.page(c.rel.Locator, own.Block)
	if err != nil {
		return at, err
	}
	t := c.own.tuple
	t.Data()[segmentRoleAt], t.Data()[preferredRoleAt] = 'p', 'p'
	t.SetInfomask(t.Infomask()&^bufpage.XactMask | bufpage.Updated | bufpage.XmaxInvalid)
	t.SetInfomask2(t.Infomask2() & bufpage.NattsMask)
	at = bufpage.TID{Block: own.Block, Offset: uint16(page.MaxOffset() + 1)}
	p := rmgr.HeapUpdate{
		OldXmax: c.xid, OldOffset: own.Offset, OldInfobits: rmgr.KeysUpdated, NewOffset: at.Offset,
		Flags: cleared(page, rmgr.HeapUpdateOldAllVisibleCleared), New: rmgr.HeapTupleOf(t),
	}
	p.Build(&c.rec, c.xid, c.rel.Locator, at.Block, own.Block)
	return at, c.add()
}

// commit ends the transaction (xl_xact_commit): the time, the tablespace that goes with it, and in Cloudberry always xinfo.
func (c *roleChange) commit() error {
	c.rec.Begin(rmgr.Transaction, rmgr.InfoXactCommit, c.xid)
	c.rec.Data(binary.LittleEndian.AppendUint64(nil, uint64(xlog.Micros(time.Now()))))
	c.rec.Data(make([]byte, 8))
	if !c.r.DataDir().Dialect.XactHasInfoBit() {
		c.rec.Data(make([]byte, 4))
	}
	return c.add()
}
