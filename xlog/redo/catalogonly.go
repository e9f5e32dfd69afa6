// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// A directory that has only catalogs (pgdata.DataDir.CatalogOnly) is kept current by applying only the records that are
// about them. Which relations those are follows from two rules:
//
//   - What is there is kept. The directory began with every catalog's file and no other. A relation that has no file, and
//     of which no creation was replayed, is none of ours, and a record about it is passed over.
//   - What is created is decided. A catalog gets a new file when it is rewritten (VACUUM FULL, CLUSTER, REINDEX), and with
//     its database. Whose a new file is, is known from the row of pg_class that names it, which comes before the first
//     page of it, or from the map of files (pg_filenode.map), which comes at the end of the transaction that rewrote a
//     catalog. Who rewrites a catalog holds an access exclusive lock on it, and that is in the log: a file without a row
//     that is filled while nobody holds one is none of ours either.
//
// A file of which nothing is known yet is kept for the time being, and so are all files that are there when replay begins;
// where the directory becomes consistent the rows decide about them, and every catalog must have its file.
// Whose a file is never changes, so a row tells it whether or not its transaction was committed.

// catalogOnly decides which records are applied in a directory that has only catalogs.
type catalogOnly struct {
	r *Redo
	// relations are those that are kept, by what is known of them, but for those that initdb made and that were never
	// rewritten, and for the shared ones: both are always kept.
	relations map[xlog.RelFileLocator]fate
	databases map[databaseDir]*catalogFiles // as far as they were asked for; nil for a directory without a map
	owners    map[relationID]bool           // whether a relation whose file was decided about is a catalog
	made      map[databaseDir]uint32        // databases that are being copied through the log, by transaction
	locks     catalogLocks
	page      bufpage.Page // one that is looked at
}

// fate is what is known of a file.
type fate uint8

const (
	fresh   fate = iota // it was created, and has no pages
	pending             // it may be a catalog's
	kept                // it is a catalog's
)

// databaseDir is the directory of a database in a tablespace.
type databaseDir struct{ tablespace, database uint32 }

func dirOf(rel xlog.RelFileLocator) databaseDir { return databaseDir{rel.Tablespace, rel.Database} }

// relationID is a relation by its object id.
type relationID struct {
	dir databaseDir
	oid uint32
}

// firstUserOID is the first object id, and file number, that is not given away by initdb (FirstNormalObjectId in
// src/include/access/transam.h).
const firstUserOID = 16384

// globalTablespace is where the shared relations are, all of which are catalogs.
const globalTablespace = 1664

// openCatalogOnly begins to decide, when the directory has only catalogs. What has a file is kept for now.
func (r *Redo) openCatalogOnly(b *beginning) error {
	if !r.dir.CatalogOnly {
		return nil
	}
	c := &catalogOnly{
		r: r, relations: map[xlog.RelFileLocator]fate{}, databases: map[databaseDir]*catalogFiles{},
		owners: map[relationID]bool{}, made: map[databaseDir]uint32{}, locks: catalogLocks{held: map[uint32][]uint32{}},
	}
	list, err := r.store.Relations()
	if err != nil {
		return err
	}
	for _, rel := range list {
		if rel.RelNumber >= firstUserOID {
			c.relations[rel] = pending
		}
	}
	c.locks.known = b.checkpoint.Shutdown && r.state.Prepared.Len() == 0
	r.only = c
	return nil
}

// redo applies the record, unless it is about what the directory has not.
func (r *Redo) redo(payload rmgr.Payload) error {
	f := table[r.rec.Rmgr]
	if r.only == nil {
		return f(r, payload)
	}
	skip, err := r.only.skips(payload)
	if err != nil || skip {
		return err
	}
	if err := f(r, payload); err != nil {
		return err
	}
	return r.only.after(payload)
}

// skips tells whether a record is about relations that the directory has not.
func (c *catalogOnly) skips(payload rmgr.Payload) (bool, error) {
	switch c.r.rec.Rmgr {
	case rmgr.Appendonly, rmgr.Bitmap: // no catalog is append-optimized, or has a bitmap index
		return true, nil
	}
	switch p := payload.(type) {
	case *rmgr.StorageTruncate:
		return c.lacks(p.Relation)
	case *rmgr.RelMapUpdate:
		_, err := c.files(databaseDir{p.Tablespace, p.Database}) // as they are before it
		return false, err
	}
	blocks, skipped := c.r.body.Blocks, 0
	for i := range blocks {
		lacks, err := c.lacks(blocks[i].Rel)
		if err != nil {
			return false, err
		}
		if lacks {
			skipped++
		}
	}
	if skipped > 0 && skipped < len(blocks) {
		return false, fmt.Errorf("it changes a catalog and another relation at once: %s and %s", blocks[0].Rel,
			blocks[len(blocks)-1].Rel)
	}
	return skipped > 0, nil
}

// lacks tells whether the directory has not got a relation, into which a record would put something.
func (c *catalogOnly) lacks(rel xlog.RelFileLocator) (bool, error) {
	if rel.Tablespace == globalTablespace || rel.RelNumber < firstUserOID {
		return false, nil
	}
	known, ok := c.relations[rel]
	if ok && known == fresh {
		return c.begins(rel)
	}
	return !ok, nil
}

