// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// verifyAll looks, where the directory has become consistent, whether every catalog of every database has its file, and
// decides about those of which nothing was known.
func (c *catalogOnly) verifyAll() error {
	list, err := c.r.store.Relations()
	if err != nil {
		return err
	}
	databases, err := c.databaseRows()
	if err != nil {
		return err
	}
	seen := map[databaseDir]bool{}
	for _, rel := range list {
		dir := dirOf(rel)
		if seen[dir] {
			continue
		}
		seen[dir] = true
		row := databases[dir.database]
		switch {
		case row.valid:
			err = c.verify(dir)
		case row.making != 0:
			c.made[dir] = row.making
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// databaseRow is what pg_database says of a database.
type databaseRow struct {
	valid  bool
	making uint32 // the transaction in progress that makes it; 0: none
}

// databaseRelation is the object id of pg_database (src/include/catalog/pg_database.h).
const databaseRelation = 1262

// databaseRows reads pg_database.
func (c *catalogOnly) databaseRows() (map[uint32]databaseRow, error) {
	mapping, err := c.r.store.ReadRelMap(globalTablespace, 0)
	if err != nil {
		return nil, err
	}
	rel := xlog.RelFileLocator{Tablespace: globalTablespace, RelNumber: mapping[databaseRelation]}
	rows, limitAt := map[uint32]databaseRow{}, connLimitOffset(c.r.dialect.DatabaseColumns())
	n, err := c.r.store.Blocks(rel, xlog.MainFork)
	for block := uint32(0); block < n && err == nil; block++ {
		err = c.tuples(rel, block, func(t bufpage.HeapTuple) error {
			data := t.Data()
			if len(data) < limitAt+4 {
				return fmt.Errorf("%s, block %d: a row of pg_database is too short", rel, block)
			}
			dropping := int32(binary.LittleEndian.Uint32(data[limitAt:])) == droppedHalf
			return c.databaseRow(rows, binary.LittleEndian.Uint32(data), dropping, t)
		})
	}
	return rows, err
}

// droppedHalf is datconnlimit of a database of which an interrupted DROP DATABASE may have removed files
// (DATCONNLIMIT_INVALID_DB in src/include/catalog/pg_database.h).
const droppedHalf = -2

// connLimitOffset is where datconnlimit is in a row.
func connLimitOffset(columns []xlog.CatalogColumn) (at int) {
	for _, column := range columns {
		if align := map[byte]int{'s': 2, 'i': 4}[column.Align]; align != 0 {
			at = (at + align - 1) &^ (align - 1)
		}
		if column.Name == "datconnlimit" {
			break
		}
		at += int(column.Len)
	}
	return at
}

func (c *catalogOnly) databaseRow(rows map[uint32]databaseRow, oid uint32, dropping bool, t bufpage.HeapTuple) error {
	valid, err := c.isValid(t)
	if err != nil {
		return err
	}
	if valid {
		rows[oid] = databaseRow{valid: !dropping}
		return nil
	}
	if t.Infomask()&(bufpage.XminCommitted|bufpage.XminInvalid) != 0 || rows[oid].valid || t.Xmin() < xlog.FirstNormalXID {
		return nil
	}
	status, err := c.r.state.Commits.Status(t.Xmin())
	if status == pgdata.XactInProgress {
		rows[oid] = databaseRow{making: t.Xmin()}
	}
	return err
}

// verify does so for the directory of one database.
func (c *catalogOnly) verify(dir databaseDir) error {
	files, err := c.files(dir)
	if err != nil || files == nil {
		return err
	}
	for oid, number := range files.mapping {
		rel := xlog.RelFileLocator{Tablespace: dir.tablespace, Database: dir.database, RelNumber: number}
		if _, there := c.relations[rel]; there {
			c.relations[rel] = kept
		}
		if err := c.check(&classRow{dir: dir, oid: oid, locator: rel}); err != nil {
			return err
		}
	}
	return c.eachClass(dir, c.verifyRow)
}

// verifyRow decides about the file of a row, which must be there when the row is a catalog's and valid.
func (c *catalogOnly) verifyRow(row *classRow) error {
	if known, there := c.relations[row.locator]; there && known != kept {
		return c.decide(row)
	}
	if !row.isCatalog() {
		return nil
	}
	valid, err := c.isValid(row.tuple)
	if err != nil || !valid {
		return err
	}
	return c.check(row)
}

// check looks whether a catalog's file is there.
func (c *catalogOnly) check(row *classRow) error {
	there, err := c.r.store.Exists(row.locator, xlog.MainFork)
	if err == nil && !there {
		err = fmt.Errorf("%w: %s, relation %d %s, file %d; a new snapshot is needed", ErrCatalogFile, row.dir, row.oid, row.name,
			row.locator.RelNumber)
	}
	return err
}

// isValid tells whether a row was committed and not deleted. One that a multixact locked or deleted counts as deleted.
func (c *catalogOnly) isValid(t bufpage.HeapTuple) (bool, error) {
	mask := t.Infomask()
	if mask&bufpage.XminCommitted == 0 {
		if committed, err := c.committed(t.Xmin()); err != nil || !committed {
			return false, err
		}
	}
	if mask&(bufpage.XmaxInvalid|bufpage.XmaxLockOnly) != 0 {
		return true, nil
	}
	if mask&(bufpage.XmaxCommitted|bufpage.XmaxIsMulti) != 0 {
		return false, nil
	}
	deleted, err := c.committed(t.Xmax())
	return !deleted, err
}

func (c *catalogOnly) committed(xid uint32) (bool, error) {
	if xid < xlog.FirstNormalXID {
		return xid != 0, nil
	}
	status, err := c.r.state.Commits.Status(xid)
	return status == pgdata.XactCommitted, err
}
