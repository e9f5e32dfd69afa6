// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

// catalogLocks are the transactions that hold an access exclusive lock on a catalog, or on an index or TOAST table of one
// (what StandbyAcquireAccessExclusiveLock in src/backend/storage/ipc/standby.c keeps of all locks). Who rewrites a catalog
// is among them, from before the new file is made until the transaction has ended.
type catalogLocks struct {
	held  map[uint32][]uint32 // by transaction: databases of the catalogs
	known bool                // all of them are: it takes until the log lists the locks that were held before it began
}

// add takes note of locks that were taken, or of all that are held.
func (l *catalogLocks) add(p *rmgr.StandbyLock) {
	for i := range p.Locks.Len() {
		if lock := p.Locks.At(i); lock.Relation < firstUserOID {
			l.held[lock.XID] = append(l.held[lock.XID], lock.Database)
		}
	}
}

// mayRewrite tells whether somebody may be rewriting a catalog of a database.
func (l *catalogLocks) mayRewrite(database uint32) bool {
	if !l.known {
		return true
	}
	for _, databases := range l.held {
		for _, d := range databases {
			if d == database {
				return true
			}
		}
	}
	return false
}

// release is the end of a transaction.
func (l *catalogLocks) release(xid uint32) { delete(l.held, xid) }

// expire is called with the record that follows the list of all locks: transactions before oldest have ended, as far as
// they were not seen to, in a crash (StandbyReleaseOldLocks).
func (l *catalogLocks) expire(oldest uint32) {
	for xid := range l.held {
		if precedes(xid, oldest) {
			delete(l.held, xid)
		}
	}
	l.known = true
}

// clear is called when nobody is at work.
func (l *catalogLocks) clear() {
	clear(l.held)
	l.known = true
}
