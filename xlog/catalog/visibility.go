// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// Visible tells whether a transaction that begins now would see the tuple (HeapTupleSatisfiesMVCC in
// src/backend/access/heap/heapam_visibility.c). Between two records of the log a transaction is over if and only if
// pg_xact says how it ended, and so there need be no list of those in progress.
func (c *Catalog) Visible(t bufpage.HeapTuple) (bool, error) {
	inserted, err := c.inserted(t)
	if err != nil || !inserted {
		return false, err
	}
	deleted, err := c.deleted(t)
	return !deleted, err
}

// inserted tells whether the transaction that made the tuple was committed.
func (c *Catalog) inserted(t bufpage.HeapTuple) (bool, error) {
	info := t.Infomask()
	switch {
	case info&bufpage.XminCommitted != 0: // or frozen
		return true, nil
	case info&bufpage.XminInvalid != 0:
		return false, nil
	case info&bufpage.Moved != 0:
		return c.moved(t)
	}
	return c.committed(t.Xmin())
}

// moved is for what VACUUM FULL moved before PostgreSQL 9.0: there is one of the two places, as it was committed or not.
func (c *Catalog) moved(t bufpage.HeapTuple) (bool, error) {
	vacuumed, err := c.committed(t.CID())
	in := t.Infomask()&bufpage.Moved != movedOff
	return vacuumed == in, err
}

const movedOff = 0x4000 // HEAP_MOVED_OFF

// deleted tells whether a transaction was committed that deleted or updated the tuple.
func (c *Catalog) deleted(t bufpage.HeapTuple) (bool, error) {
	info := t.Infomask()
	switch {
	case info&bufpage.XmaxInvalid != 0, lockedOnly(info):
		return false, nil
	case info&bufpage.XmaxIsMulti != 0:
		xid, err := c.xacts.MultiXacts.Updater(t.Xmax())
		if err != nil {
			return false, err
		}
		return c.committed(xid)
	case info&bufpage.XmaxCommitted != 0:
		return true, nil
	}
	return c.committed(t.Xmax())
}

// lockedOnly tells whether nobody but lockers are in xmax (HEAP_XMAX_IS_LOCKED_ONLY).
func lockedOnly(info uint16) bool {
	const lockMask = bufpage.XmaxKeyShrLock | bufpage.XmaxExclLock
	return info&bufpage.XmaxLockOnly != 0 || info&(bufpage.XmaxIsMulti|lockMask) == bufpage.XmaxExclLock
}

// committed tells whether a transaction was committed.
func (c *Catalog) committed(xid uint32) (bool, error) {
	if xid < xlog.FirstNormalXID {
		return xid != 0, nil
	}
	status, err := c.xacts.Commits.Status(xid)
	return status == pgdata.XactCommitted, err
}