// begins decides about a file of which no row is known when the first page comes; it tells whether the directory is not to
// have it.
func (c *catalogOnly) begins(rel xlog.RelFileLocator) (bool, error) {
	if c.locks.mayRewrite(rel.Database) {
		c.relations[rel] = pending
		return false, nil
	}
	if !c.isElsewhere(rel) { // what the copy of a database has, the database it is a copy of has as well
		return true, c.refuse(rel)
	}
	row, err := c.findClass(dirOf(rel), func(row *classRow) bool { return row.locator == rel })
	if err != nil {
		return false, err
	}
	c.relations[rel] = pending
	if row != nil {
		err = c.decide(row)
	}
	_, there := c.relations[rel]
	return !there, err
}

// isElsewhere tells whether another database has a file of the same number.
func (c *catalogOnly) isElsewhere(rel xlog.RelFileLocator) bool {
	for other, known := range c.relations {
		if other.RelNumber == rel.RelNumber && other.Database != rel.Database && known != fresh {
			return true
		}
	}
	return false
}

// refuse drops a file that is not a catalog's.
func (c *catalogOnly) refuse(rel xlog.RelFileLocator) error {
	delete(c.relations, rel)
	c.r.invalid.forgetRelation(rel)
	return c.r.store.Drop(rel)
}

// after learns from a record that was applied.
func (c *catalogOnly) after(payload rmgr.Payload) error {
	switch p := payload.(type) {
	case *rmgr.StorageCreate:
		return c.created(p.Relation)
	case *rmgr.RelMapUpdate:
		return c.mapped(p)
	case *rmgr.DatabaseCreateFileCopy:
		c.copied(databaseDir{p.Tablespace, p.Database}, databaseDir{p.SourceTablespace, p.SourceDatabase})
	case *rmgr.DatabaseCreateWALLog:
		dir := databaseDir{p.Tablespace, p.Database}
		c.forget(dir)
		c.made[dir] = c.r.rec.XID
	case *rmgr.DatabaseDrop:
		for i := range p.Tablespaces.Len() {
			c.forget(databaseDir{p.Tablespaces.At(i), p.Database})
		}
	case *rmgr.XactCommit:
		return c.ended(&p.XactEnd, true)
	case *rmgr.XactDistributedCommit:
		return c.ended(&p.XactEnd, true)
	case *rmgr.XactAbort:
		return c.ended(&p.XactEnd, false)
	case *rmgr.StandbyLock:
		c.locks.add(p)
	case *rmgr.RunningXacts:
		c.locks.expire(p.OldestRunningXID)
	case *rmgr.CheckPoint:
		if p.Shutdown && c.r.state.Prepared.Len() == 0 {
			c.locks.clear()
		}
	default:
		return c.watch()
	}
	return nil
}

// created takes note of a new file. One outside the database's own directory is no catalog's.
func (c *catalogOnly) created(rel xlog.RelFileLocator) error {
	if _, known := c.relations[rel]; known || rel.Tablespace == globalTablespace || rel.RelNumber < firstUserOID {
		return nil
	}
	files, err := c.files(dirOf(rel))
	if err != nil {
		return err
	}
	switch {
	case files == nil:
		return c.refuse(rel)
	case files.numbers[rel.RelNumber]:
		c.relations[rel] = kept
	default:
		c.relations[rel] = fresh
	}
	return nil
}

// ended takes note of the end of a transaction, and of the files that go with it.
func (c *catalogOnly) ended(p *rmgr.XactEnd, committed bool) error {
	for i := range p.Relations.Len() {
		delete(c.relations, p.Relations.At(i).Relation)
	}
	for i := range p.Databases.Len() {
		c.forget(databaseDir{p.Databases.At(i).Tablespace, p.Databases.At(i).Database})
	}
	xid := c.r.rec.XID
	if p.Info&rmgr.XactHasTwoPhase != 0 {
		xid = p.XID
	}
	err := c.completed(xid, committed)
	c.locks.release(xid)
	for i := range p.Subxacts.Len() {
		c.locks.release(p.Subxacts.At(i))
		if err == nil {
			err = c.completed(p.Subxacts.At(i), committed)
		}
	}
	return err
}

// completed looks, after the commit of a transaction that copied a database through the log, whether all of it came.
func (c *catalogOnly) completed(xid uint32, committed bool) error {
	for dir, by := range c.made {
		if by != xid {
			continue
		}
		delete(c.made, dir)
		if _, consistent := c.r.Consistent(); committed && consistent {
			if err := c.verify(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxOwners bounds the memory of decisions: what is not remembered is looked up.
const maxOwners = 4096

// remember notes whether a relation is a catalog.
func (c *catalogOnly) remember(id relationID, catalog bool) {
	if len(c.owners) >= maxOwners {
		clear(c.owners)
	}
	c.owners[id] = catalog
}

func (d databaseDir) String() string {
	return "database " + strconv.FormatUint(uint64(d.database), 10) + " in tablespace " +
		strconv.FormatUint(uint64(d.tablespace), 10)
}
